//! The answer of a table's server.

use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, ETAG, HeaderName, LAST_MODIFIED};
use witgate_http::{Headers, Value};
use witgate_runtime::{FetchRequest, Fetched};
use witgate_upstream::Response;

/// The version of a table as its server names it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    pub(super) tag: Option<String>,
    pub(super) modified: Option<String>,
}

// === impl Version ===

impl Version {
    fn of(headers: &Headers) -> Self {
        Self {
            tag: text(headers, &ETAG).map(str::to_owned),
            modified: text(headers, &LAST_MODIFIED).map(str::to_owned),
        }
    }

    /// Returns the version as one text, or `None` if the server names none.
    fn into_text(self) -> Option<String> {
        match (self.tag, self.modified) {
            (None, None) => None,
            (tag, modified) => Some(format!(
                "{}\n{}",
                tag.unwrap_or_default(),
                modified.unwrap_or_default()
            )),
        }
    }

    /// Reads the text of a version. Values of headers have no line breaks.
    pub(super) fn parse(text: &str) -> Self {
        let (tag, modified) = text.split_once('\n').unwrap_or((text, ""));
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self {
            tag: filled(tag),
            modified: filled(modified),
        }
    }
}

/// Reads the answer to a request.
///
/// # Errors
///
/// It is not the content of a table, or there is too much of it.
pub(super) async fn read(
    response: &mut Response,
    request: &FetchRequest<'_>,
) -> Result<Fetched, String> {
    let status = response.status();
    match status {
        200 => {}
        304 if request.version.is_some() => return Ok(Fetched::Unchanged),
        300..400 => {
            return Err(format!(
                "it answered {status}, and redirects are not followed; write the final URL"
            ));
        }
        _ => return Err(format!("it answered {status}")),
    }
    let no_head = Headers::default();
    let headers = response.head().map_or(&no_head, |head| &head.headers);
    let version = Version::of(headers).into_text();
    let length = text(headers, &CONTENT_LENGTH).and_then(|length| length.parse::<usize>().ok());
    let too_long = || {
        format!(
            "it has more than {} bytes; raise `max_bytes` in the sidecar",
            request.max_bytes
        )
    };
    if length.is_some_and(|length| length > request.max_bytes) {
        return Err(too_long());
    }
    if text(headers, &CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        return Err("it is compressed, which was not asked for".to_owned());
    }
    let framed = length.is_some() || headers.contains_key("transfer-encoding");
    let http2 = response
        .head()
        .is_some_and(|head| head.version == http::Version::HTTP_2);
    if !framed && !http2 {
        return Err(
            "it has no length, so its end can't be told from a broken connection".to_owned(),
        );
    }
    let mut bytes = Vec::with_capacity(length.unwrap_or(0));
    while let Some(part) = response
        .read()
        .await
        .map_err(|error| format!("the answer broke off: {}", error.etype().as_str()))?
    {
        if bytes.len() + part.len() > request.max_bytes {
            return Err(too_long());
        }
        bytes.extend_from_slice(&part);
    }
    if length.is_some_and(|length| length != bytes.len()) {
        return Err("the answer broke off".to_owned());
    }
    Ok(Fetched::Content { bytes, version })
}

fn text<'a>(headers: &'a Headers, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(Value::to_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_survives_as_a_text() {
        let text = |text: &str| Some(text.to_owned());
        for (tag, modified) in [
            (text("\"a\""), None),
            (None, text("Sun, 06 Nov 1994 08:49:37 GMT")),
            (text("W/\"a\""), text("Sun, 06 Nov 1994 08:49:37 GMT")),
        ] {
            let version = || Version {
                tag: tag.clone(),
                modified: modified.clone(),
            };
            let kept = version().into_text().expect("a version");
            assert_eq!(Version::parse(&kept), version(), "{kept:?}");
        }
        assert_eq!(Version::default().into_text(), None, "none is none");
    }
}
