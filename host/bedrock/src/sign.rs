//! Credentials on requests: signatures (SigV4) of an account's keys, and API keys.
//!
//! The signature is AWS's own signer's. The time is an argument, and what is signed is the host, the headers that the dialect sets
//! and the hash of the body, so that other headers may change on the way.

use std::time::SystemTime;

use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SigningError, SigningSettings, sign as signature,
};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::credentials::{Access, Keys};
use crate::{Request, Secret};

/// The name of the service in signatures (`signingName` of botocore's model of `bedrock-runtime`).
pub const SERVICE: &str = "bedrock";

/// The place that a request is signed for.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// The host as the `host` header names it, with the port unless it is the scheme's own.
    pub authority: &'a str,
    /// The region.
    pub region: &'a str,
}

/// A header that carries a credential.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The name.
    pub name: &'static str,
    /// The value.
    pub value: Secret,
}

/// The error of a request that cannot be signed. This crate is at fault, or the authority is none.
#[derive(Debug, thiserror::Error)]
#[error("the request for Amazon Bedrock cannot be signed: {0}")]
pub struct Unsignable(#[source] Box<dyn std::error::Error + Send + Sync>);

/// Returns the headers that a request needs beside its own, by the time `now`.
///
/// # Errors
/// [`Unsignable`].
pub fn sign(
    request: &Request,
    place: Place<'_>,
    access: &Access,
    now: SystemTime,
) -> Result<Vec<Signed>, Unsignable> {
    match access {
        Access::ApiKey(key) => Ok(vec![bearer(key)]),
        Access::Keys(keys) => {
            let digest = hash(&request.body);
            sigv4(&request.path, &request.headers, digest, place, keys, now)
        }
    }
}

/// Returns the header of an API key.
fn bearer(key: &Secret) -> Signed {
    Signed {
        name: "authorization",
        value: Secret::new(format!("Bearer {}", key.reveal())),
    }
}

fn sigv4(
    path: &str,
    headers: &[(&str, &str)],
    digest: String,
    place: Place<'_>,
    keys: &Keys,
    now: SystemTime,
) -> Result<Vec<Signed>, Unsignable> {
    let identity = keys.for_signer().into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(place.region)
        .name(SERVICE)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(Unsignable::of)?
        .into();
    let request = SignableRequest::new(
        "POST",
        format!("https://{}{path}", place.authority),
        headers.iter().copied(),
        SignableBody::Precomputed(digest),
    );
    let signed = request
        .and_then(|request| signature(request, &params))
        .map_err(|error: SigningError| Unsignable::of(error))?;
    let (headers, _) = signed.into_parts().0.into_parts();
    let signed = headers.iter().map(|header| Signed {
        name: header.name(),
        value: Secret::new(header.value()),
    });
    Ok(signed.collect())
}

/// Returns the hash of a body in parts, in hexadecimal.
fn hash(parts: &[Bytes]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hex::encode(hash.finalize())
}

// === impl Unsignable ===

impl Unsignable {
    fn of(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self(Box::new(error))
    }
}
