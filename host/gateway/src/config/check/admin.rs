//! `[admin]`.

use super::Check;
use crate::config::Admin;
use crate::config::file::AdminFile;

// === impl Check ===

impl Check<'_> {
    pub(super) fn admin(&mut self, file: AdminFile) -> Option<Admin> {
        let hosts = self.hosts(file.hosts);
        let address = self.address("admin.address", &file.address)?;
        if !address.ip().is_loopback() && !file.insecure_public {
            self.problem(
                "admin.address",
                "not a loopback address: the admin pages ask nobody for a key. Use 127.0.0.1, or set insecure_public = true",
            );
        }
        Some(Admin { address, hosts })
    }

    fn hosts(&mut self, names: Vec<String>) -> Vec<String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        for (index, name) in names.iter().enumerate() {
            if name.is_empty() || !name.bytes().all(plain) {
                self.problem(
                    &format!("admin.hosts[{index}]"),
                    "a host's name without a port, for example gateway.internal",
                );
            }
        }
        names
    }
}
