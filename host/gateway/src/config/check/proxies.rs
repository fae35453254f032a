//! Checks of the proxies in `[listen]`.

use super::Check;
use crate::config::file::ListenFile;
use crate::config::{ForwardedHeader, Network, Proxies, ProxyProtocol};

// === impl Check ===

impl Check<'_> {
    pub(super) fn proxies(&mut self, file: &ListenFile) -> Proxies {
        let mut trusted = Vec::with_capacity(file.trusted_proxies.len());
        for (index, text) in file.trusted_proxies.iter().enumerate() {
            match Network::parse(text) {
                Some(network) => trusted.push(network),
                None => self.problem(
                    &format!("listen.trusted_proxies[{index}]"),
                    "an address, or a network like 10.0.0.0/8 or 2001:db8::/32",
                ),
            }
        }
        if file.proxy_protocol && file.trusted_proxies.is_empty() {
            self.problem(
                "listen.proxy_protocol",
                "is read from trusted_proxies only: name the addresses of the proxies there",
            );
        }
        let header = file.forwarded_header.as_deref().map(|name| {
            ForwardedHeader::named(name).unwrap_or_else(|| {
                let known = "x-forwarded-for or forwarded: the one that the proxy writes";
                self.problem("listen.forwarded_header", known);
                ForwardedHeader::default()
            })
        });
        Proxies {
            trusted,
            header: header.unwrap_or_default(),
            protocol: if file.proxy_protocol {
                ProxyProtocol::Required
            } else {
                ProxyProtocol::Absent
            },
        }
    }
}
