//! Keyed hashes of field values: HMAC-SHA-256 (RFC 2104), shortened to 16 hex digits.

use std::fmt;

use sha2::{Digest, Sha256};
use witgate_plugin::types::Value;

/// A key, with its padding already hashed.
pub(crate) struct Key {
    inner: Sha256,
    outer: Sha256,
}

const BLOCK: usize = 64;
const WRITTEN_BYTES: usize = 8;

// === impl Key ===

impl Key {
    pub(crate) fn new(secret: &[u8]) -> Self {
        let digest = Sha256::digest(secret);
        let secret = if secret.len() > BLOCK {
            digest.as_slice()
        } else {
            secret
        };
        let padded = |pad: u8| {
            let mut block = [pad; BLOCK];
            for (byte, key) in block.iter_mut().zip(secret) {
                *byte ^= key;
            }
            Sha256::new_with_prefix(block)
        };
        Self {
            inner: padded(0x36),
            outer: padded(0x5c),
        }
    }

    /// Returns the hash of a value's text in hexadecimal.
    pub(crate) fn hash(&self, value: &Value) -> String {
        let mac = match value {
            Value::Text(text) => self.mac(text.as_bytes()),
            Value::Integer(number) => self.mac(number.to_string().as_bytes()),
            Value::Flag(flag) => self.mac(flag.to_string().as_bytes()),
        };
        let digits = mac
            .iter()
            .take(WRITTEN_BYTES)
            .flat_map(|byte| [byte >> 4, byte & 15]);
        digits
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    fn mac(&self, message: &[u8]) -> [u8; 32] {
        let inner = self.inner.clone().chain_update(message).finalize();
        self.outer.clone().chain_update(inner).finalize().into()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_hmac_of_rfc_4231() {
        let hash = Key::new(b"Jefe").hash(&Value::Text("what do ya want for nothing?".to_owned()));
        assert_eq!(hash, "5bdcc146bf60754e", "test case 2");
        let hash = Key::new(&[0xaa; 131]).hash(&Value::Text(
            "Test Using Larger Than Block-Size Key - Hash Key First".to_owned(),
        ));
        assert_eq!(hash, "60e431591ee0b67f", "test case 6");
    }
}
