//! Exports without `post-return`: the guest keeps its last result, lends it to the host, and drops it at the next one.

use std::cell::UnsafeCell;

use super::{Change, Choice, Guest as _, Plan, Shapes, types};

/// Results of the last calls, and the words that the host reads of them.
struct Kept {
    plan: Option<Plan>,
    choice: Choice,
    edits: Vec<Change>,
    target: Target,
    changes: [ChangeWords; 2],
    words: [Word; 10],
}

type Word = usize;
/// A target as the canonical ABI lays it out.
type Target = [Word; 9];
type ChangeWords = [Word; 5];

struct Single(UnsafeCell<Kept>);

// SAFETY: a guest has one thread.
unsafe impl Sync for Single {}

static KEPT: Single = Single(UnsafeCell::new(Kept {
    plan: None,
    choice: Choice::Pass,
    edits: Vec::new(),
    target: [0; 9],
    changes: [[0; 5]; 2],
    words: [0; 10],
}));

fn text(text: &str) -> [Word; 2] {
    [text.as_ptr() as Word, text.len()]
}

fn optional(value: &Option<String>) -> [Word; 3] {
    match value {
        Some(value) => [1, value.as_ptr() as Word, value.len()],
        None => [0; 3],
    }
}

fn target(of: &types::Target) -> Target {
    let ([upstream, length], [some, model, model_length]) =
        (text(&of.upstream), optional(&of.model));
    let timeout = of.timeout_ms.map_or([0, 0], |ms| [1, ms as Word]);
    [
        upstream,
        length,
        some,
        model,
        model_length,
        timeout[0],
        timeout[1],
        4,
        0,
    ]
}

fn kept() -> &'static mut Kept {
    // SAFETY: a guest has one thread, and no export calls another one.
    unsafe { &mut *KEPT.0.get() }
}

#[unsafe(export_name = "lean-option")]
extern "C" fn lean_option(change: bool) -> *const Word {
    let kept = kept();
    kept.plan = Shapes::gives_option(change);
    kept.words[0] = 0;
    if let Some(plan) = &kept.plan {
        kept.target = target(&plan.targets[0]);
        let [some, rule, length] = optional(&plan.rule);
        let targets = kept.target.as_ptr() as Word;
        kept.words = [1, some, rule, length, targets, 1, 4, 0, 4, 0];
    }
    kept.words.as_ptr()
}

#[unsafe(export_name = "lean-choice")]
extern "C" fn lean_choice(change: bool) -> *const Word {
    let kept = kept();
    kept.choice = Shapes::gives_choice(change);
    kept.words[0] = 0;
    if let Choice::Model(model) = &kept.choice {
        let [start, length] = text(model);
        kept.words[..3].copy_from_slice(&[1, start, length]);
    }
    kept.words.as_ptr()
}

#[unsafe(export_name = "lean-edits")]
extern "C" fn lean_edits(change: bool) -> *const Word {
    let kept = kept();
    kept.edits = Shapes::gives_edits(change);
    for (words, edit) in kept.changes.iter_mut().zip(&kept.edits) {
        *words = match edit {
            Change::Drop(name) => [0, name.as_ptr() as Word, name.len(), 0, 0],
            Change::Hash(name) => [1, name.as_ptr() as Word, name.len(), 0, 0],
            Change::Tag((name, value)) => {
                let ([name, length], [value, value_length]) = (text(name), text(value));
                [2, name, length, value, value_length]
            }
        };
    }
    kept.words[..2].copy_from_slice(&[kept.changes.as_ptr() as Word, kept.edits.len()]);
    kept.words.as_ptr()
}
