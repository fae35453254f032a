//! Keys of the gateway in places from which they would be passed on.
//!
//! A key lets its holder in at this gateway, and is nobody else's to see. What an upstream is shown is looked through
//! as it will be written: a caller's own credential word by word, everything else for what has the shape of a key, and for
//! the key that the caller itself came in with.

use http::{HeaderMap, HeaderName, HeaderValue};
use smallvec::SmallVec;

use super::{is_credential, is_for_upstream, presented};
use crate::keys::Keyring;

/// Shortest key that is looked for although it has not the shape of one: shorter ones may be words.
const SECRET: usize = 16;

/// Most words of a credential that are looked at: one with more is none.
const WORDS: usize = 16;

/// Where a key would be passed on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Spill<'a> {
    /// In a header.
    Header(&'a HeaderName),
    /// In the path or its query.
    Target,
}

/// Finds a key of the gateway in what is passed on to whichever upstream.
pub(crate) fn spill<'a>(
    headers: &'a HeaderMap,
    target: &str,
    keyring: &Keyring,
) -> Option<Spill<'a>> {
    let odd: SmallVec<[&[u8]; 2]> = presented(headers)
        .into_iter()
        .filter(|secret| secret.len() >= SECRET && !Keyring::holds_shape(secret))
        .filter(|secret| keyring.is_ours(secret))
        .collect();
    let holds = |value: &[u8]| {
        Keyring::holds_shape(value)
            || odd.iter().any(|secret| {
                value.len() >= secret.len() && memchr::memmem::find(value, secret).is_some()
            })
    };
    headers
        .iter()
        .find(|(name, value)| holds(value.as_bytes()) && !is_credential(name.as_str()))
        .map(|(name, _)| Spill::Header(name))
        .or_else(|| holds(target.as_bytes()).then_some(Spill::Target))
}

/// Whether a credential that an upstream would be shown as it came has a key of the gateway in it.
pub(crate) fn shows_ours(headers: &HeaderMap, keyring: &Keyring) -> bool {
    headers
        .iter()
        .filter(|(name, _)| is_for_upstream(name))
        .any(|(_, value)| holds_ours(value, keyring))
}

fn holds_ours(value: &HeaderValue, keyring: &Keyring) -> bool {
    let value = value.as_bytes();
    if keyring.is_ours(value) {
        return true;
    }
    let mut words = words(value);
    words.by_ref().take(WORDS).any(|word| {
        keyring.is_ours(word) || decoded(word).is_some_and(|plain| is_pair_of_ours(&plain, keyring))
    }) || words.next().is_some()
}

/// Whether one half of what the scheme `Basic` packs is a key.
fn is_pair_of_ours(plain: &[u8], keyring: &Keyring) -> bool {
    plain
        .split(|byte| *byte == b':')
        .any(|half| keyring.is_ours(half))
}

/// What a server could take for a token: whatever stands between the marks that schemes use.
fn words(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| byte.is_ascii_whitespace() || b",;=:\"'".contains(byte))
        .filter(|word| !word.is_empty())
}

/// Decodes base 64, in either alphabet; `None` for what is not.
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
    fn a_credential_of_more_words_than_any_scheme_has_is_taken_for_ours() {
        let value = |words: usize| HeaderValue::from_str(&"a ".repeat(words)).unwrap();
        let keyring = Keyring::open();
        assert!(!holds_ours(&value(WORDS), &keyring), "looked through");
        assert!(holds_ours(&value(WORDS + 1), &keyring), "too many");
    }
}
