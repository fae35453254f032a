//! Access to the admin listener without a key: for an operator's tools, and not for web pages in an operator's browser.
//!
//! Another site can bind a name of its own to this machine's address, so that its pages have the same origin as the admin
//! pages (DNS rebinding). The browser still sends that name in `Host`. An IP address cannot be rebound, so addresses are
//! trusted, and so are `localhost` and the names that the operator lists.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::Method;
use witgate_http::{Headers, Value};

/// Header in which browsers report the origin of a request (Fetch Metadata).
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// The access of a request that is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// All pages, for a request whose host is an address or a known name.
    Full,
    /// The health probes only, for a request under another name. No method but GET and HEAD has this access.
    ProbesOnly,
}

/// The reason why a request is denied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// The method is not GET, HEAD or DELETE.
    Method,
    /// A page of another site made the request.
    CrossSite,
}

// === impl Access ===

impl Access {
    /// Checks a request. `hosts` are the names that the operator lists, in lowercase.
    ///
    /// # Errors
    ///
    /// Returns the reason if the request is denied.
    pub(super) fn check(
        method: &Method,
        headers: &Headers,
        hosts: &[String],
    ) -> Result<Self, Denied> {
        // A browser asks before it sends a DELETE for another site's page, and is told no.
        if !matches!(*method, Method::GET | Method::HEAD | Method::DELETE) {
            return Err(Denied::Method);
        }
        Self::of(headers, hosts)
    }

    /// Checks where a request comes from, whatever its method.
    ///
    /// # Errors
    ///
    /// Returns the reason if the request is denied.
    pub(super) fn of(headers: &Headers, hosts: &[String]) -> Result<Self, Denied> {
        let ours = |site: Value<'_>| matches!(site.as_bytes(), b"none" | b"same-origin");
        if !headers.get_all(&SEC_FETCH_SITE).all(ours) {
            return Err(Denied::CrossSite);
        }
        // Browsers always send `Host`.
        let known = headers.get_all(&"host").all(|host| {
            host.to_str()
                .is_some_and(|host| is_address(host) || is_listed(host, hosts))
        });
        Ok(if known { Self::Full } else { Self::ProbesOnly })
    }
}

/// Returns whether a host is an IP address, with or without a port.
fn is_address(host: &str) -> bool {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').is_some_and(|(address, port)| {
            address.parse::<Ipv6Addr>().is_ok()
                && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
        });
    }
    without_port(host).is_some_and(|name| name.parse::<Ipv4Addr>().is_ok())
}

fn is_listed(host: &str, hosts: &[String]) -> bool {
    without_port(host).is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost")
            || hosts.iter().any(|known| name.eq_ignore_ascii_case(known))
    })
}

/// Returns the host without its port, or `None` if the port is not a number.
fn without_port(host: &str) -> Option<&str> {
    match host.split_once(':') {
        None => Some(host),
        Some((name, port)) => is_port(port).then_some(name),
    }
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(host: &'static str) -> Access {
        let mut headers = Headers::default();
        headers.push_text("host", host);
        Access::check(&Method::GET, &headers, &["gateway.internal".into()]).unwrap()
    }

    #[test]
    fn addresses_and_listed_names_are_known_and_nothing_that_only_looks_like_them() {
        for host in [
            "127.0.0.1",
            "10.0.0.7:8788",
            "[::1]",
            "[fd00::7]:8788",
            "localhost:1",
            "LocalHost",
            "gateway.internal:8788",
        ] {
            assert_eq!(access(host), Access::Full, "{host}");
        }
        for host in [
            "",
            "evil.test",
            "localhost.",
            "localhost.evil.test",
            "127.0.0.1.evil.test",
            "127.1",
            "0x7f.1",
            "2130706433",
            "::1",
            "[::1",
            "[::1]x",
            "[::1]:x",
            "localhost:",
            "localhost:1:2",
            "localhost:99999",
            "a.gateway.internal",
        ] {
            assert_eq!(access(host), Access::ProbesOnly, "{host}");
        }
    }
}
