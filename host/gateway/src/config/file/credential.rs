//! `credential = "client"` or `credential = { … }`, as written.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

/// `credential`
#[derive(Debug)]
pub enum CredentialFile {
    /// A word: `"client"` is the only one there is.
    Word(String),
    /// `{ … }`
    Table(CredentialTable),
}

/// `credential = { … }`
#[derive(Debug, Deserialize)]
pub struct CredentialTable {
    /// Environment variable that holds it.
    pub env: Option<String>,
    /// File that holds it.
    pub file: Option<PathBuf>,
    /// Program and arguments that print it.
    pub command: Option<Vec<String>>,
    /// Milliseconds after which the command is run again.
    pub refresh_ms: Option<u64>,
    /// `x-api-key` or `bearer`.
    pub header: Option<String>,
}

// === impl CredentialFile ===

// By hand: an untagged enum would swallow unknown keys, which are to be reported.
impl<'de> Deserialize<'de> for CredentialFile {
    fn deserialize<D: Deserializer<'de>>(source: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> Visitor<'de> for Either {
            type Value = CredentialFile;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("\"client\" or a table with `env`, `file` or `command`")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<Self::Value, E> {
                Ok(CredentialFile::Word(word.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                CredentialTable::deserialize(MapAccessDeserializer::new(map))
                    .map(CredentialFile::Table)
            }
        }

        source.deserialize_any(Either)
    }
}
