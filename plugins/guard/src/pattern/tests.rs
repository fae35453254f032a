use super::*;
use crate::program::Program;
use crate::scan::{Finder, Search, Text};

/// The first match of a pattern in a whole text.
fn first<'t>(pattern: &str, text: &'t str) -> Option<&'t str> {
    let pattern = Pattern::parse(pattern).unwrap_or_else(|error| panic!("{pattern}: {error}"));
    let mut program = Program::default();
    program.add(&pattern, 0).expect("it is small");
    program.finish();
    let mut found = Vec::new();
    Search::default().run(
        &Finder {
            program: &program,
            is_valid: &|_, _| true,
            before: &|| None,
        },
        Text {
            text,
            last: true,
            longest: 1_000,
        },
        |it| found.push(&text[it.start..it.end]),
    );
    found.first().copied()
}

#[test]
fn a_pattern_matches_what_a_regular_expression_does() {
    let table = [
        ("abc", "xxabcx", Some("abc")),
        ("abc", "ab", None),
        ("a|bc", "xbc", Some("bc")),
        ("a(?:b|cd)e", "acde", Some("acde")),
        ("a(b|c)e", "ace", Some("ace")),
        ("ab*c", "xabbbcx", Some("abbbc")),
        ("ab*c", "ac", Some("ac")),
        ("ab+c", "ac abc", Some("abc")),
        ("ab?c", "abbc ac", Some("ac")),
        ("a{3}", "aa aaaa", Some("aaa")),
        ("a{2,}", "a aaaa", Some("aaaa")),
        ("a{2,3}", "aaaa", Some("aaa")),
        ("(?:ab){2}", "ab abab", Some("abab")),
        ("[a-c_]+", "xb_acx", Some("b_ac")),
        ("[^a-c ]+", "ab xöy c", Some("xöy")),
        ("[]x]+", "a]x]", Some("]x]")),
        ("[a-]+", "b-a-", Some("-a-")),
        ("[\\d.]+", "v1.20", Some("1.20")),
        ("\\d+", "ab 42", Some("42")),
        ("\\D+", "42é5", Some("é")),
        ("\\w+", "é ab_9", Some("ab_9")),
        ("\\W", "aé", Some("é")),
        ("\\s+", "a \t\nb", Some(" \t\n")),
        ("a.c", "a\nc aéc", Some("aéc")),
        ("a.c", "a😀c", Some("a😀c")),
        ("\\bcat\\b", "concat cat", Some("cat")),
        ("\\bcat\\b", "cats", None),
        ("\\.\\[\\^\\$\\\\", "a.[^$\\", Some(".[^$\\")),
        ("(?i)key[a-c]", "KEYB", Some("KEYB")),
        ("(?i)É", "É", Some("É")),
        ("über", "xüber", Some("über")),
        ("x*y", "xxxz xy", Some("xy")),
        ("a|ab|abc", "abcd", Some("abc")),
        ("(?:a|b)*c", "ababc", Some("ababc")),
        ("(?:a*)*b", "aab", Some("aab")),
    ];
    for (pattern, text, expected) in table {
        assert_eq!(first(pattern, text), expected, "{pattern} in {text}");
    }
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let table = [
        ("a)", 2, "`)` without a group"),
        ("(a", 3, "expected `)`"),
        ("[a", 3, "expected `]`"),
        ("[z-a]", 5, "a range that ends before it begins"),
        ("[\\d-z]", 4, "a range from a class"),
        (
            "a{2,1}",
            7,
            "a repetition whose maximum is below its minimum",
        ),
        ("a{1001}", 3, "expected a number up to 1000"),
        ("a{x", 3, "expected a number up to 1000"),
        ("*a", 1, "a repetition of nothing"),
        ("a**", 3, "a repetition of a repetition"),
        ("^a", 1, "is not searched by lines"),
        ("a\\p", 3, "an unknown escape"),
        ("(?=a)", 2, "only `(?:…)`"),
        ("[ä]", 2, "a class has ASCII characters only"),
    ];
    for (pattern, place, expected) in table {
        let error = Pattern::parse(pattern).expect_err(pattern);
        assert!(error.contains(expected), "{pattern}: {error}");
        let place = format!("at character {place}:");
        assert!(error.contains(&place), "{pattern}: {error}");
    }
    let deep = format!("{}a{}", "(".repeat(40), ")".repeat(40));
    let error = Pattern::parse(&deep).expect_err("too deep");
    assert!(error.contains("more than 32 groups"), "{error}");
}

#[test]
fn a_pattern_that_matches_the_empty_text_is_known() {
    for pattern in ["a*", "a?|b", "\\b", "(?:a*){3}", ""] {
        let parsed = Pattern::parse(pattern).expect(pattern);
        assert!(parsed.is_empty(), "{pattern}");
    }
    for pattern in ["a+", "ab*", "a|b", "\\ba"] {
        let parsed = Pattern::parse(pattern).expect(pattern);
        assert!(!parsed.is_empty(), "{pattern}");
    }
}
