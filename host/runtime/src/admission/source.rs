//! A plugin's files, read once.

use super::{AdmissionCause, AdmissionError};
use crate::plugin::Identity;
use sha2::{Digest, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What admission works on.
#[derive(Clone, Debug)]
pub struct Source {
    /// Name of the plugin.
    pub name: String,
    /// The file that `wasm` was read from; for messages.
    pub file: PathBuf,
    /// A component, or a core module with contract metadata.
    pub wasm: Vec<u8>,
    /// The sidecar, if there is one.
    pub sidecar: Option<SidecarText>,
}

/// The text of a sidecar.
#[derive(Clone, Debug)]
pub struct SidecarText {
    /// The file that it was read from; for messages.
    pub file: PathBuf,
    /// Its text.
    pub text: String,
}

// === impl Source ===

impl Source {
    /// A plugin without a sidecar, from memory.
    pub fn new(name: impl Into<String>, wasm: impl Into<Vec<u8>>) -> Self {
        let name = name.into();
        Self {
            file: PathBuf::from(format!("{name}.wasm")),
            name,
            wasm: wasm.into(),
            sidecar: None,
        }
    }

    /// The same with the text of a sidecar, `NAME.toml`.
    #[must_use]
    pub fn with_sidecar(mut self, text: impl Into<String>) -> Self {
        self.sidecar = Some(SidecarText {
            file: self.file.with_extension("toml"),
            text: text.into(),
        });
        self
    }

    /// Reads `NAME.wasm`, and `NAME.toml` beside it if it is there.
    ///
    /// # Errors
    ///
    /// When a file can't be read.
    pub fn read(file: &Path) -> Result<Self, AdmissionError> {
        let name = file
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let failed = |path: &Path, error: io::Error| AdmissionError {
            plugin: name.as_str().into(),
            file: file.to_owned(),
            cause: AdmissionCause::Read(path.to_owned(), error),
        };
        let wasm = fs::read(file).map_err(|error| failed(file, error))?;
        let toml = file.with_extension("toml");
        let sidecar = match fs::read_to_string(&toml) {
            Ok(text) => Some(SidecarText { file: toml, text }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(&toml, error)),
        };
        Ok(Self {
            name,
            file: file.to_owned(),
            wasm,
            sidecar,
        })
    }

    /// Hashes of exactly these bytes.
    pub fn identity(&self) -> Identity {
        Identity {
            wasm: sha256(&self.wasm),
            sidecar: self.sidecar.as_ref().map(|it| sha256(it.text.as_bytes())),
        }
    }
}

fn sha256(bytes: &[u8]) -> Arc<str> {
    let digest = Sha256::digest(bytes);
    let mut hex = String::with_capacity(digest.len() * 2);
    for byte in digest {
        // Writing to a string can't fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Arc::from(hex)
}
