//! Who is at the admin listener, as far as that can be told without a key: an operator's tool, or a web page that got an
//! operator's browser to ask.
//!
//! A page of another site can bind a name of its own to this machine's address, and is then of the same origin as the
//! admin pages (DNS rebinding). Its browser still says the page's name in `Host`. An address in there can't be bound to
//! anything else, so addresses are known, and so are `localhost` and the names that the operator lists.

use std::net::{Ipv4Addr, Ipv6Addr};

use http::{HeaderMap, HeaderValue, Method, header};

/// What browsers say about where a request comes from (Fetch Metadata).
const SITE: &str = "sec-fetch-site";

/// How far a visitor is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Visitor {
    /// It asks for this listener by an address, or by a name that is known.
    Known,
    /// It asks by some other name, and learns only whether the gateway is alive and ready.
    Stranger,
}

/// What a visitor may not do at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Barred {
    /// Nothing here can be changed.
    Method,
    /// A page of another site asks.
    Site,
}

// === impl Visitor ===

impl Visitor {
    /// Looks at a request; `hosts` are the names that the operator lists, in lower case.
    ///
    /// # Errors
    ///
    /// It is one that nobody may make.
    pub(super) fn look(
        method: &Method,
        headers: &HeaderMap,
        hosts: &[String],
    ) -> Result<Self, Barred> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return Err(Barred::Method);
        }
        let ours = |site: &HeaderValue| matches!(site.as_bytes(), b"none" | b"same-origin");
        if !headers.get_all(SITE).iter().all(ours) {
            return Err(Barred::Site);
        }
        // No browser leaves it out.
        let known = headers.get_all(header::HOST).iter().all(|host| {
            host.to_str()
                .is_ok_and(|host| is_address(host) || is_listed(host, hosts))
        });
        Ok(if known { Self::Known } else { Self::Stranger })
    }
}

/// Whether a host is an address, with or without a port.
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

/// The host in front of its port, if it has one that is a number.
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

    fn seen(host: &'static str) -> Visitor {
        let headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static(host))]);
        Visitor::look(&Method::GET, &headers, &["gateway.internal".into()]).unwrap()
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
            assert_eq!(seen(host), Visitor::Known, "{host}");
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
            assert_eq!(seen(host), Visitor::Stranger, "{host}");
        }
    }
}
