//! `[admin]`: the listener with the pages for operators.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use witgate_config_file::Check;

/// The listener with the pages for operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Address and port.
    pub address: SocketAddr,
    /// Host names under which the pages are served, besides IP addresses and `localhost`.
    pub hosts: Vec<String>,
    /// File of the keys that may read and change limits, or `None` if there are none.
    pub keys: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
pub(super) struct AdminFile {
    address: String,
    #[serde(default)]
    insecure_public: bool,
    #[serde(default)]
    hosts: Vec<String>,
    keys: Option<PathBuf>,
}

// === impl AdminFile ===

impl AdminFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> Option<Admin> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let hosts = check.each(
            "hosts",
            self.hosts,
            "must be a host name without a port, such as gateway.internal",
            |name| (!name.is_empty() && name.bytes().all(plain)).then_some(name),
        );
        let keys = self.keys.map(|keys| check.file("keys", keys));
        let address = check.address("address", &self.address)?;
        if !address.ip().is_loopback() && !self.insecure_public {
            check.problem(
                "address",
                "must be a loopback address, because the admin pages need no key; use 127.0.0.1, or set \
                 insecure_public = true",
            );
        }
        Some(Admin {
            address,
            hosts,
            keys,
        })
    }
}
