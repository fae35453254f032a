use witgate_plugin::testing::{self, RequestBuilder, configure, inspect};
use witgate_plugin::types::{ContentKind, Stop};

use super::*;
use crate::pattern::Pattern;
use crate::rules::BUILTIN;

/// An example of what each built-in rule finds, in two parts so that none of them is a secret itself.
const EXAMPLES: [(&str, &str, &str); 17] = [
    ("aws-key", "AKIA", "IOSFODNN7EXAMPLE"),
    ("anthropic-key", "sk-ant-", "api03-abcdefghij_klmnopqrst"),
    ("openai-key", "sk-proj-", "abcdefghij_klmnop-qrst"),
    ("openai-key", "sk-", "abcdefghijABCDEFGHIJabcdefghij01"),
    (
        "github-token",
        "ghp_",
        "abcdefghijABCDEFGHIJabcdefghij012345",
    ),
    (
        "github-token",
        "github_pat_",
        "abcdefghijABCDEFGHIJ_abcdefghijabcdefghijabcdefghijabcdefghij",
    ),
    ("gitlab-token", "glpat-", "abcdefghij_klmnopqrst"),
    ("slack-token", "xoxb-", "1234567890-abcdef"),
    (
        "slack-webhook",
        "hooks.slack.com/",
        "services/T0000/B0000/abcdefghijkl",
    ),
    ("google-key", "AIza", "abcdefghijABCDEFGHIJabcdefghij01234"),
    ("stripe-key", "sk_live_", "abcdefghij012345"),
    ("npm-token", "npm_", "abcdefghijABCDEFGHIJabcdefghij012345"),
    ("huggingface-token", "hf_", "abcdefghijABCDEFGHIJabcdefghij"),
    ("jwt", "eyJhbGciOiJIUzI1", ".eyJzdWIiOiIxMjM0.abcdefghij_-"),
    ("card-number", "4111 1111", " 1111 1111"),
    ("card-number", "3782", "82246310005"),
    (
        "private-key",
        "-----BEGIN RSA PRIV",
        "ATE KEY-----\nabc+/=\n\\nDEF\n-----END RSA PRIVATE KEY-----",
    ),
];

fn guard(settings: &str) -> GuardPlugin {
    configure(settings).unwrap_or_else(|problems| panic!("{problems}"))
}

fn passes(guard: &GuardPlugin, kind: ContentKind, pieces: &[&str]) -> Result<String, Stop> {
    inspect(guard, &RequestBuilder::messages().build(), kind, pieces)
}

fn problems(settings: &str) -> String {
    let problems = configure::<GuardPlugin>(settings);
    problems.expect_err("a mistake").to_string()
}

#[test]
fn every_built_in_rule_finds_its_example_and_has_one() {
    let guard = guard("{}");
    for (rule, start, end) in EXAMPLES {
        let text = format!("before {start}{end}, after");
        assert_eq!(
            passes(&guard, ContentKind::User, &[&text]).expect("no stop"),
            format!("before [redacted:{rule}], after"),
            "{rule}"
        );
    }
    for rule in BUILTIN {
        assert!(
            EXAMPLES.iter().any(|(name, ..)| *name == rule.name),
            "`{}` has an example",
            rule.name
        );
        let pattern = Pattern::parse(rule.pattern).expect(rule.name);
        assert!(!pattern.is_empty(), "{}", rule.name);
    }
}

#[test]
fn a_secret_is_found_wherever_its_text_is_split() {
    let guard = guard("{}");
    for (rule, start, end) in EXAMPLES {
        let text = format!("ä {start}{end} ö");
        let expected = format!("ä [redacted:{rule}] ö");
        for at in (0..=text.len()).filter(|at| text.is_char_boundary(*at)) {
            let (first, second) = text.split_at(at);
            let passed = passes(&guard, ContentKind::Text, &[first, second, ""]);
            assert_eq!(passed.expect("no stop"), expected, "{first}|{second}");
        }
        let mut bytes = [0; 4];
        let each: Vec<_> = text
            .chars()
            .map(|it| it.encode_utf8(&mut bytes).to_owned())
            .collect();
        let each: Vec<_> = each.iter().map(String::as_str).collect();
        let passed = passes(&guard, ContentKind::Text, &[&each[..], &[""]].concat());
        assert_eq!(passed.expect("no stop"), expected, "one character each");
    }
}

