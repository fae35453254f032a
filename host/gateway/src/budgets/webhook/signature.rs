//! The signature of a delivery: `t=UNIX_SECONDS,v1=HEX`, the HMAC-SHA-256 of `UNIX_SECONDS.BODY`.

use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Returns the signature of a body that is sent now.
pub(super) fn sign(secret: &[u8], unix_seconds: u64, body: &[u8]) -> String {
    // A key of any length is taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else {
        return String::new();
    };
    mac.update(unix_seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    let code = hex::encode(mac.finalize().into_bytes());
    format!("t={unix_seconds},v1={code}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_what_any_other_tool_computes() {
        // printf '1764460800.{"a":1}' | openssl dgst -sha256 -hmac s3cr3t
        assert_eq!(
            sign(b"s3cr3t", 1_764_460_800, br#"{"a":1}"#),
            "t=1764460800,v1=8cd14fbe9e0127aa591059ef7791758050c4b61273c26c7a37b58a5fd759fd0b"
        );
    }
}
