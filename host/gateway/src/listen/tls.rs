//! TLS towards clients: reads what the configuration names and makes of it what the listener shows.
//!
//! Everything is checked before it is used: the files hold PEM, there is a certificate, the key belongs to it. What is
//! wrong is said with its file, and never takes the place of what is in use. Protocols are TLS 1.2 and 1.3, with HTTP/2
//! and HTTP/1.1 by ALPN (RFC 7301).

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::config::{ClientCertificates, Demand, ListenTls};

/// The protocols offered, the preferred one first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Reads the files of a listener's TLS.
///
/// # Errors
///
/// Says which file is wrong, and what about it; never what a key holds.
pub(crate) fn read(files: &ListenTls) -> Result<Arc<ServerConfig>, String> {
    let provider = Arc::new(default_provider());
    let chain = certificates(&files.certificate)?;
    let key = key(&files.key)?;
    let verifier = match &files.clients {
        None => Arc::new(NoClientAuth),
        Some(clients) => verifier(clients, &provider)?,
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| {
            format!(
                "{} and {} do not make a certificate with its key: {error}",
                files.certificate.display(),
                files.key.display()
            )
        })?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    Ok(Arc::new(config))
}

fn verifier(
    clients: &ClientCertificates,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&clients.ca)? {
        roots
            .add(certificate)
            .map_err(|error| format!("{} is no CA: {error}", clients.ca.display()))?;
    }
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = match clients.demand {
        Demand::Required => builder,
        Demand::Optional => builder.allow_unauthenticated(),
    };
    builder
        .build()
        .map_err(|error| format!("{}: {error}", clients.ca.display()))
}

/// The certificates of a PEM file, at least one.
///
/// # Errors
///
/// It cannot be read, is not PEM, or holds none.
pub(crate) fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read_file(path)?;
    let found = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("{} is not PEM: {error}", path.display()))?;
    if found.is_empty() {
        return Err(format!("{} holds no PEM certificate", path.display()));
    }
    Ok(found)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    // The error of the parser may quote what it could not read; a key is not to be quoted.
    PrivateKeyDer::from_pem_slice(&read_file(path)?)
        .map_err(|_| format!("{} holds no PEM private key", path.display()))
}

fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))
}
