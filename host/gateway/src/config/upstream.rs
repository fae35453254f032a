//! One upstream, as configured.

use std::path::PathBuf;
use std::time::Duration;

use super::credential::Credential;
use super::group::ProviderChange;
use super::resilience::Resilience;

/// A server that speaks Messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamConfig {
    /// Its name in plans, receipts and metrics.
    pub name: String,
    /// Where it is.
    pub base: BaseUrl,
    /// What it is shown; none for a server that asks for nothing.
    pub credential: Option<Credential>,
    /// Longest time to connect, name lookup and TLS included.
    pub connect_timeout: Duration,
    /// Longest time from the last byte of the request to the head of the answer.
    pub head_timeout: Duration,
    /// Longest time between two reads of the answer.
    pub idle_timeout: Duration,
    /// CA certificates to trust, in PEM; the system's when absent.
    pub ca_file: Option<PathBuf>,
    /// The name that the certificate has to be for.
    pub sni: String,
    /// What kind of server it is.
    pub kind: Kind,
    /// Who signs the thinking of its answers: signatures are good for upstreams of the same provider only.
    pub provider: String,
    /// Whether requests with another provider's thinking may come here.
    pub provider_change: ProviderChange,
    /// How its troubles are met.
    pub resilience: Resilience,
    /// The version of HTTP that it is spoken to in.
    pub http: HttpVersion,
    /// What becomes of headers that are meant for a gateway.
    pub vmx_headers: VmxHeaders,
}

/// What becomes of a caller's `x-vmx-*` headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmxHeaders {
    /// They end at this gateway, which they are meant for.
    EndHere,
    /// They are sent on: the upstream is a gateway as well.
    Forwarded,
}

/// What kind of server an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The API of Anthropic.
    Anthropic,
    /// Any other server that speaks Messages.
    Messages,
}

/// Scheme, host, port and path prefix of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    /// Whether the connection is encrypted.
    pub scheme: Scheme,
    /// Host name or address, without brackets.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path that goes before the request's own, without a slash at its end.
    pub prefix: String,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// The version of HTTP that an upstream is spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; in the clear with prior knowledge (RFC 9113, section 3.3).
    Http2,
    /// HTTP/2 where the server agrees to it during the TLS handshake (ALPN, RFC 7301), else HTTP/1.1.
    Negotiated,
}

// === impl VmxHeaders ===

impl From<bool> for VmxHeaders {
    fn from(forward: bool) -> Self {
        if forward {
            Self::Forwarded
        } else {
            Self::EndHere
        }
    }
}

// === impl BaseUrl ===

impl BaseUrl {
    /// Reads `http(s)://host[:port][/prefix]`.
    ///
    /// # Errors
    ///
    /// Says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let uri: http::Uri = text
            .parse()
            .map_err(|error| format!("not a URL: {error}"))?;
        let (scheme, port) = match uri.scheme_str() {
            Some("http") => (Scheme::Http, 80),
            Some("https") => (Scheme::Https, 443),
            _ => return Err("a base URL starts with http:// or https://".into()),
        };
        let authority = uri.authority().ok_or("a base URL names a host")?;
        if authority.as_str().contains('@') {
            return Err("a base URL holds no user or password: use `credential`".into());
        }
        if uri.query().is_some() {
            return Err("a base URL has no query".into());
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err("a base URL names a host".into());
        }
        Ok(Self {
            scheme,
            host: host.to_owned(),
            port: authority.port_u16().unwrap_or(port),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }

    /// The `Host` header of requests to it.
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
