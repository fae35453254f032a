//! `[listen.tls]`, as written.

use std::path::PathBuf;

use serde::Deserialize;

/// `[listen.tls]`
#[derive(Debug, Deserialize)]
pub struct ListenTlsFile {
    /// The certificate chain, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// The CA of client certificates, in PEM.
    pub client_ca: Option<PathBuf>,
    /// `optional` or `required`.
    pub client_certificates: Option<String>,
}
