//! Keys of the gateway in places from which they would be passed on.
//!
//! A key authenticates its holder at this gateway, and must not be shown to others. Everything that an upstream is sent
//! is searched in its final form: a caller's own credential word by word, everything else for the shape of a key, and
//! for the key that the caller itself presented.

use percent_encoding::percent_decode;
use smallvec::SmallVec;
use witgate_http::{Headers, Value};
use witgate_upstream::is_callers_credential;

use super::{is_credential, presented};
use crate::tenants::keys::Keyring;

/// Shortest key without the shape of a key that is searched for: shorter ones may be words.
const SECRET: usize = 16;

/// Largest number of words in a credential. More are treated as a leak.
const WORDS: usize = 16;

/// The separators that schemes put between words, besides blanks.
const MARKS: &[u8] = b",;=:\"'";

/// The sets of separators at which a credential is split. A key may contain any of them, so some splits leave some of
/// them out.
const CUTS: [&[u8]; 4] = [b"", b",", b",;", MARKS];

/// The place from which a key would be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spill<'a> {
    /// In a header.
    Header(&'a str),
    /// In the path or its query.
    Target,
}

/// Finds a key of the gateway in what is passed on to any upstream.
pub(crate) fn spill<'a>(
    headers: &'a Headers,
    target: &str,
    keyring: &Keyring,
) -> Option<Spill<'a>> {
    let odd: SmallVec<[&[u8]; 2]> = presented(headers)
        .into_iter()
        .filter(|secret| secret.len() >= SECRET && !Keyring::holds_shape(secret))
        .filter(|secret| keyring.is_ours(secret))
        .collect();
    let holds_plain = |value: &[u8]| {
        Keyring::holds_shape(value)
            || odd.iter().any(|secret| {
                value.len() >= secret.len() && memchr::memmem::find(value, secret).is_some()
            })
    };
    let holds = |value: &[u8]| {
        holds_plain(value)
            || memchr::memchr(b'%', value).is_some()
                && holds_plain(&percent_decode(value).collect::<Vec<u8>>())
    };
    headers
        .iter()
        .find(|header| holds(header.value.as_bytes()) && !is_credential(header.name))
        .map(|header| Spill::Header(header.name))
        .or_else(|| holds(target.as_bytes()).then_some(Spill::Target))
}

/// Returns whether a credential that an upstream would be sent unchanged contains a key of the gateway.
pub(crate) fn shows_ours(headers: &Headers, keyring: &Keyring) -> bool {
    headers
        .iter()
        .filter(|header| is_callers_credential(header.name))
        .any(|header| holds_ours(header.value, keyring))
}

fn holds_ours(value: Value<'_>, keyring: &Keyring) -> bool {
    let value = value.as_bytes().trim_ascii();
    let shows = |text: &[u8]| says_ours(text, keyring);
    shows(value)
        || words(value, MARKS).nth(WORDS).is_some()
        || behind_scheme(value).is_some_and(shows)
        || CUTS.iter().any(|marks| words(value, marks).any(shows))
        || words(value, MARKS).any(|word| packs_ours(word, keyring))
}

/// Returns whether a text is a key, quoted or not, by itself or as the value of an assignment.
fn says_ours(text: &[u8], keyring: &Keyring) -> bool {
    let is_ours = |text: &[u8]| {
        keyring.is_ours(text) || unquoted(text).is_some_and(|text| keyring.is_ours(text))
    };
    is_ours(text)
        || halves(text, memchr::memchr2(b'=', b':', text)).is_some_and(|(_, value)| is_ours(value))
}

/// Returns whether base64 text contains a key: all of it, or one half of a pair, as in the scheme `Basic`.
fn packs_ours(word: &[u8], keyring: &Keyring) -> bool {
    decoded(word).is_some_and(|plain| {
        let is_half = |(name, secret)| keyring.is_ours(name) || keyring.is_ours(secret);
        keyring.is_ours(&plain)
            || halves(&plain, memchr::memchr(b':', &plain)).is_some_and(is_half)
            || halves(&plain, memchr::memrchr(b':', &plain)).is_some_and(is_half)
    })
}

/// Returns everything after the scheme, if there is one.
fn behind_scheme(value: &[u8]) -> Option<&[u8]> {
    let at = value.iter().position(u8::is_ascii_whitespace)?;
    Some(value.get(at..)?.trim_ascii_start())
}

fn unquoted(text: &[u8]) -> Option<&[u8]> {
    let in_quotes = |quote: u8| {
        let text = text.strip_prefix(&[quote])?;
        text.strip_suffix(&[quote])
    };
    in_quotes(b'"').or_else(|| in_quotes(b'\''))
}

/// Splits a text at the separator at a place.
fn halves(text: &[u8], at: Option<usize>) -> Option<(&[u8], &[u8])> {
    let at = at?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// Returns the substrings that a server could take for a token: whatever stands between blanks and these separators.
fn words<'a>(value: &'a [u8], marks: &'static [u8]) -> impl Iterator<Item = &'a [u8]> {
    value
        .split(|byte| byte.is_ascii_whitespace() || marks.contains(byte))
        .filter(|word| !word.is_empty())
}

/// Decodes base64, in either alphabet. Returns `None` for anything else.
fn decoded(word: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(word.len());
    let (mut bits, mut count) = (0_u32, 0_u32);
    for digit in word {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., byte] = (bits >> count).to_be_bytes();
            plain.push(byte);
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_64_is_decoded_whatever_its_alphabet_and_its_end() {
        for (coded, plain) in [
            ("dXNlcjpwYXNz", Some(&b"user:pass"[..])),
            ("dXNlcg", Some(b"user")),
            ("-_-_", Some(b"\xfb\xff\xbf")),
            ("+/+/", Some(b"\xfb\xff\xbf")),
            ("", Some(b"")),
            ("dXN.", None),
        ] {
            assert_eq!(decoded(coded.as_bytes()).as_deref(), plain, "{coded}");
        }
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_stays() {
        for (escaped, plain) in [
            ("a%2Db%2d%3D", "a-b-="),
            ("100%", "100%"),
            ("%2", "%2"),
            ("%zz%%41", "%zz%A"),
        ] {
            let undone: Vec<u8> = percent_decode(escaped.as_bytes()).collect();
            assert_eq!(undone, plain.as_bytes(), "{escaped}");
        }
    }

    #[test]
    fn a_credential_of_more_words_than_any_scheme_has_is_taken_for_ours() {
        let keyring = Keyring::open();
        let holds = |words: usize| {
            let mut headers = Headers::default();
            headers.push_text("a", &"a ".repeat(words));
            holds_ours(headers.get("a").unwrap(), &keyring)
        };
        assert!(!holds(WORDS), "looked through");
        assert!(holds(WORDS + 1), "too many");
    }
}
