//! Checks of `[cors]`.

use http::{HeaderValue, Uri};

use super::Check;
use crate::config::Cors;
use crate::config::file::cors::CorsFile;

// === impl Check ===

impl Check<'_> {
    pub(super) fn cors(&mut self, file: Option<&CorsFile>) -> Cors {
        let Some(file) = file else {
            return Cors::Off;
        };
        if file.origins.is_empty() {
            self.problem(
                "cors.origins",
                "name at least one origin, or leave [cors] out",
            );
        }
        if file.origins.iter().any(|origin| origin == "*") {
            if file.origins.len() > 1 {
                self.problem("cors.origins", "\"*\" allows every origin and stands alone");
            }
            return Cors::Everybody;
        }
        let mut listed = Vec::with_capacity(file.origins.len());
        for (index, origin) in file.origins.iter().enumerate() {
            match origin_header(origin) {
                Some(header) => listed.push(header),
                None => self.problem(
                    &format!("cors.origins[{index}]"),
                    "an origin as browsers write it, in small letters and without a path: https://app.example or http://localhost:5173",
                ),
            }
        }
        Cors::Listed(listed)
    }
}

/// The `Origin` header that browsers send for this origin, `None` for a text that none of them sends.
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
