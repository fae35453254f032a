use proptest::prelude::*;

use super::{Brackets, IN_WORD, MAX_DEPTH, Scanner, skip};
use crate::json::MalformedKind;

/// Follows brackets with a plain stack. Returns the container's end and its own commas, or `None` if it is wrong.
fn plainly(document: &[u8]) -> Option<(usize, usize)> {
    let (mut open, mut commas) = (Vec::new(), 0);
    for (at, byte) in document.iter().enumerate() {
        match byte {
            b'{' | b'[' if open.len() == MAX_DEPTH => return None,
            b'{' | b'[' => open.push(*byte),
            b'}' | b']' => {
                // The codes of the brackets of a pair differ by two.
                (open.pop() == Some(byte - 2)).then_some(())?;
                if open.is_empty() {
                    return Some((at + 1, commas));
                }
            }
            b',' if open.len() == 1 => commas += 1,
            _ => {}
        }
    }
    None
}

fn skipped(document: &[u8], scanner: Scanner) -> Option<(usize, usize)> {
    let container = skip(document, 0, scanner).ok()?;
    Some((container.end, container.commas))
}

fn assert_agrees(document: &[u8]) {
    let wanted = plainly(document);
    let text = String::from_utf8_lossy(document);
    for scanner in [Scanner::Fastest, Scanner::Portable] {
        assert_eq!(skipped(document, scanner), wanted, "{scanner:?} of {text}");
    }
}

/// As many brackets as `depth`, of alternating kinds from the outside, and closed.
fn nested(depth: usize, inner: &str) -> String {
    let kinds = |at: usize| {
        if at.is_multiple_of(3) {
            ("{", "}")
        } else {
            ("[", "]")
        }
    };
    let open: String = (0..depth).map(|at| kinds(at).0).collect();
    let close: String = (0..depth).rev().map(|at| kinds(at).1).collect();
    format!("{open}{inner}{close}")
}

#[test]
fn brackets_match_at_every_depth_and_only_the_outermost_commas_count() {
    for depth in 1..=MAX_DEPTH {
        let document = nested(depth, ",");
        assert_agrees(document.as_bytes());
        assert!(plainly(document.as_bytes()).is_some(), "depth {depth}");
        // An array around it and a comma after it.
        if depth < MAX_DEPTH {
            assert_agrees(format!("[{document},{document}, 1]").as_bytes());
        }
        // The bracket in the middle is of the other kind.
        let mut wrong = document.into_bytes();
        wrong[depth + 1] ^= b'{' ^ b'[';
        assert_eq!(plainly(&wrong), None, "depth {depth}");
        assert_agrees(&wrong);
    }
    let deep = nested(MAX_DEPTH + 1, "");
    for scanner in [Scanner::Fastest, Scanner::Portable] {
        let error = skip(deep.as_bytes(), 0, scanner).unwrap_err();
        assert_eq!(
            (error.kind, error.offset),
            (MalformedKind::TooDeep, MAX_DEPTH)
        );
    }
}

#[test]
fn words_of_the_stack_hold_the_maximum_exactly() {
    let mut brackets = Brackets::new();
    for at in 0..MAX_DEPTH {
        assert!(brackets.open((at % 2) as u64, at).is_ok(), "bracket {at}");
        assert_eq!(brackets.is_at_top(), at == 0, "bracket {at}");
        assert!(!brackets.is_empty(), "bracket {at}");
    }
    assert!(brackets.open(0, 7).is_err(), "one more");
    for at in (0..MAX_DEPTH).rev() {
        assert!(brackets.close((at % 2) as u64, at).is_ok(), "bracket {at}");
        assert_eq!(brackets.is_empty(), at == 0, "bracket {at}");
        assert_eq!(brackets.is_at_top(), at == 1, "bracket {at}");
        assert!(at > 1 || brackets.is_low(), "bracket {at}");
    }
}

proptest! {
    #[test]
    fn brackets_are_followed_as_by_a_plain_stack(
        start in 0..3_usize,
        steps in prop::collection::vec((any::<bool>(), prop_oneof![Just(1), 1..4_usize, 30..70_usize], "[, ]{0,3}"), 1..40),
        noise in prop::option::of((any::<prop::sample::Index>(), prop::sample::select(b"{}[],".to_vec()))),
    ) {
        let (mut document, mut open) = (String::from("["), vec![']']);
        for depth in 0..start * IN_WORD {
            document.push(if depth % 2 == 0 { '{' } else { '[' });
            open.push(if depth % 2 == 0 { '}' } else { ']' });
        }
        for (opens, count, text) in steps {
            for step in 0..count {
                if opens && open.len() < MAX_DEPTH {
                    document.push(if step % 2 == 0 { '[' } else { '{' });
                    open.push(if step % 2 == 0 { ']' } else { '}' });
                } else if !opens && open.len() > 1 {
                    document.extend(open.pop());
                }
                document.push_str(&text);
            }
        }
        document.extend(open.iter().rev());
        let mut bytes = document.into_bytes();
        if let Some((at, byte)) = noise {
            let at = 1 + at.index(bytes.len() - 1);
            bytes[at] = byte;
        }
        assert_agrees(&bytes);
    }
}
