//! The runtime of these commands and its cache of compiled plugins.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use witgate_runtime::{Runtime, Suspension};

use super::compile::compiler;
use crate::output::print_error;

/// Options of the code cache.
#[derive(Debug, clap::Args)]
pub(super) struct CodeArgs {
    /// Folder that caches compiled plugins. Default: `witgate/plugins` in the user's cache folder ($XDG_CACHE_HOME, else
    /// ~/.cache).
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Compile without a cache.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

/// A runtime, with its temporary folder if there is one.
pub(super) struct Code {
    pub(super) runtime: Runtime,
    _scratch: Option<Scratch>,
}

/// A temporary folder, removed on drop.
struct Scratch {
    path: PathBuf,
}

// === impl CodeArgs ===

impl CodeArgs {
    /// Returns a runtime like the gateway's that never suspends a plugin, because here each request is tried by itself.
    ///
    /// # Errors
    ///
    /// Returns an error if the folder given with `--cache` cannot be used. If the user's own cache folder cannot be used, a
    /// temporary folder takes its place.
    pub(super) fn runtime(&self) -> anyhow::Result<Code> {
        if let Some(folder) = &self.cache {
            return Ok(Code {
                runtime: runtime(folder)?,
                _scratch: None,
            });
        }
        if let Some(folder) = users_own().filter(|_| !self.no_cache) {
            match runtime(&folder) {
                Ok(runtime) => {
                    return Ok(Code {
                        runtime,
                        _scratch: None,
                    });
                }
                Err(error) => print_error(&format!("{error}; continuing without the cache")),
            }
        }
        // One command may need the same code more than once.
        let scratch = Scratch::try_new()?;
        Ok(Code {
            runtime: runtime(&scratch.path)?,
            _scratch: Some(scratch),
        })
    }
}

fn runtime(cache: &Path) -> anyhow::Result<Runtime> {
    Ok(Runtime::try_new(
        witgate_gateway::runtime_options()
            .with_cache(cache.to_owned())
            .with_compiler(compiler().ok())
            .with_suspension(Suspension::Never),
    )?)
}

/// Returns the folder in the user's cache, or `None` if its location is unknown.
fn users_own() -> Option<PathBuf> {
    let absolute = |name: &str| {
        let path = PathBuf::from(std::env::var_os(name)?);
        path.is_absolute().then_some(path)
    };
    let cache = absolute("XDG_CACHE_HOME").or_else(|| Some(absolute("HOME")?.join(".cache")))?;
    Some(cache.join("witgate/plugins"))
}

// === impl Scratch ===

impl Scratch {
    fn try_new() -> std::io::Result<Self> {
        let name = format!(
            "witgate-check-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        );
        let path = std::env::temp_dir().join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { path })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A leftover lies in the system's temporary folder.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