#[test]
fn a_secret_at_the_end_of_a_text_is_found() {
    let guard = guard("{}");
    for (rule, start, end) in EXAMPLES {
        let passed = passes(&guard, ContentKind::Text, &[start, end, ""]);
        assert_eq!(
            passed.expect("no stop"),
            format!("[redacted:{rule}]"),
            "{rule}"
        );
    }
}

#[test]
fn a_text_without_secrets_passes_and_is_not_held_back() {
    let guard = guard("{}");
    let request = RequestBuilder::messages().build();
    for text in [
        "A plain sentence about keys and tokens, and 12 numbers.",
        "The sky is blue and ghosts are real.",
        "4111 1111 1111 1112 has a wrong check digit.",
        "order 4111111111111111234567890 is too long a number.",
        "task-force-one-sk-ant-x.",
        "-----\nA rule, and a heading.\n-----\n",
        "äöü 😀.",
    ] {
        let piece = Piece::begin(ContentKind::Text, text);
        assert_eq!(guard.inspect(&request, &piece), Verdict::Pass, "{text}");
    }
    let piece = Piece::begin(ContentKind::Text, "the key is AKIA23");
    assert_eq!(
        guard.inspect(&request, &piece),
        Verdict::Hold(6),
        "its beginning"
    );
}

#[test]
fn each_rule_has_an_action_for_each_side() {
    let guard = guard(
        r#"{"request": "block", "response": "report", "rules": [
            {"name": "ticket", "pattern": "TKT-\\d+", "request": "report", "response": "block"},
            {"name": "house", "pattern": "(?i)acme", "request": "off", "response": "redact"}
        ]}"#,
    );
    let key = EXAMPLES[0].1.to_owned() + EXAMPLES[0].2;
    let stop = passes(&guard, ContentKind::User, &[&key]).expect_err("blocked");
    assert_eq!(stop.rule, "aws-key", "the rule");
    assert!(
        stop.message.contains("the rule `aws-key`"),
        "{}",
        stop.message
    );
    let passed = passes(&guard, ContentKind::Text, &[&key]);
    assert_eq!(passed.expect("reported"), key, "reported");
    let passed = passes(&guard, ContentKind::User, &["TKT-1 for Acme"]);
    assert_eq!(
        passed.expect("reported"),
        "TKT-1 for Acme",
        "reported and off"
    );
    let stop = passes(&guard, ContentKind::Text, &["TKT-1"]).expect_err("blocked");
    assert!(stop.quietly, "as if the model had stopped");
    let passed = passes(&guard, ContentKind::Text, &["for Acme"]);
    assert_eq!(
        passed.expect("redacted"),
        "for [redacted:house]",
        "redacted"
    );
}

