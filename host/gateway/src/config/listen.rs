//! `[listen]`: the listener for clients, and the proxies in front of it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;

use serde::Deserialize;
use witgate_config_file::Check;

use super::network::Network;
use super::tls::{ListenTls, ListenTlsFile};

/// Maximum of `threads`.
const MAX_THREADS: usize = 1024;

/// A stand-in for an address that is wrong.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The listener for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// Address and port. Port 0 takes a free one.
    pub address: SocketAddr,
    /// Worker threads.
    pub threads: NonZeroUsize,
    /// TLS, or `None` to listen in cleartext.
    pub tls: Option<ListenTls>,
    /// Permission to speak HTTP/2 in cleartext, with prior knowledge.
    pub h2c: bool,
    /// Proxies in front of the listener.
    pub proxies: Proxies,
}

/// The proxies in front of the gateway.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// Peers that are trusted to name the client's address.
    pub trusted: Vec<Network>,
    /// Header in which they name it.
    pub header: ForwardedHeader,
    /// Use of the PROXY protocol on their connections.
    pub protocol: ProxyProtocol,
}

/// The header in which proxies name the client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `x-forwarded-for`.
    #[default]
    XForwardedFor,
    /// `forwarded` (RFC 7239).
    Forwarded,
}

/// The use of the PROXY protocol on connections of trusted proxies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// Not used.
    #[default]
    Absent,
    /// Used by every trusted proxy. A connection without it is closed.
    Required,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListenFile {
    address: String,
    threads: Option<usize>,
    tls: Option<ListenTlsFile>,
    #[serde(default)]
    h2c: bool,
    #[serde(default)]
    trusted_proxies: Vec<String>,
    forwarded_header: Option<String>,
    #[serde(default)]
    proxy_protocol: bool,
}

// === impl ListenFile ===

impl ListenFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Listen {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = check.number("threads", self.threads, cores.get(), 1..=MAX_THREADS);
        Listen {
            proxies: self.proxies(check),
            address: check.address("address", &self.address).unwrap_or(NOWHERE),
            threads: NonZeroUsize::new(threads).unwrap_or(cores),
            tls: self.tls.map(|tls| tls.check(&mut check.table("tls"))),
            h2c: self.h2c,
        }
    }

    fn proxies(&self, check: &mut Check<'_>) -> Proxies {
        let trusted = check.each(
            "trusted_proxies",
            self.trusted_proxies.clone(),
            "must be an IP address or a network, such as 10.0.0.0/8 or 2001:db8::/32",
            |text| Network::parse(&text),
        );
        if self.proxy_protocol && self.trusted_proxies.is_empty() {
            check.problem(
                "proxy_protocol",
                "needs `trusted_proxies`: only connections of proxies that are named there may begin with the PROXY \
                 protocol",
            );
        }
        let header = self.forwarded_header.as_deref().map(|name| {
            ForwardedHeader::named(name).unwrap_or_else(|| {
                check.problem(
                    "forwarded_header",
                    "must be \"x-forwarded-for\" or \"forwarded\", whichever the proxy sends",
                );
                ForwardedHeader::default()
            })
        });
        Proxies {
            trusted,
            header: header.unwrap_or_default(),
            protocol: if self.proxy_protocol {
                ProxyProtocol::Required
            } else {
                ProxyProtocol::Absent
            },
        }
    }
}

// === impl Proxies ===

impl Proxies {
    /// Returns whether an address belongs to a trusted proxy.
    #[must_use]
    pub fn trust(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.holds(address))
    }
}

// === impl ForwardedHeader ===

impl ForwardedHeader {
    /// Returns the header with this name, in any case, or `None` if proxies don't name clients in it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        [Self::XForwardedFor, Self::Forwarded]
            .into_iter()
            .find(|header| header.name().eq_ignore_ascii_case(name))
    }

    /// Returns the header's name, in lowercase.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::XForwardedFor => "x-forwarded-for",
            Self::Forwarded => "forwarded",
        }
    }
}
