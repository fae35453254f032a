//! A request of plain values, for embedders that have all of it in memory.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::Request;
use crate::contract::{Attribute, Caller, Head};

/// The headers that [`PlainRequest::with_headers`] leaves out as credentials.
const CREDENTIALS: [&str; 4] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
];

/// A request of plain values.
///
/// It clones lists on each read and parses no body. If your requests are large or parsed on demand, implement [`Request`] for
/// your own type.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PlainRequest {
    /// The embedder's id of the request.
    pub id: String,
    /// The requested operation, as an open code.
    pub endpoint: String,
    /// The method in uppercase.
    pub method: String,
    /// The path and query, as received.
    pub path: String,
    /// The names and values of headers, in order of arrival. Plugins may read them, so leave out credentials.
    pub headers: Vec<(String, String)>,
    /// The authenticated caller.
    pub caller: Caller,
    /// The scan of the body. Nothing but `body_bytes` is read from `body`: rules about models, tools and tokens see the values
    /// that the embedder sets here and in `tools`, for example from the scan of `witgate-messages`.
    pub head: Head,
    /// `metadata.user_id` of the body, unescaped.
    pub user_id: Option<String>,
    /// Further facts of the scan under open names.
    pub head_attributes: Vec<Attribute>,
    /// The names of the declared tools, in order.
    pub tools: Vec<String>,
    /// The body.
    pub body: Body,
}

/// The body of a [`PlainRequest`]: a JSON object, or nothing.
#[derive(Debug, Clone, Default)]
pub struct Body {
    text: String,
    members: HashMap<String, Range<usize>>,
}

/// The error of a text that is not an unambiguous JSON object, which the client has to fix.
#[derive(Debug, thiserror::Error)]
#[error("the body is not an unambiguous JSON object: {0}")]
pub struct BodyError(#[source] serde_json::Error);

setters!(PlainRequest {
    with_id(id: impl Into<String>);
    with_caller(caller: Caller);
    with_head(head: Head);
    with_user_id(user_id: impl Into<Option<String>>);
    with_head_attributes(head_attributes: Vec<Attribute>);
    with_tools(tools: Vec<String>);
    with_body(body: Body);
});

// === impl PlainRequest ===

impl PlainRequest {
    /// Creates a request without headers, body and caller.
    pub fn new(
        endpoint: impl Into<String>,
        method: impl Into<String>,
        path: impl Into<String>,
    ) -> Self {
        Self {
            endpoint: endpoint.into(),
            method: method.into(),
            path: path.into(),
            ..Self::default()
        }
    }

    /// Adds headers, except for values that are not text and for the usual credentials (`authorization`, `cookie`,
    /// `proxy-authorization`, `x-api-key`). Leave out any other credentials yourself.
    #[must_use]
    pub fn with_headers<N: AsRef<str>, V: AsRef<[u8]>>(
        mut self,
        headers: impl IntoIterator<Item = (N, V)>,
    ) -> Self {
        for (name, value) in headers {
            let name = name.as_ref().to_ascii_lowercase();
            if let Ok(value) = str::from_utf8(value.as_ref())
                && !CREDENTIALS.contains(&name.as_str())
            {
                self.headers.push((name, value.to_owned()));
            }
        }
        self
    }
}

impl Request for PlainRequest {
    fn id(&self) -> &str {
        &self.id
    }

    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn method(&self) -> &str {
        &self.method
    }

    fn path(&self) -> &str {
        &self.path
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn headers(&self, prefix: &str) -> Vec<(String, String)> {
        let named = |(name, _): &&(String, String)| {
            let beginning = name.get(..prefix.len());
            beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(prefix))
        };
        let found = self.headers.iter().filter(named);
        found
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect()
    }

    fn headers_like(&self, wanted: &dyn Fn(&str) -> bool) -> Vec<(String, String)> {
        let headers = self.headers.iter();
        let found = headers.filter(|(name, _)| wanted(&lowercase(name)));
        found
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect()
    }

    fn has_header_like(&self, wanted: &dyn Fn(&str) -> bool) -> bool {
        let mut headers = self.headers.iter();
        headers.any(|(name, _)| wanted(&lowercase(name)))
    }

    fn caller(&self) -> &Caller {
        &self.caller
    }

    fn head(&self) -> Head {
        Head {
            body_bytes: u64::try_from(self.body.text.len()).unwrap_or(u64::MAX),
            ..self.head.clone()
        }
    }

    fn model(&self) -> Option<Cow<'_, str>> {
        self.head.model.as_deref().map(Cow::Borrowed)
    }

    fn user_id(&self) -> Option<Cow<'_, str>> {
        self.user_id.as_deref().map(Cow::Borrowed)
    }

    fn head_attributes(&self) -> Vec<Attribute> {
        self.head_attributes.clone()
    }

    fn tools(&self) -> Vec<String> {
        self.tools.clone()
    }

    fn member(&self, name: &str) -> Option<&str> {
        self.body.member(name)
    }

    fn body(&self) -> &[u8] {
        self.body.text.as_bytes()
    }
}

