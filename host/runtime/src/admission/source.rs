//! The files of a plugin.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::{AdmissionCause, AdmissionError, COMPONENT, MODULE};
use crate::plugin::Identity;
use crate::sidecar::Sidecar;

/// The maximum size of a plugin, several times that of the largest interpreter.
const MAX_PLUGIN_BYTES: u64 = 256 << 20;

/// The maximum size of a sidecar and of a signature.
const MAX_TEXT_BYTES: u64 = 1 << 20;

/// The number of bytes that identify WebAssembly.
const MAGIC_BYTES: u64 = 8;

/// The files of a plugin, as admission takes them.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Source {
    /// The name of the plugin.
    pub name: String,
    /// The file that `wasm` was read from, for messages.
    pub file: PathBuf,
    /// The bytes of a component, or of a core module with contract metadata.
    pub wasm: Vec<u8>,
    /// The sidecar, if there is one.
    pub sidecar: Option<SidecarText>,
    /// The text of the detached minisign signature of `wasm`, if there is one.
    pub signature: Option<String>,
}

/// The text of a sidecar.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct SidecarText {
    /// The file that the text was read from, for messages.
    pub file: PathBuf,
    /// The text.
    pub text: String,
}

// === impl SidecarText ===

impl SidecarText {
    /// Creates the text of a sidecar that was read from `file`.
    pub fn new(file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            text: text.into(),
        }
    }
}

// === impl Source ===

impl Source {
    /// Creates a source from memory, without a sidecar and a signature.
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

    /// Sets the text of the sidecar, `NAME.toml`.
    #[must_use]
    pub fn with_sidecar(mut self, text: impl Into<String>) -> Self {
        self.sidecar = Some(SidecarText {
            file: self.file.with_extension("toml"),
            text: text.into(),
        });
        self
    }

    /// Sets the text of the detached signature, `NAME.wasm.minisig`.
    #[must_use]
    pub fn with_signature(mut self, text: impl Into<String>) -> Self {
        self.signature = Some(text.into());
        self
    }

    /// Reads `NAME.wasm`, and `NAME.toml` and `NAME.wasm.minisig` beside it if they exist.
    ///
    /// # Errors
    ///
    /// A file can't be read or is too large, or the plugin does not start like WebAssembly.
    pub fn read(file: &Path) -> Result<Self, AdmissionError> {
        let name = file
            .file_stem()
            .map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let failed = |cause| AdmissionError {
            plugin: name.as_str().into(),
            file: file.to_owned(),
            cause,
        };
        let toml = file.with_extension("toml");
        let wasm = read(file, MAX_PLUGIN_BYTES, is_wasm)
            .map_err(|cause| failed(AdmissionCause::all(with_problems_of(&toml, cause))))?;
        let beside = |path: &Path| match read_text(path) {
            Ok(text) => Ok(Some(text)),
            Err(AdmissionCause::Read(_, error))
                if error.kind() == io::ErrorKind::NotFound && !is_link(path) =>
            {
                Ok(None)
            }
            Err(cause) => Err(failed(cause)),
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

    /// Returns the hashes of the files.
    pub fn identity(&self) -> Identity {
        Identity {
            wasm: sha256(&self.wasm),
            sidecar: self.sidecar.as_ref().map(|it| sha256(it.text.as_bytes())),
            signature: self.signature.as_ref().map(|it| sha256(it.as_bytes())),
        }
    }
}

/// Returns the cause for which a plugin can't be read, together with the problems of its sidecar.
fn with_problems_of(sidecar: &Path, cause: AdmissionCause) -> Vec<AdmissionCause> {
    let text = read_text(sidecar).ok();
    let problems =
        text.and_then(|text| Sidecar::parse(&sidecar.display().to_string(), &text).err());
    std::iter::once(cause)
        .chain(problems.map(AdmissionCause::Sidecar))
        .collect()
}

/// Reads a file of at most `limit` bytes. Checks the first bytes before it reads the rest.
fn read(
    path: &Path,
    limit: u64,
    fits: impl FnOnce(&[u8]) -> Result<(), AdmissionCause>,
) -> Result<Vec<u8>, AdmissionCause> {
    let failed = |error| AdmissionCause::Read(path.to_owned(), error);
    be_a_file(path).map_err(failed)?;
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut read = |bytes: &mut Vec<u8>, count| file.by_ref().take(count).read_to_end(bytes);
    read(&mut bytes, MAGIC_BYTES).map_err(failed)?;
    fits(&bytes)?;
    let rest = (limit + 1).saturating_sub(MAGIC_BYTES);
    read(&mut bytes, rest).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read <= limit) {
        return Ok(bytes);
    }
    Err(AdmissionCause::TooLarge {
        file: path.to_owned(),
        limit,
    })
}

fn read_text(path: &Path) -> Result<String, AdmissionCause> {
    let bytes = read(path, MAX_TEXT_BYTES, |_| Ok(()))?;
    String::from_utf8(bytes).map_err(|_| {
        let error = io::Error::other("it is not valid UTF-8");
        AdmissionCause::Read(path.to_owned(), error)
    })
}

/// Checks the first bytes. An empty file passes, since admission has a better message for it.
fn is_wasm(first: &[u8]) -> Result<(), AdmissionCause> {
    let begins = |known: &[u8]| first.starts_with(known) || known.starts_with(first);
    match begins(MODULE) || begins(COMPONENT) {
        true => Ok(()),
        false => Err(AdmissionCause::NotWasm),
    }
}

/// Checks that a path is a regular file. Reading anything else, such as a pipe, may never end.
fn be_a_file(path: &Path) -> io::Result<()> {
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::other("it is a directory"));
    }
    match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("it is not a regular file")),
    }
}

/// Returns whether a path is a symlink. A dangling one is an error, not an absent file.
fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn sha256(bytes: &[u8]) -> Arc<str> {
    Arc::from(crate::hex(&Sha256::digest(bytes)))
}
