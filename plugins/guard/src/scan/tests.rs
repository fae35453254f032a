use super::*;
use crate::pattern::Pattern;

fn program(patterns: &[&str]) -> Program {
    let mut program = Program::default();
    for (rule, pattern) in (0..).zip(patterns) {
        let pattern = Pattern::parse(pattern).expect("a pattern");
        program.add(&pattern, rule).expect("it is small");
    }
    program.finish();
    program
}

/// Returns all matches by rule and text, and what could still be going on at the end.
fn search<'t>(patterns: &[&str], text: &'t str, last: bool) -> (Vec<(u16, &'t str)>, &'t str) {
    let program = program(patterns);
    let mut found = Vec::new();
    let open = Search::default().run(
        &Finder {
            program: &program,
            is_valid: &|_, text| !text.contains("nope"),
            before: &|| None,
        },
        Text {
            text,
            last,
            longest: 10,
        },
        |it| found.push((it.rule, &text[it.start..it.end])),
    );
    (found, &text[open..])
}

/// Patterns, a text, and what the rules find in it.
type Row = (
    &'static [&'static str],
    &'static str,
    &'static [(u16, &'static str)],
);

#[test]
fn matches_are_the_leftmost_and_longest_and_do_not_overlap() {
    let table: [Row; 6] = [
        (&["ab", "abc"], "xabcab", &[(1, "abc"), (0, "ab")]),
        (&["ab", "ab"], "ab", &[(0, "ab")]),
        (&["bcd", "abx|abc"], "abcd", &[(1, "abc")]),
        (&["aba"], "ababa", &[(0, "aba")]),
        (&["a|a[b]{3}c"], "abbbabbbc", &[(0, "a"), (0, "abbbc")]),
        (&["\\ba"], "aa a", &[(0, "a"), (0, "a")]),
    ];
    for (patterns, text, expected) in table {
        assert_eq!(
            search(patterns, text, true).0,
            expected,
            "{patterns:?} in {text}"
        );
    }
}

#[test]
fn only_what_could_still_become_a_match_is_open() {
    let table: [(&str, &str, usize, &str); 9] = [
        ("abc", "xab", 0, "ab"),
        ("abc", "xabd", 0, ""),
        ("abc", "xabc", 1, ""),
        ("abc+", "xabcc", 0, "abcc"),
        ("abc+", "xabcc ", 1, ""),
        ("abc\\b", "xabc", 0, "abc"),
        ("abc\\b", "xabc.", 1, ""),
        ("ab|abcd", "abc", 0, "abc"),
        ("ab|abcd", "abcx", 1, ""),
    ];
    for (pattern, text, matches, open) in table {
        let (found, rest) = search(&[pattern], text, false);
        assert_eq!((found.len(), rest), (matches, open), "{pattern} in {text}");
    }
}

#[test]
fn at_the_end_of_a_text_nothing_is_open() {
    for (text, expected) in [
        ("xabcc", Some("abcc")),
        ("xab", None),
        ("abc abc", Some("abc")),
    ] {
        let (found, rest) = search(&["abc+"], text, true);
        assert_eq!(found.first().map(|it| it.1), expected, "{text}");
        assert_eq!(rest, "", "{text}");
    }
}

#[test]
fn a_match_longer_than_the_longest_is_found_in_part_and_not_waited_for() {
    let (found, rest) = search(&["ab+"], "abbbbbbbbbbbbbbbbbbb", false);
    assert_eq!(found, [(0, "abbbbbbbbb")], "ten bytes");
    assert_eq!(rest, "", "the rest begins no match");
    let (found, rest) = search(&["ab+c"], "abbbbbbbbbbbbbbbbbbb", false);
    assert_eq!((found.len(), rest), (0, ""), "given up");
}

#[test]
fn a_match_that_its_check_rejects_is_none() {
    let (found, _) = search(&["[a-z]{4}"], "nopeabcd", true);
    assert_eq!(found, [(0, "opea")], "the next one that is valid");
}

#[test]
fn a_long_text_of_many_possible_matches_takes_steps_in_proportion() {
    let text = "a".repeat(20_000);
    let program = program(&["a[a-z]*b", "(?:a*)*c"]);
    let mut search = Search::default();
    let finder = Finder {
        program: &program,
        is_valid: &|_, _| true,
        before: &|| None,
    };
    let run = |search: &mut Search, text: &str| {
        let before = search.looks;
        let text = Text {
            text,
            last: true,
            longest: usize::MAX,
        };
        search.run(&finder, text, |_| {});
        search.looks - before
    };
    let half = run(&mut search, &text[..10_000]);
    let whole = run(&mut search, &text);
    assert!(whole <= 2 * half + 10, "{half} and {whole} steps");
}
