//! The guard hook: pieces of texts, what guards hold back, and what leaves.

mod faults;
mod shipped;
mod subscription;

use std::sync::Arc;

use witgate_artifacts::WARDEN;
use witgate_runtime::{
    ContentKind, Guards, Lineup, Passage, PassedText, Plugin, Rejection, Source, Stopped,
};

use crate::request::{PATIENT, plain, runtime};

/// The source of a guard with these settings, which may see everything. `limits` continues the table of limits.
fn source(name: &str, limits: &str, settings: &str) -> Source {
    let sidecar = format!(
        "{PATIENT}{limits}\n[grants]\ncontent = [\"request\", \"response\"]\n[settings]\n{settings}\n"
    );
    Source::new(name, WARDEN.bytes()).with_sidecar(sidecar)
}

/// Admits a guard with these settings.
fn warden(name: &str, settings: &str) -> Arc<Plugin> {
    limited(name, "", settings)
}

fn limited(name: &str, limits: &str, settings: &str) -> Arc<Plugin> {
    runtime()
        .admit(&source(name, limits, settings))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Begins an exchange, and returns its guards.
fn asked(plugins: &[Arc<Plugin>]) -> Result<Option<Guards>, Rejection> {
    let lineup = Lineup::new(1, plugins.to_vec(), &[]);
    let hooks = lineup.begin(plain());
    hooks.guards(&Arc::default())
}

fn guards(plugins: &[Arc<Plugin>]) -> Guards {
    asked(plugins).expect("no refusal").expect("a guard")
}

/// Passes the pieces of one text, and says what leaves after each: `=N` for N unchanged bytes with what was outstanding, or the
/// text that replaces it, with the bytes that are held.
fn flow(guards: &mut Guards, pieces: &[&str]) -> Vec<(String, usize)> {
    flow_of(guards, 0, pieces, true)
}

fn flow_of(guards: &mut Guards, index: u32, pieces: &[&str], ends: bool) -> Vec<(String, usize)> {
    let mut outstanding = 0;
    let count = pieces.len();
    let each = pieces.iter().enumerate().map(|(place, text)| {
        let last = ends && place + 1 == count;
        let passed = guards.inspect(ContentKind::Text, index, text, last);
        let Passage {
            text: passed, held, ..
        } = passed.expect("it passes");
        outstanding += text.len();
        let leaves = match passed {
            PassedText::Unchanged => format!("={}", outstanding - held),
            PassedText::Changed(text) => text,
        };
        outstanding = held;
        (leaves, held)
    });
    each.collect()
}

fn is(leaves: &str, held: usize) -> (String, usize) {
    (leaves.to_owned(), held)
}

const TEXT: &str = r#"content = ["text"]"#;

fn holding(bytes: usize) -> String {
    format!("{TEXT}\nhold = {bytes}")
}

fn replacing(hold: usize, find: &str, replace: &str) -> String {
    format!(
        "{}\nfind = \"{find}\"\nreplace = \"{replace}\"",
        holding(hold)
    )
}

#[test]
fn a_guard_that_passes_everything_holds_nothing() {
    let mut guards = guards(&[warden("a", TEXT)]);
    assert_eq!(
        flow(&mut guards, &["one", " two", ""]),
        [is("=3", 0), is("=4", 0), is("=0", 0)],
        "what leaves"
    );
    let calls = &guards.trace().calls;
    assert_eq!((calls[0].pieces, calls[0].changed), (3, 0), "the trace");
}

#[test]
fn held_bytes_come_again_and_leave_with_the_next_piece_or_at_the_end() {
    let mut guards = guards(&[warden("a", &holding(4))]);
    assert_eq!(
        flow(&mut guards, &["0123456", "78", "9", ""]),
        [is("=3", 4), is("=2", 4), is("=1", 4), is("=4", 0)],
        "what leaves"
    );
}

#[test]
fn a_piece_shorter_than_what_is_held_is_held_whole() {
    let mut guards = guards(&[warden("a", &holding(4))]);
    assert_eq!(
        flow(&mut guards, &["ab", "c", "def", ""]),
        [is("=0", 2), is("=0", 3), is("=2", 4), is("=4", 0)],
        "what leaves"
    );
}

#[test]
fn what_is_held_is_rounded_up_to_whole_characters() {
    // Each of these letters has two bytes, and the last one four.
    for (hold, held) in [(1, 4), (4, 4), (5, 6), (6, 6), (7, 8)] {
        let mut guards = guards(&[warden("a", &holding(hold))]);
        let all = "äöü😀";
        assert_eq!(
            flow_of(&mut guards, 0, &[all], false),
            [is(&format!("={}", all.len() - held), held)],
            "holding {hold}"
        );
    }
}

#[test]
fn a_text_split_anywhere_is_found_whole_if_enough_of_it_is_held() {
    let plugin = warden("a", &replacing(6, "secret", "[x]"));
    let text = "a secret äöü and a secret";
    for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
        let (first, second) = text.split_at(at);
        let mut guards = guards(&[Arc::clone(&plugin)]);
        let mut out = String::new();
        let mut outstanding = String::new();
        for (piece, last) in [(first, false), (second, false), ("", true)] {
            let passed = guards.inspect(ContentKind::Text, 0, piece, last);
            let passed = passed.expect("it passes");
            outstanding.push_str(piece);
            let at = outstanding.len() - passed.held.min(outstanding.len());
            match passed.text {
                PassedText::Unchanged => {
                    out.push_str(&outstanding[..at]);
                    outstanding.drain(..at);
                }
                PassedText::Changed(text) => {
                    out.push_str(&text);
                    outstanding.clear();
                    outstanding.push_str(&"?".repeat(passed.held));
                }
            }
        }
        assert_eq!(out, "a [x] äöü and a [x]", "split at {at}");
    }
}

