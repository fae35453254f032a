//! `base_url`: the address of an upstream.

/// The scheme, host, port and path prefix of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Scheme, which decides about TLS.
    pub scheme: Scheme,
    /// Host name or IP address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path that goes before the request's own, without a slash at its end.
    pub prefix: String,
}

/// The scheme of a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Cleartext.
    Http,
    /// TLS.
    Https,
}

// === impl BaseUrl ===

impl BaseUrl {
    /// Parses `http(s)://host[:port][/prefix]`.
    ///
    /// # Errors
    ///
    /// Returns a description of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text.parse().map_err(|error| {
            format!("must be a URL, such as https://api.anthropic.com: {error}")
        })?;
        let (scheme, port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err("must start with http:// or https://".into()),
        };
        let authority = uri.authority().ok_or("must name a host")?;
        if authority.as_str().contains('@') {
            return Err("must not contain a user or password; use `credential`".into());
        }
        if uri.query().is_some() {
            return Err("must not have a query".into());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err("must name a host".into());
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(port),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// Returns the `Host` header of requests to this URL.
    #[must_use]
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        match (self.scheme, self.port) {
            (Scheme::Http, 80) | (Scheme::Https, 443) => host,
            (_, port) => format!("{host}:{port}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_split_into_its_parts() {
        let url = BaseUrl::parse("https://gate.example:8443/anthropic/").unwrap();
        assert_eq!(url.scheme, Scheme::Https, "scheme");
        assert_eq!(
            (url.host.as_str(), url.port),
            ("gate.example", 8443),
            "host and port"
        );
        assert_eq!(url.prefix, "/anthropic", "the prefix ends without a slash");
        assert_eq!(
            url.authority(),
            "gate.example:8443",
            "a port of its own is part of the host header"
        );
        assert_eq!(
            BaseUrl::parse("http://[::1]:99").unwrap().authority(),
            "[::1]:99",
            "addresses keep brackets"
        );
    }

    #[test]
    fn a_base_url_that_would_mislead_is_refused() {
        for wrong in [
            "api.example",
            "ftp://x",
            "https://user:pw@x",
            "https://x/?a=1",
            "http://",
        ] {
            assert!(BaseUrl::parse(wrong).is_err(), "{wrong} is refused");
        }
    }
}
