//! The source of the SDK for a new crate.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::vendored;

/// The source of the crate `witgate-plugin`, which is on no registry.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sdk {
    /// A folder that the author named.
    Named(PathBuf),
    /// The folder in the checkout around the new crate.
    Checkout(PathBuf),
    /// A git repository.
    Git(String),
    /// A copy inside the new crate, taken from this program.
    Vendored,
}

// === impl Sdk ===

impl Sdk {
    /// Returns the source that the author named, or else the checkout around the new crate or the current directory.
    ///
    /// # Errors
    ///
    /// Returns an error if the named folder is not the crate.
    pub(super) fn choose(given: Option<&str>, into: &Path) -> anyhow::Result<Self> {
        match given {
            Some("vendored") => Ok(Self::Vendored),
            Some(url) if url.contains("://") => Ok(Self::Git(url.to_owned())),
            Some(folder) => named(Path::new(folder)),
            None => Ok(around(into)?.map_or(Self::Vendored, Self::Checkout)),
        }
    }

    /// Returns the dependency as the manifest writes it.
    pub(super) fn dependency(&self) -> String {
        let (key, value) = match self {
            Self::Named(path) | Self::Checkout(path) => {
                ("path", path.to_string_lossy().into_owned())
            }
            Self::Git(url) => ("git", url.clone()),
            Self::Vendored => ("path", vendored::FOLDER.to_owned()),
        };
        let value = toml_edit::Value::from(value);
        format!("{{ {key} = {} }}", value.to_string().trim())
    }
}

impl fmt::Display for Sdk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(path) => write!(f, "in {}", path.display()),
            Self::Checkout(path) => write!(f, "of the checkout {}", path.display()),
            Self::Git(url) => write!(f, "from {url}"),
            Self::Vendored => write!(
                f,
                "of this program ({}), copied to {}",
                env!("CARGO_PKG_VERSION"),
                vendored::FOLDER
            ),
        }
    }
}

fn is_sdk(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.contains("name = \"witgate-plugin\""))
}

fn named(folder: &Path) -> anyhow::Result<Sdk> {
    anyhow::ensure!(
        is_sdk(folder),
        "{} is not the crate witgate-plugin: name the folder plugins/sdk of a checkout, or use `--sdk vendored`",
        folder.display()
    );
    Ok(Sdk::Named(folder.canonicalize()?))
}

/// Returns the SDK of the checkout around `into` or the current directory, or `None` if there is no checkout.
fn around(into: &Path) -> io::Result<Option<PathBuf>> {
    for start in [into.canonicalize()?, std::env::current_dir()?] {
        for above in start.ancestors() {
            let sdk = above.join("plugins/sdk");
            if is_sdk(&sdk) {
                return Ok(Some(sdk));
            }
        }
    }
    Ok(None)
}
