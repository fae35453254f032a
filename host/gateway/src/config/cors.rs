//! `[cors]`: the browser apps that may send requests.

use http::{HeaderValue, Uri};
use serde::Deserialize;
use witgate_config_file::Check;

/// The origins whose browser apps may send requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cors {
    /// No origin: the gateway sends no CORS headers.
    #[default]
    Off,
    /// These origins.
    Listed(Vec<HeaderValue>),
    /// Every origin.
    Everybody,
}

#[derive(Debug, Deserialize)]
pub(super) struct CorsFile {
    origins: Vec<String>,
}

// === impl CorsFile ===

impl CorsFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Cors {
        if self.origins.is_empty() {
            check.problem(
                "origins",
                "must name at least one origin; to switch CORS off, remove [cors]",
            );
        }
        if self.origins.iter().any(|origin| origin == "*") {
            if self.origins.len() > 1 {
                check.problem(
                    "origins",
                    "must not name other origins beside \"*\", which allows all of them",
                );
            }
            return Cors::Everybody;
        }
        Cors::Listed(check.each(
            "origins",
            self.origins,
            "must be an origin as browsers send it, in lowercase and without a path, such as https://app.example or \
             http://localhost:5173",
            |origin| origin_header(&origin),
        ))
    }
}

/// Returns the `Origin` header that browsers send for an origin, or `None` if no browser sends such a header.
fn origin_header(text: &str) -> Option<HeaderValue> {
    let (scheme, authority) = text.split_once("://")?;
    let uri: Uri = text.parse().ok()?;
    let named = uri.host().is_some_and(|host| !host.is_empty());
    let plain = named
        && !authority.contains(['/', '?', '#', '@'])
        && !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let default_port = matches!(
        (scheme, uri.port_u16()),
        ("http", Some(80)) | ("https", Some(443))
    );
    (plain && !default_port).then(|| HeaderValue::from_str(text).ok())?
}

#[cfg(test)]
mod tests {
    use super::origin_header;

    #[test]
    fn an_origin_is_written_as_browsers_write_it() {
        for origin in [
            "https://app.example",
            "http://localhost:5173",
            "https://[2001:db8::1]:8443",
            "chrome-extension://abcdef",
        ] {
            assert!(origin_header(origin).is_some(), "{origin}");
        }
        for wrong in [
            "app.example",
            "https://app.example/",
            "https://app.example/path",
            "https://App.example",
            "https://app.example:443",
            "https://user@app.example",
            "https://",
            "null",
            "*.example",
        ] {
            assert!(origin_header(wrong).is_none(), "{wrong}");
        }
    }
}
