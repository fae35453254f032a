//! A plugin's files, read once.

use super::{AdmissionCause, AdmissionError};
use crate::plugin::Identity;
use sha2::{Digest, Sha256};
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
    /// The text of the detached minisign signature of `wasm`, if there is one.
    pub signature: Option<String>,
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
            signature: None,
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

    /// The same with a detached signature, the text of `NAME.wasm.minisig`.
    #[must_use]
    pub fn with_signature(mut self, text: impl Into<String>) -> Self {
        self.signature = Some(text.into());
        self
    }

    /// Reads `NAME.wasm`, and `NAME.toml` and `NAME.wasm.minisig` beside it if they are there.
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
        let wasm = be_a_file(file)
            .and_then(|()| fs::read(file))
            .map_err(|error| failed(file, error))?;
        let toml = file.with_extension("toml");
        let beside = |path: &Path| match be_a_file(path).and_then(|()| fs::read_to_string(path)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound && !is_link(path) => Ok(None),
            Err(error) => Err(failed(path, error)),
        };
        let signature = beside(&file.with_extension("wasm.minisig"))?;
        let sidecar = beside(&toml)?.map(|text| SidecarText { file: toml, text });
        Ok(Self {
            name,
            file: file.to_owned(),
            wasm,
            sidecar,
            signature,
        })
    }

    /// Hashes of exactly these bytes.
    pub fn identity(&self) -> Identity {
        Identity {
            wasm: sha256(&self.wasm),
            sidecar: self.sidecar.as_ref().map(|it| sha256(it.text.as_bytes())),
            signature: self.signature.as_ref().map(|it| sha256(it.as_bytes())),
        }
    }
}

/// Reading anything else may never end, as that of a pipe.
fn be_a_file(path: &Path) -> io::Result<()> {
    match fs::metadata(path)?.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is no file")),
    }
}

/// A link that leads nowhere is not the same as no file: somebody wanted one to be there.
fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn sha256(bytes: &[u8]) -> Arc<str> {
    Arc::from(crate::hex(&Sha256::digest(bytes)))
}
