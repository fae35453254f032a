//! Certificates made on the spot, and tunnels that put TLS around the harness's plain sockets: a [`Client`] that connects
//! to one speaks TLS to the gateway, an [`Upstream`] behind one speaks TLS to it.
//!
//! [`Client`]: super::Client
//! [`Upstream`]: super::Upstream

use std::net::SocketAddr;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use sha2::{Digest, Sha256};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::client::TlsStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::upstream::{hex, listen};
use super::within_timeout;

/// A certificate authority.
pub struct Authority {
    certificate: rcgen::Certificate,
    key: KeyPair,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// A client's side of the TLS handshake.
#[derive(Clone)]
pub struct Greeting {
    config: ClientConfig,
    name: String,
}

/// A port whose connections go on, in or out of TLS, to another.
pub struct Tunnel {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

// === impl Authority ===

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        // Two authorities of one name would be told apart by their signatures only.
        let name = hex(&Sha256::digest(key.public_key_raw()));
        params.distinguished_name.push(DnType::CommonName, name);
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, key }
    }

    /// The authority's own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// Signs a certificate for a name or an address.
    pub fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        let certificate = params
            .signed_by(&key, &self.certificate, &self.key)
            .unwrap();
        Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// A client that trusts it and asks for this name.
    pub fn trusted_for(&self, name: &str) -> Greeting {
        Greeting::new(self, name, rustls::DEFAULT_VERSIONS, None)
    }
}

// === impl Identity ===

impl Identity {
    /// The hash by which a keys file names it.
    pub fn hash(&self) -> String {
        let der = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        format!("sha256:{}", hex(&Sha256::digest(&der)))
    }

    fn chain(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()]
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    /// A server that shows it and takes these protocols.
    pub fn server(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain(), self.private_key())
            .unwrap();
        config.alpn_protocols = wire(protocols);
        Arc::new(config)
    }
}

fn wire(protocols: &[&str]) -> Vec<Vec<u8>> {
    protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect()
}

// === impl Greeting ===

impl Greeting {
    fn new(
        authority: &Authority,
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
        identity: Option<&Identity>,
    ) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            None => config.with_no_client_auth(),
            Some(identity) => config
                .with_client_auth_cert(identity.chain(), identity.private_key())
                .unwrap(),
        };
        Self {
            config,
            name: name.to_owned(),
        }
    }

    /// The same with this version of TLS only.
    pub fn in_version(
        authority: &Authority,
        name: &str,
        version: &'static SupportedProtocolVersion,
    ) -> Self {
        Self::new(authority, name, &[version], None)
    }

    /// The same showing a client certificate.
    pub fn showing(authority: &Authority, name: &str, identity: &Identity) -> Self {
        Self::new(authority, name, rustls::DEFAULT_VERSIONS, Some(identity))
    }

    /// Offers these protocols.
    #[must_use]
    pub fn offering(mut self, protocols: &[&str]) -> Self {
        self.config.alpn_protocols = wire(protocols);
        self
    }

    /// Connects and shakes hands.
    pub async fn connect(&self, address: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let name = ServerName::try_from(self.name.clone()).expect("a server's name");
        let connector = TlsConnector::from(Arc::new(self.config.clone()));
        within_timeout("a TLS handshake", connector.connect(name, tcp)).await
    }
}

// === impl Tunnel ===

impl Tunnel {
    /// Plain connections to it become TLS connections to `address`.
    pub async fn into_tls(address: SocketAddr, greeting: Greeting) -> Self {
        Self::open(move |mut plain| {
            let greeting = greeting.clone();
            async move {
                if let Ok(mut tls) = greeting.connect(address).await {
                    let _ = copy_bidirectional(&mut plain, &mut tls).await;
                }
            }
        })
        .await
    }

    /// TLS connections to it become plain ones to `address`.
    pub async fn out_of_tls(address: SocketAddr, server: Arc<ServerConfig>) -> Self {
        let acceptor = TlsAcceptor::from(server);
        Self::open(move |tcp| {
            let acceptor = acceptor.clone();
            async move {
                let Ok(mut tls) = acceptor.accept(tcp).await else {
                    return;
                };
                let mut plain = TcpStream::connect(address).await.expect("the upstream");
                plain.set_nodelay(true).expect("a fresh socket");
                let _ = copy_bidirectional(&mut tls, &mut plain).await;
            }
        })
        .await
    }

    async fn open<F>(carry: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (listener, address) = listen().await;
        let accepting = tokio::spawn(async move {
            let mut carried = tokio::task::JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                tcp.set_nodelay(true).expect("a fresh socket");
                carried.spawn(carry(tcp));
            }
        });
        Self { address, accepting }
    }

    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
