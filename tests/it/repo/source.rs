//! The Rust sources of this repository as the checks beside this file read them: as files, and as tokens.

use std::fs;
use std::path::{Path, PathBuf};

/// A source file, with its path from the root of the repository.
pub(super) struct Source {
    pub path: String,
    pub text: String,
}

/// A word, a literal, a lifetime, `::`, or a single character of punctuation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token<'a> {
    pub text: &'a str,
    pub line: usize,
}

/// Returns the root of the repository.
pub(super) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Returns the crates below `folders`, each as a folder with a `Cargo.toml` of its own, sorted by path.
pub(super) fn crates(folders: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut ahead: Vec<String> = folders.iter().map(|folder| (*folder).to_owned()).collect();
    while let Some(folder) = ahead.pop() {
        let path = root().join(&folder);
        if path.join("Cargo.toml").is_file() {
            found.push(folder.clone());
        }
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            let skipped = ["target", "node_modules"].contains(&name.as_str());
            if entry.file_type().unwrap().is_dir() && !skipped && !name.starts_with('.') {
                ahead.push(format!("{folder}/{name}"));
            }
        }
    }
    found.sort();
    found
}

/// Returns the sources below a folder, without those of crates that lie inside it.
pub(super) fn sources(folder: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut ahead = vec![root().join(folder)];
    while let Some(path) = ahead.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            if path.is_dir() {
                let skipped = ["target", "node_modules"].contains(&name) || name.starts_with('.');
                if !skipped && !path.join("Cargo.toml").is_file() {
                    ahead.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(read(&path));
            }
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn read(path: &PathBuf) -> Source {
    let relative = path.strip_prefix(root()).unwrap();
    Source {
        path: relative.to_str().unwrap().to_owned(),
        text: fs::read_to_string(path).unwrap(),
    }
}

/// Splits a source into tokens. Comments and white space are left out.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let (length, kept) = match first {
            _ if first.is_whitespace() => (first.len_utf8(), false),
            '/' if rest.starts_with("//") => (rest.find('\n').unwrap_or(rest.len()), false),
            '/' if rest.starts_with("/*") => (block_comment(rest), false),
            '\'' => (quote(rest), true),
            ':' if rest.starts_with("::") => (2, true),
            _ => match string(rest) {
                Some(length) => (length, true),
                None if is_word(first) => (word(rest), true),
                None => (first.len_utf8(), true),
            },
        };
        let (text, after) = rest.split_at(length);
        if kept {
            tokens.push(Token { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// The length of a name, a keyword or a number; `r#name` is one, and so is `1.5`, but not `1..5`.
fn word(text: &str) -> usize {
    let raw = if text.starts_with("r#") { 2 } else { 0 };
    let is_number = text.starts_with(|letter: char| letter.is_ascii_digit());
    let mut length = raw;
    for letter in text[raw..].chars() {
        let after = text[length + letter.len_utf8()..].chars().next();
        let is_point =
            letter == '.' && is_number && after.is_some_and(|next| next.is_ascii_digit());
        if !is_word(letter) && !is_point {
            break;
        }
        length += letter.len_utf8();
    }
    length
}

/// The length of a character literal or of a lifetime.
fn quote(text: &str) -> usize {
    let mut letters = text.char_indices().skip(1);
    let second = letters.next().map(|(_, letter)| letter);
    let third = letters.next();
    if second == Some('\\') {
        let end = text[3..].find('\'').unwrap_or(text.len() - 4);
        return 3 + end + 1;
    }
    match third {
        Some((at, '\'')) => at + 1,
        _ => 1 + word(&text[1..]),
    }
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        let rest = &text[at..];
        let step = if rest.starts_with("/*") {
            depth += 1;
            2
        } else if rest.starts_with("*/") {
            depth -= 1;
            2
        } else {
            rest.chars().next().map_or(0, char::len_utf8)
        };
        at += step;
        if depth == 0 || step == 0 {
            return at;
        }
    }
}

/// The length of a string literal of any kind, or `None` where something else begins.
fn string(text: &str) -> Option<usize> {
    let prefix = ["br", "cr", "b", "c", "r", ""].into_iter().find(|prefix| {
        let after = text.strip_prefix(prefix);
        after.is_some_and(|rest| {
            let hashes = rest.trim_start_matches('#');
            hashes.starts_with('"') && (hashes.len() == rest.len() || prefix.ends_with('r'))
        })
    })?;
    let rest = &text[prefix.len()..];
    if prefix.ends_with('r') {
        let hashes = rest.len() - rest.trim_start_matches('#').len();
        let end = format!("\"{}", "#".repeat(hashes));
        let open = prefix.len() + hashes + 1;
        let length = text[open..]
            .find(&end)
            .unwrap_or(text.len() - open - end.len());
        return Some(open + length + end.len());
    }
    let mut escaped = false;
    for (at, letter) in rest.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix.len() + at + 1),
            _ => {}
        }
    }
    Some(text.len())
}

#[test]
fn a_source_is_split_where_the_language_splits_it() {
    let text = r####"// a comment with a "quote
/* one /* inside */ another */ fn r#type<'a>(x: &'a str) -> char { b"\"}"; r#"a " } "#; '\''; '{'; 1..2; 1.5 }
use a::b;"####;
    let words: Vec<_> = tokens(text).iter().map(|token| token.text).collect();
    let expected = [
        "fn",
        "r#type",
        "<",
        "'a",
        ">",
        "(",
        "x",
        ":",
        "&",
        "'a",
        "str",
        ")",
        "-",
        ">",
        "char",
        "{",
        r#"b"\"}""#,
        ";",
        r##"r#"a " } "#"##,
        ";",
        r"'\''",
        ";",
        "'{'",
        ";",
        "1",
        ".",
        ".",
        "2",
        ";",
        "1.5",
        "}",
        "use",
        "a",
        "::",
        "b",
        ";",
    ];
    assert_eq!(words, expected, "tokens of a tricky source");
    assert_eq!(tokens(text).last().unwrap().line, 3, "lines are counted");
}

#[test]
fn every_crate_of_the_repository_is_found() {
    let found = crates(&["host", "plugins"]);
    for expected in ["host/runtime", "plugins/sdk", "plugins/route"] {
        assert!(
            found.iter().any(|name| name == expected),
            "{expected} in {found:?}"
        );
    }
}
