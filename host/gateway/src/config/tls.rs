//! `[listen.tls]`: TLS towards clients. The content of the files is checked when they are read, at the start and at each
//! reload.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use witgate_config_file::Check;

/// The listener's certificate, and the certificates that it asks clients for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTls {
    /// PEM file of the certificate chain, the listener's own certificate first.
    pub certificate: PathBuf,
    /// PEM file of that certificate's private key.
    pub key: PathBuf,
    /// Client certificates that are accepted, or `None` to ask for none.
    pub clients: Option<ClientCertificates>,
}

/// The client certificates that are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// PEM file of the CA certificates that sign them.
    pub ca: PathBuf,
    /// Demand for one.
    pub demand: Demand,
}

/// The demand for a client certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Demand {
    /// A client may connect without one. One that is presented must be valid.
    Optional,
    /// A client without a valid one can't connect.
    Required,
}

#[derive(Debug, Deserialize)]
pub(super) struct ListenTlsFile {
    certificate: PathBuf,
    key: PathBuf,
    client_ca: Option<PathBuf>,
    client_certificates: Option<Demand>,
}

// === impl ListenTlsFile ===

impl ListenTlsFile {
    pub(super) fn check(self, check: &mut Check<'_>) -> ListenTls {
        let demanded = self.client_certificates.is_some();
        if demanded && self.client_ca.is_none() && !check.has_problem("client_ca") {
            check.problem(
                "client_certificates",
                "needs `client_ca`, the file of the CA that signs the clients' certificates",
            );
        }
        // A wrong word stands for the stricter one.
        let default = if check.has_problem("client_certificates") {
            Demand::Required
        } else {
            Demand::Optional
        };
        ListenTls {
            certificate: check.file("certificate", self.certificate),
            key: check.file("key", self.key),
            clients: self.client_ca.map(|ca| ClientCertificates {
                ca: check.file("client_ca", ca),
                demand: self.client_certificates.unwrap_or(default),
            }),
        }
    }
}

// === impl ListenTls ===

impl ListenTls {
    /// Returns the files that it is read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let ca = self.clients.as_ref().map(|clients| clients.ca.as_path());
        [self.certificate.as_path(), self.key.as_path()]
            .into_iter()
            .chain(ca)
    }
}
