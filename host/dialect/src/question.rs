//! Questions to services that give credentials, and what they bring.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, SystemTime};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{Lease, Secret};

/// The bytes that a form escapes: all but the unreserved ones of RFC 3986.
const FORM: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A question. The caller sends it over its own HTTP, and brings the answer back to the one who asked.
#[derive(Debug, Clone)]
pub struct Question {
    /// The method.
    pub method: &'static str,
    /// The address.
    pub url: String,
    /// The headers.
    pub headers: Vec<(Cow<'static, str>, Secret)>,
    /// The body, if there is one.
    pub body: Option<Secret>,
    /// The place that is asked.
    pub reach: Reach,
}

/// The place that a question goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A server on the internet, by the operator's proxy if there is one.
    Internet,
    /// The machine's own metadata service: never by a proxy, and with a timeout of a second or two.
    Machine,
}

/// An answer to a question.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    /// The status.
    pub status: u16,
    /// The header `date`.
    pub date: Option<&'a str>,
    /// The body.
    pub body: &'a [u8],
}

/// A token that lets its bearer in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bearer {
    /// The token.
    pub token: Secret,
    /// The time until it has to be renewed.
    pub lease: Lease,
}

// === impl Question ===

impl Question {
    /// Returns a question without a body.
    pub fn get(url: impl Into<String>, reach: Reach) -> Self {
        Self {
            method: "GET",
            url: url.into(),
            headers: Vec::new(),
            body: None,
            reach,
        }
    }

    /// Returns a question with the fields of a form.
    pub fn form(url: impl Into<String>, fields: &[(&str, &str)]) -> Self {
        Self {
            method: "POST",
            url: url.into(),
            headers: vec![(
                "content-type".into(),
                Secret::new("application/x-www-form-urlencoded"),
            )],
            body: Some(Secret::new(form(fields))),
            reach: Reach::Internet,
        }
    }

    /// Returns the question with one more header.
    #[must_use]
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: Secret) -> Self {
        self.headers.push((name.into(), value));
        self
    }
}

/// Returns true for an address to which secrets may go: by TLS, or to this machine, or to one of these hosts.
pub fn may_carry_secrets(url: &str, hosts: &[&str]) -> bool {
    if url.starts_with("https://") {
        return true;
    }
    let Some(rest) = url.strip_prefix("http://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let is_loopback = |host: &str| host.parse::<Ipv4Addr>().is_ok_and(|it| it.is_loopback());
    ["localhost", "[::1]"].contains(&host) || is_loopback(host) || hosts.contains(&host)
}

/// Returns fields as a form's text, which is also that of a query.
pub fn form(fields: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (name, value) in fields {
        let separator = if text.is_empty() { "" } else { "&" };
        let value = utf8_percent_encode(value, FORM);
        // Writing to a string cannot fail.
        let _ = write!(text, "{separator}{name}={value}");
    }
    text
}

// === impl Bearer ===

impl Bearer {
    /// Returns the bearer of a token until a time; `None` for a text that no header can carry.
    pub fn until(token: &str, end: SystemTime) -> Option<Self> {
        let usable = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        usable.then(|| Self {
            token: Secret::new(token),
            lease: Lease::until(Some(end)),
        })
    }

    /// Returns the end of a token that lasts so many seconds from `now` on.
    pub fn end_after(seconds: u64, now: SystemTime) -> Option<SystemTime> {
        now.checked_add(Duration::from_secs(seconds))
    }

    /// Returns the header that carries the token.
    pub fn header(&self) -> (&'static str, Secret) {
        let value = format!("Bearer {}", self.token.reveal());
        ("authorization", Secret::new(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_escapes_what_would_be_another_field() {
        let question = Question::form("https://x/token", &[("a", "1&b=2 +/ü"), ("c", "d-._~")]);
        assert_eq!(
            question.body.unwrap().reveal(),
            "a=1%26b%3D2%20%2B%2F%C3%BC&c=d-._~",
            "one field each"
        );
        assert_eq!(question.method, "POST", "a body is posted");
    }

    #[test]
    fn secrets_go_in_the_clear_to_this_machine_alone() {
        let allowed = |url| may_carry_secrets(url, &["169.254.170.2"]);
        for url in [
            "https://example.com/token",
            "http://127.0.0.1:8080/token",
            "http://localhost",
            "http://[::1]:1/",
            "http://169.254.170.2/keys",
        ] {
            assert!(allowed(url), "{url}");
        }
        for url in [
            "http://example.com/token",
            "http://127.0.0.1.example.com",
            "http://127.0.0.1@example.com",
            "http://localhost.example.com:80",
            "ftp://127.0.0.1",
            "",
        ] {
            assert!(!allowed(url), "{url}");
        }
    }

    #[test]
    fn a_question_and_a_token_hide_what_is_secret() {
        let bearer = Bearer {
            token: Secret::new("very-secret"),
            lease: Lease::until(None),
        };
        let question = Question::form("https://x/token", &[("client_secret", "very-secret")])
            .with("authorization", bearer.header().1);
        let shown = format!("{question:?} {bearer:?}");
        assert!(!shown.contains("very-secret"), "{shown}");
        assert_eq!(bearer.header().1.reveal(), "Bearer very-secret", "sent");
    }
}
