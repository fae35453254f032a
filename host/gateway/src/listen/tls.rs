//! TLS for clients: builds the listener's configuration from the files that the operator names.
//!
//! Everything is checked before it is used: the files contain PEM, there is a certificate, the key belongs to it. Each error
//! names its file, and a faulty file never replaces the configuration in use. Protocols are TLS 1.2 and 1.3, with HTTP/2 and
//! HTTP/1.1 by ALPN (RFC 7301).

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};
use witgate_upstream::pem;

use crate::config::{ClientCertificates, Demand, ListenTls};

/// ALPN protocols in order of preference.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Reads the files of a listener's TLS.
///
/// # Errors
///
/// Returns a text that names the faulty file and its problem, and never quotes a key.
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
        .map_err(|error| format!("cannot set up TLS: {error}"))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain, key)
        .map_err(|error| {
            format!(
                "certificate {} and key {} cannot be used together: {error}",
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
        roots.add(certificate).map_err(|error| {
            format!(
                "{} is not a usable CA certificate: {error}",
                clients.ca.display()
            )
        })?;
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

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    pem::certificates(path, &pem::read(path)?)
}

fn key(path: &Path) -> Result<PrivateKeyDer<'static>, String> {
    // The parser's error may quote its input, and a key must not be quoted.
    PrivateKeyDer::from_pem_slice(&pem::read(path)?)
        .map_err(|_| format!("{} contains no PEM private key", path.display()))
}
