//! The runtime of these commands and its cache of compiled plugins.

use std::path::{Path, PathBuf};

use witgate_runtime::{Runtime, Suspension};

use super::compile::compiler;
use crate::output::print_error;
use crate::temporary::TemporaryFolder;

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
    _scratch: Option<TemporaryFolder>,
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
        let cached = |runtime| Code {
            runtime,
            _scratch: None,
        };
        if let Some(folder) = &self.cache {
            return runtime(folder).map(cached);
        }
        if let Some(folder) = users_own().filter(|_| !self.no_cache) {
            match runtime(&folder) {
                Ok(runtime) => return Ok(cached(runtime)),
                Err(error) => print_error(&format!("{error}; continuing without the cache")),
            }
        }
        // One command may need the same code more than once.
        let scratch = TemporaryFolder::try_new("witgate-check")?;
        Ok(Code {
            runtime: runtime(scratch.path())?,
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