// === impl Body ===

impl Body {
    /// Parses the text of a JSON object.
    ///
    /// # Errors
    ///
    /// The text is not a JSON object, or has a member twice, in any spelling: a plugin could read one of them and the upstream
    /// the other.
    pub fn try_json(text: String) -> Result<Self, BodyError> {
        let mut reader = serde_json::Deserializer::from_str(&text);
        let found = reader.deserialize_map(Members).map_err(BodyError)?;
        reader.end().map_err(BodyError)?;
        let members = found
            .into_iter()
            .map(|(name, value)| {
                let start = value.as_ptr().addr() - text.as_ptr().addr();
                (name, start..start + value.len())
            })
            .collect();
        Ok(Self { text, members })
    }

    /// Returns the raw JSON text of a member, or `None` if there is none.
    pub fn member(&self, name: &str) -> Option<&str> {
        self.text.get(self.members.get(name)?.clone())
    }
}

/// A visitor that finds the members of an object without parsing their values.
struct Members;

// === impl Members ===

impl<'de> Visitor<'de> for Members {
    type Value = HashMap<String, &'de str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = HashMap::new();
        while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format!(
                    "the member `{name}` is there twice"
                )));
            }
            members.insert(name, value.get());
        }
        Ok(members)
    }
}

fn lowercase(name: &str) -> Cow<'_, str> {
    match name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        true => name.to_ascii_lowercase().into(),
        false => name.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_found_as_they_are_written() {
        let text = r#" { "model" : "mödel", "n": [1, {"model": 2}] , "\u0061": 1.0 } "#;
        let body = Body::try_json(text.to_owned()).unwrap();
        assert_eq!(body.member("model"), Some("\"mödel\""), "not unescaped");
        assert_eq!(body.member("n"), Some(r#"[1, {"model": 2}]"#), "whole");
        assert_eq!(body.member("a"), Some("1.0"), "by its unescaped name");
        assert_eq!(body.member("b"), None, "what is not there");
    }

    #[test]
    fn what_two_readers_could_read_differently_is_no_body() {
        for text in [
            r#"{"model": 1, "model": 2}"#,
            r#"{"model": 1, "mod\u0065l": 2}"#,
            r#"{"model": 1} {"model": 2}"#,
            "[1]",
            "{",
            "",
        ] {
            assert!(Body::try_json(text.to_owned()).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_found_in_any_case_and_credentials_are_none() {
        let headers = [
            ("X-One", "1"),
            ("x-one", "2"),
            ("y", "3"),
            ("Authorization", "4"),
            ("X-API-Key", "5"),
        ];
        let request = PlainRequest::new("messages", "POST", "/").with_headers(headers);
        assert_eq!(request.header("x-oNE"), Some("1"), "the first one");
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let both = [header("x-one", "1"), header("x-one", "2")];
        assert_eq!(request.headers("x-"), both, "all of them, in lower case");
        assert_eq!(request.header("authorization"), None, "a credential");
        assert_eq!(request.headers("").len(), 3, "no credential at all");
    }

    #[test]
    fn the_length_of_the_body_is_counted() {
        let request = PlainRequest {
            body: Body::try_json("{}".to_owned()).unwrap(),
            ..PlainRequest::default()
        };
        assert_eq!(request.head().body_bytes, 2, "whatever the head says");
    }
}
