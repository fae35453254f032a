//! Questions to services that give credentials, and what they bring.

use std::borrow::Cow;
use std::fmt::Write as _;

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
