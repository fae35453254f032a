//! Signatures of AWS (SigV4), computed anew by AWS's description of them, from the request as it came.

use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};

use crate::harness::Recorded;

/// The result of a comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Valid,
    /// The signature is another one, or there is none.
    Invalid(String),
}

/// The keys that a request has to be signed with.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    pub(super) id: String,
    pub(super) secret: String,
    pub(super) session: Option<String>,
}

// === impl Keys ===

impl Keys {
    pub(super) fn new(id: &str, secret: &str) -> Self {
        Self {
            id: id.into(),
            secret: secret.into(),
            session: None,
        }
    }

    pub(super) fn of_session(id: &str, secret: &str, session: &str) -> Self {
        Self {
            session: Some(session.into()),
            ..Self::new(id, secret)
        }
    }

    /// Compares the signature of a request with the one that these keys give.
    pub(super) fn verify(&self, request: &Recorded, region: &str) -> Verdict {
        let invalid = |why: &str| Verdict::Invalid(why.to_owned());
        let header = |name: &str| request.headers.get(name);
        let Some(authorization) = header("authorization") else {
            return invalid("there is no authorization");
        };
        let Some(date) = header("x-amz-date") else {
            return invalid("there is no x-amz-date");
        };
        if header("x-amz-security-token") != self.session.as_deref() {
            return invalid("the session is another one");
        }
        let part = |name: &str| {
            let (_, rest) = authorization.split_once(&format!("{name}="))?;
            Some(rest.split(',').next().unwrap_or_default().to_owned())
        };
        let (Some(credential), Some(signed), Some(signature)) =
            (part("Credential"), part("SignedHeaders"), part("Signature"))
        else {
            return invalid("the authorization has another form");
        };
        let scope = format!("{}/{region}/bedrock/aws4_request", &date[..8]);
        if credential != format!("{}/{scope}", self.id) {
            return Verdict::Invalid(format!("the credential is {credential}"));
        }
        for needed in ["host", "x-amz-date"] {
            if !signed.split(';').any(|name| name == needed) {
                return Verdict::Invalid(format!("{needed} is not signed"));
            }
        }
        let mut canonical = format!(
            "{}\n{}\n\n",
            request.method(),
            encoded_again(request.target())
        );
        for name in signed.split(';') {
            let values: Vec<_> = request.headers.all(name).map(str::trim).collect();
            canonical += &format!("{name}:{}\n", values.join(","));
        }
        canonical += &format!("\n{signed}\n{}", hex(&Sha256::digest(&request.body)));
        let text = format!(
            "AWS4-HMAC-SHA256\n{date}\n{scope}\n{}",
            hex(&Sha256::digest(canonical))
        );
        let mut key = format!("AWS4{}", self.secret).into_bytes();
        for step in [&date[..8], region, "bedrock", "aws4_request", &text] {
            key = mac(&key, step.as_bytes());
        }
        if hex(&key) == signature {
            Verdict::Valid
        } else {
            invalid("the signature is another one")
        }
    }
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("keys have any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Encodes a path once more, which all services but S3 have in their signatures.
fn encoded_again(path: &str) -> String {
    path.bytes()
        .map(|byte| match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
            byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
            byte => format!("%{byte:02X}"),
        })
        .collect()
}