#[test]
fn a_blocked_response_ends_with_an_error_if_it_should() {
    let guard = guard(r#"{"response": "block", "quietly": false}"#);
    let key = EXAMPLES[0].1.to_owned() + EXAMPLES[0].2;
    let stop = passes(&guard, ContentKind::Text, &[&key]).expect_err("blocked");
    assert!(!stop.quietly, "an error");
}

#[test]
fn what_is_found_is_counted_and_logged_without_the_secret() {
    let guard = guard(r#"{"response": "report"}"#);
    let key = EXAMPLES[0].1.to_owned() + EXAMPLES[0].2;
    drop(testing::logged());
    passes(&guard, ContentKind::User, &[&key, " and ", &key]).expect("redacted");
    passes(&guard, ContentKind::Text, &[&key[..9], &key[9..], ""]).expect("reported");
    assert_eq!(testing::metric("redacted.aws-key"), Some(2), "redacted");
    assert_eq!(testing::metric("reported.aws-key"), Some(1), "reported");
    let lines = testing::logged();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines.iter().all(|(_, line)| !line.contains("EXAMPLE")),
        "{lines:?}"
    );
}

#[test]
fn only_the_kinds_that_have_rules_are_subscribed_to() {
    let names = |settings: &str| guard(settings).content().len();
    assert_eq!(names("{}"), 7, "all but thinking");
    assert_eq!(names(r#"{"request": "off"}"#), 3, "responses");
    assert_eq!(names(r#"{"response": "off"}"#), 4, "requests");
    assert_eq!(
        names(r#"{"request": "off", "response": "off"}"#),
        0,
        "nothing"
    );
    assert_eq!(
        guard(r#"{"kinds": ["thinking", "user"]}"#).content(),
        [ContentKind::User, ContentKind::Thinking],
        "those named"
    );
    assert_eq!(
        guard(r#"{"builtin": [], "rules": [{"name": "a", "pattern": "a", "request": "off"}]}"#)
            .content()
            .len(),
        3,
        "the side of the rule"
    );
    assert_eq!(
        names(r#"{"response": "off", "rules": [{"name": "a", "pattern": "a"}]}"#),
        4,
        "a rule without an action of its own"
    );
}

#[test]
fn only_the_built_in_rules_that_are_named_apply() {
    let guard = guard(r#"{"builtin": ["card-number"]}"#);
    let text = format!("4111111111111111 {}{}", EXAMPLES[0].1, EXAMPLES[0].2);
    let passed = passes(&guard, ContentKind::User, &[&text]).expect("redacted");
    assert_eq!(
        passed,
        text.replace("4111111111111111", "[redacted:card-number]"),
        "cards alone"
    );
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let told = problems(
        r#"{"builtin": ["aws-keys"], "kinds": ["texts"], "longest": 1, "rules": [
            {"name": "A b", "pattern": "a("},
            {"name": "aws-key", "pattern": "a*"},
            {"name": "twice", "pattern": "a"},
            {"name": "twice", "pattern": "b{1000}{1000}"}
        ]}"#,
    );
    for expected in [
        "builtin[0]: no built-in rule",
        "kinds[0]: no kind of text",
        "longest: out of range",
        "rules[0].name: use lowercase letters",
        "rules[0].pattern: not a pattern at character 3",
        "rules[1].name: another rule has this name",
        "rules[1].pattern: matches the empty text",
        "rules[3].name: another rule has this name",
        "rules[3].pattern: not a pattern",
    ] {
        assert!(told.contains(expected), "{expected} in {told}");
    }
    let large = format!("(?:{}){{1000}}", "a".repeat(30));
    let told = problems(&format!(
        r#"{{"rules": [{{"name": "a", "pattern": "{large}"}}]}}"#
    ));
    assert!(told.contains("more than 20000 steps"), "{told}");
}

#[test]
fn a_word_that_a_piece_goes_on_with_has_no_boundary_at_its_start() {
    let guard = guard("{}");
    let key = EXAMPLES[0].1.to_owned() + EXAMPLES[0].2;
    for (before, found) in [("x", false), ("é", true), ("x ", true), ("", true)] {
        let passed = passes(&guard, ContentKind::Text, &[before, &key, ""]).expect("it passes");
        let whole = passes(&guard, ContentKind::Text, &[&format!("{before}{key}"), ""]);
        assert_eq!(
            Ok(&passed),
            whole.as_ref(),
            "as in one piece, after {before:?}"
        );
        assert_eq!(passed.contains("[redacted:"), found, "after {before:?}");
    }
}

#[test]
fn more_than_may_be_held_back_can_not_be_waited_for() {
    testing::set_held_bytes(1_000);
    let told = problems(r#"{"longest": 1001}"#);
    assert!(
        told.contains("longest: 1001 bytes can't be waited for") && told.contains("hold back 1000"),
        "{told}"
    );
    let told = problems("{}");
    assert!(told.contains("longest: 4000 bytes"), "the default: {told}");
    guard(r#"{"longest": 1000}"#);
}
