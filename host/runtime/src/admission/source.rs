//! A plugin's files, read once.

use super::{AdmissionCause, AdmissionError, COMPONENT, MODULE};
use crate::plugin::Identity;
use crate::sidecar::Sidecar;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Most bytes of a plugin: several times the largest that a language with its interpreter in it makes.
const LARGEST_PLUGIN: u64 = 256 << 20;

/// Most bytes of a sidecar and of a signature.
const LARGEST_TEXT: u64 = 1 << 20;

/// Bytes that tell WebAssembly from anything else.
const FIRST: u64 = 8;

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
    /// When a file can't be read, is larger than it may be, or is no WebAssembly by its first bytes.
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
        let wasm = read(file, LARGEST_PLUGIN, is_wasm)
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

    /// Hashes of exactly these bytes.
    pub fn identity(&self) -> Identity {
        Identity {
            wasm: sha256(&self.wasm),
            sidecar: self.sidecar.as_ref().map(|it| sha256(it.text.as_bytes())),
            signature: self.signature.as_ref().map(|it| sha256(it.as_bytes())),
        }
    }
}

/// Returns the cause for which a plugin can't be read, and what is wrong with its sidecar: one hides not the other.
fn with_problems_of(sidecar: &Path, cause: AdmissionCause) -> Vec<AdmissionCause> {
    let text = read_text(sidecar).ok();
    let problems =
        text.and_then(|text| Sidecar::parse(&sidecar.display().to_string(), &text).err());
    std::iter::once(cause)
        .chain(problems.map(AdmissionCause::Sidecar))
        .collect()
}

/// Reads a file that may be of any size: its first bytes are looked at before the rest, and no more of it than it may have.
fn read(
    path: &Path,
    most: u64,
    fits: impl FnOnce(&[u8]) -> Result<(), AdmissionCause>,
) -> Result<Vec<u8>, AdmissionCause> {
    let failed = |error| AdmissionCause::Read(path.to_owned(), error);
    be_a_file(path).map_err(failed)?;
    let mut file = File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut read = |bytes: &mut Vec<u8>, most| file.by_ref().take(most).read_to_end(bytes);
    read(&mut bytes, FIRST).map_err(failed)?;
    fits(&bytes)?;
    let rest = (most + 1).saturating_sub(FIRST);
    read(&mut bytes, rest).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|read| read <= most) {
        return Ok(bytes);
    }
    Err(AdmissionCause::TooLarge {
        file: path.to_owned(),
        most,
    })
}

fn read_text(path: &Path) -> Result<String, AdmissionCause> {
    let bytes = read(path, LARGEST_TEXT, |_| Ok(()))?;
    String::from_utf8(bytes).map_err(|_| {
        let error = io::Error::other("it is not a text in UTF-8");
        AdmissionCause::Read(path.to_owned(), error)
    })
}

/// A file that is empty is for admission to judge: it may be filling up.
fn is_wasm(first: &[u8]) -> Result<(), AdmissionCause> {
    let begins = |known: &[u8]| first.starts_with(known) || known.starts_with(first);
    match begins(MODULE) || begins(COMPONENT) {
        true => Ok(()),
        false => Err(AdmissionCause::NotWasm),
    }
}

/// Reading anything else may never end, as that of a pipe.
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

/// A link that leads nowhere is not the same as no file: somebody wanted one to be there.
fn is_link(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_symlink())
}

fn sha256(bytes: &[u8]) -> Arc<str> {
    Arc::from(crate::hex(&Sha256::digest(bytes)))
}
