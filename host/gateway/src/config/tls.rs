//! TLS towards clients, as configured.

use std::path::{Path, PathBuf};

/// `[listen.tls]`: what the listener shows, and what it asks to see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenTls {
    /// The certificate chain, in PEM, the listener's own first.
    pub certificate: PathBuf,
    /// The private key of that certificate, in PEM.
    pub key: PathBuf,
    /// Who vouches for client certificates; none asks for no certificate.
    pub clients: Option<ClientCertificates>,
}

/// Client certificates that are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The CA certificates that have to have signed them, in PEM.
    pub ca: PathBuf,
    /// Whether a client may come without one.
    pub demand: Demand,
}

/// Whether a client has to show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand {
    /// It may; one that is shown has to be right.
    Optional,
    /// Without one there is no connection.
    Required,
}

// === impl ListenTls ===

impl ListenTls {
    /// The files that it is read from.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let ca = self.clients.as_ref().map(|clients| clients.ca.as_path());
        [self.certificate.as_path(), self.key.as_path()]
            .into_iter()
            .chain(ca)
    }
}
