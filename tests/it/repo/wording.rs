//! Doc comments begin with the thing that they describe: few of a crate open with a question word ("What is asked."),
//! fewer with a bare pronoun or quantifier ("Its name.").

use std::fmt::Write as _;

use super::source::{crates, sources};

/// The most doc comments of a hundred that may open with a question word.
const QUESTIONS: usize = 3;
/// The most doc comments of a hundred that may open with a pronoun or a quantifier.
const PRONOUNS: usize = 2;

const QUESTION_WORDS: &str =
    "what whether how who whose whom where wherever why when whatever whoever whenever which";
const PRONOUN_WORDS: &str = "it its one ones nobody somebody nothing something everything everybody most as none some many \
    few both they their those that more much another others";

/// The opening of a doc comment.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Opening {
    Question,
    Pronoun,
    Other,
}

#[test]
fn doc_comments_open_with_their_subject() {
    let mut complaints = String::new();
    let mut checked = 0;
    for folder in crates(&["host", "plugins", "tests", "benches", "examples"]) {
        let mut lines = Vec::new();
        let (mut all, mut questions, mut pronouns) = (0, 0, 0);
        for source in sources(&folder) {
            for (line, text) in comments(&source.text) {
                all += 1;
                match opening(text) {
                    Opening::Question => questions += 1,
                    Opening::Pronoun => pronouns += 1,
                    Opening::Other => continue,
                }
                lines.push(format!("  {}:{line}: {text}", source.path));
            }
        }
        checked += all;
        let (most_questions, most_pronouns) = (QUESTIONS * all / 100, PRONOUNS * all / 100);
        if questions > most_questions || pronouns > most_pronouns {
            let _ = writeln!(
                complaints,
                "{folder}: of {all} doc comments {questions} open with a question word, at most {most_questions} may; \
                 {pronouns} with a pronoun or quantifier, at most {most_pronouns} may:\n{}",
                lines.join("\n")
            );
        }
    }
    assert!(checked > 3_000, "all doc comments were read: {checked}");
    assert!(complaints.is_empty(), "{complaints}");
}

/// Returns the first line of each doc comment, with its number.
fn comments(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut inside = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        let words = doc(line);
        let first = !inside;
        inside = words.is_some();
        let words = words.filter(|words| first && !words.is_empty())?;
        Some((index + 1, words))
    })
}

/// Returns the words of a line of a doc comment, or `None` for any other line.
fn doc(line: &str) -> Option<&str> {
    let line = line.trim();
    let words = line
        .strip_prefix("///")
        .or_else(|| line.strip_prefix("//!"))?;
    (!words.starts_with('/')).then_some(words.trim())
}

fn opening(text: &str) -> Opening {
    let text = text.trim_start_matches(['`', '"', '(', '[']);
    let end = text
        .find(|letter: char| !letter.is_ascii_alphabetic())
        .unwrap_or(text.len());
    let word = text[..end].to_ascii_lowercase();
    let among = |words: &str| words.split_whitespace().any(|other| other == word);
    if among(QUESTION_WORDS) {
        Opening::Question
    } else if among(PRONOUN_WORDS) {
        Opening::Pronoun
    } else {
        Opening::Other
    }
}

#[test]
fn openings_are_told_apart() {
    let text = "\
//! What it is.
//! Its second line.

/// A noun.
fn a() {}
    /// Whether it holds.
    b: bool,
    //// no doc comment
    /// `It` is a pronoun.
    c: bool,
    /// Item: begins with a pronoun's letters.
    d: bool,
";
    let found: Vec<_> = comments(text)
        .map(|(line, text)| (line, opening(text)))
        .collect();
    let expected = [
        (1, Opening::Question),
        (4, Opening::Other),
        (6, Opening::Question),
        (9, Opening::Pronoun),
        (11, Opening::Other),
    ];
    assert_eq!(found, expected, "by the first word of each comment");
}
