//! A URL and the headers that it is asked with.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use http::header::{self, HeaderName, HeaderValue};
use witgate_upstream::config::{BaseUrl, Scheme, UpstreamConfig};

/// Headers that the fetch itself sets.
const OWN: [HeaderName; 12] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
    header::EXPECT,
    header::RANGE,
    header::ACCEPT_ENCODING,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
];

/// A URL in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    base: BaseUrl,
    /// Path and query.
    pub(crate) path: String,
}

// === impl Place ===

impl Place {
    /// Parses the URL of a table, or of another place that the gateway asks by itself.
    ///
    /// # Errors
    ///
    /// A description of what is wrong with it.
    pub(crate) fn parse(url: &str) -> Result<Self, String> {
        let wrong = |_| "must be a URL, such as https://config.example/teams.json".to_owned();
        let uri: http::Uri = url.parse().map_err(wrong)?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err("must start with https://".to_owned());
        };
        if authority.as_str().contains('@') {
            return Err("must not contain a user or password; use `headers`".to_owned());
        }
        let base = BaseUrl::parse(&format!("{scheme}://{authority}"))?;
        if base.scheme == Scheme::Http && !is_loopback(&base.host) {
            return Err(
                "must start with https://, because anybody on the way could read and change what is sent; http:// is for this machine only"
                    .to_owned(),
            );
        }
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            base,
            path: path.to_owned(),
        })
    }

    /// Returns the scheme, the host and the port.
    pub(super) fn origin(&self) -> String {
        let scheme = match self.base.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        format!("{scheme}://{}", self.base.authority())
    }

    /// Returns the configuration of connections to the place.
    pub(crate) fn server(&self, timeout: Duration, ca_file: Option<&Path>) -> UpstreamConfig {
        UpstreamConfig::of_endpoint(self.base.clone(), timeout, ca_file)
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

/// Checks the headers of a request.
///
/// # Errors
///
/// The name of a wrong one, and what is wrong with it; never its value.
pub(crate) fn check_headers(given: &[(String, String)]) -> Result<(), String> {
    headers(given).map(drop)
}

/// Returns the headers of a request.
///
/// # Errors
///
/// As [`check_headers`].
pub(crate) fn headers(
    given: &[(String, String)],
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let read = given.iter().map(|(name, value)| {
        let parsed: HeaderName = name
            .parse()
            .map_err(|_| format!("its header `{name}` is not a header name"))?;
        if OWN.contains(&parsed) {
            return Err(format!("its header `{name}` is set by the gateway; remove it"));
        }
        let mut value = HeaderValue::from_str(value)
            .map_err(|_| format!("the value of its header `{name}` has a line break or another character that no header may have"))?;
        value.set_sensitive(true);
        Ok((parsed, value))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_split_and_its_query_stays_with_the_path() {
        let place = Place::parse("https://config.example:8443/a/b.json?v=1#c").unwrap();
        assert_eq!(place.origin(), "https://config.example:8443", "origin");
        assert_eq!(place.path, "/a/b.json?v=1", "path and query");
        let place = Place::parse("https://config.example").unwrap();
        assert_eq!(place.path, "/", "no path");
    }

    #[test]
    fn cleartext_is_for_this_machine_only() {
        for url in [
            "http://127.0.0.1:1/a",
            "http://[::1]/a",
            "http://localhost/a",
            "https://a/b",
        ] {
            assert!(Place::parse(url).is_ok(), "{url}");
        }
        for url in [
            "http://config.example/a",
            "http://localhost.example/a",
            "http://10.0.0.1/a",
            "https://user:pw@config.example/a",
            "ftp://127.0.0.1/a",
            "config.example/a",
            "/a",
            "",
        ] {
            assert!(Place::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_wrong_header_is_told_by_its_name_and_never_by_its_value() {
        for (name, value, says) in [
            ("x y", "s3cr3t", "not a header name"),
            ("Host", "s3cr3t", "set by the gateway"),
            ("x-key", "s3cr3t\n", "has a line break"),
        ] {
            let told = check_headers(&[(name.to_owned(), value.to_owned())]).unwrap_err();
            assert!(told.contains(says) && !told.contains("s3cr3t"), "{told}");
        }
    }
}
