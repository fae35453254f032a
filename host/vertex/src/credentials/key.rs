//! Keys of service accounts, and what they sign.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::json;
use witgate_dialect::Secret;

use super::answer::BadToken;

/// The lifetime of an assertion, which is the longest that Google allows.
const LIFETIME: Duration = Duration::from_secs(3600);

/// A key that signs.
#[derive(Clone)]
pub(super) struct Key {
    id: String,
    pair: Arc<RsaKeyPair>,
}

// === impl Key ===

impl Key {
    /// Reads a key in PEM. Returns `None` for anything but an RSA key.
    pub(super) fn read(id: &str, pem: &str) -> Option<Self> {
        let pair = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()),
            _ => return None,
        };
        Some(Self {
            id: id.to_owned(),
            pair: Arc::new(pair.ok()?),
        })
    }

    /// Returns a signed assertion (JWT, RS256) that the service account `email` asks for a scope.
    pub(super) fn assertion(
        &self,
        email: &str,
        token_url: &str,
        scope: &str,
        now: SystemTime,
    ) -> Result<Secret, BadToken> {
        let seconds = |time: SystemTime| {
            let since = time.duration_since(SystemTime::UNIX_EPOCH);
            since.unwrap_or_default().as_secs()
        };
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": self.id});
        let claims = json!({
            "iss": email,
            "scope": scope,
            "aud": token_url,
            "iat": seconds(now),
            "exp": seconds(now + LIFETIME),
        });
        let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let text = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.sign(&text)?;
        Ok(Secret::new(format!("{text}.{signature}")))
    }

    /// Returns the signature of a text.
    pub(super) fn sign(&self, text: &str) -> Result<String, BadToken> {
        let mut signature = vec![0; self.pair.public().modulus_len()];
        // The random numbers blind the computation. They do not change its result.
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                text.as_bytes(),
                &mut signature,
            )
            .map_err(|_| BadToken::Unsignable)?;
        Ok(URL_SAFE_NO_PAD.encode(signature))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