#[test]
fn after_a_change_everything_that_was_held_leaves_as_changed_text() {
    let mut guards = guards(&[warden("a", &replacing(2, "bad", "good"))]);
    assert_eq!(
        flow(&mut guards, &["a bad one", " two", "", "three", ""]),
        [
            is("a good o", 2),
            is("ne t", 2),
            is("", 2),
            is("wothr", 2),
            is("ee", 0)
        ],
        "what leaves"
    );
}

#[test]
fn a_text_is_unchanged_again_once_nothing_of_it_is_held() {
    let mut guards = guards(&[warden("a", &replacing(0, "bad", "good"))]);
    assert_eq!(
        flow(&mut guards, &["a bad one", " two", ""]),
        [is("a good one", 0), is("=4", 0), is("=0", 0)],
        "what leaves"
    );
}

#[test]
fn a_replacement_by_the_same_text_is_no_change() {
    let mut guards = guards(&[warden("a", &replacing(0, "same", "same"))]);
    assert_eq!(
        flow(&mut guards, &["the same", ""]),
        [is("=8", 0), is("=0", 0)],
        "what leaves"
    );
    assert_eq!(guards.trace().calls[0].changed, 0, "the trace");
}

#[test]
fn two_guards_inspect_one_after_the_other_what_those_before_pass() {
    let first = warden("a", &replacing(3, "one", "two"));
    let second = warden("b", &replacing(2, "two", "three"));
    let mut guards = guards(&[second, first]);
    assert_eq!(
        flow(&mut guards, &["a one b", "cdefg", ""]),
        // The first holds ` b`, and later `efg`; the second holds `cd`, the end of what the first passes then.
        [is("a three", 2), is(" b", 5), is("cdefg", 0)],
        "what leaves"
    );
    let changed = guards
        .trace()
        .calls
        .iter()
        .map(|calls| (&*calls.plugin, calls.changed));
    assert_eq!(
        changed.collect::<Vec<_>>(),
        [("a", 1), ("b", 1)],
        "each changed something"
    );
}

#[test]
fn held_bytes_of_two_guards_that_change_nothing_are_the_end_of_the_text() {
    let mut guards = guards(&[warden("a", &holding(3)), warden("b", &holding(2))]);
    assert_eq!(
        flow(&mut guards, &["0123456789", "ab", ""]),
        [is("=5", 5), is("=2", 5), is("=5", 0)],
        "what leaves"
    );
}

#[test]
fn texts_that_alternate_are_held_apart() {
    let mut guards = guards(&[warden("a", &holding(2))]);
    assert_eq!(flow_of(&mut guards, 0, &["abc"], false), [is("=1", 2)]);
    assert_eq!(flow_of(&mut guards, 7, &["xyz"], false), [is("=1", 2)]);
    for index in [7, 0] {
        let passed = guards.inspect(ContentKind::Text, index, "", true);
        let passed = passed.expect("it passes");
        assert_eq!(
            (passed.text, passed.held),
            (PassedText::Unchanged, 0),
            "text {index}"
        );
    }
}

#[test]
fn a_long_text_comes_in_pieces_of_the_limit_that_begin_with_what_was_held() {
    let marked = |limits| {
        let settings = format!("{TEXT}\nmark = true");
        guards(&[limited("a", limits, &settings)])
    };
    // Two bytes each, so that no piece can end at the limit itself.
    let text = "ä".repeat(600);
    let piece = "ä".repeat(512);
    let rest = "ä".repeat(88);
    let mut guards = marked("held_bytes = 10\npiece_bytes = 1025");
    assert_eq!(
        flow(&mut guards, &[&text]),
        [is(&format!("[{piece}][{rest}]."), 0)],
        "the pieces"
    );
    let mut guards = marked("");
    assert_eq!(
        flow(&mut guards, &[&text]),
        [is(&format!("[{text}]."), 0)],
        "one piece with the default"
    );
}

#[test]
fn a_long_text_passes_whole_through_a_guard_that_holds() {
    let mut guards = guards(&[limited(
        "a",
        "held_bytes = 512\npiece_bytes = 1024",
        &replacing(500, "secret", "[x]"),
    )]);
    let clean = "0123456789".repeat(1_000);
    let text = format!("{clean}secret{clean}");
    assert_eq!(
        flow(&mut guards, &[&text]),
        [is(&format!("{clean}[x]{clean}"), 0)],
        "all of it"
    );
}

#[test]
fn a_guard_may_stop_the_exchange() {
    for (more, loud) in [("", true), ("quietly = true", false)] {
        let settings = format!("{TEXT}\nstop = \"bomb\"\n{more}");
        let mut guards = guards(&[warden("a", &settings)]);
        assert_eq!(flow_of(&mut guards, 0, &["a "], false), [is("=2", 0)]);
        let stopped = guards.inspect(ContentKind::Text, 0, "bomb", false);
        let Err(Stopped::Stop {
            plugin,
            message,
            rule,
            quietly,
        }) = stopped
        else {
            panic!("a stop was expected, not {stopped:?}");
        };
        assert_eq!(
            (&*plugin, &*message, &*rule, quietly),
            ("a", "not in this house", "warden", !loud),
            "the stop"
        );
        let calls = &guards.trace().calls[0];
        assert_eq!(calls.stopped.as_deref(), Some("warden"), "the trace");
    }
}

#[test]
fn guards_outlive_their_session() {
    fn is_free<T: Send + 'static>(_: &T) {}
    let guards = guards(&[warden("a", TEXT)]);
    is_free(&guards);
    assert!(guards.wants(ContentKind::Text), "its kind");
    assert!(!guards.wants(ContentKind::Thinking), "another kind");
}
