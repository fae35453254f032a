//! The runtime of these commands, and where it keeps compiled plugins.

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use witgate_runtime::{Runtime, Suspension};

use super::super::complain;
use super::compile::compiler;

/// Where compiled plugins are kept.
#[derive(Debug, clap::Args)]
pub(super) struct CodeArgs {
    /// The folder in which compiled plugins are kept, so that only what is new is compiled. Default: `witgate/plugins` in
    /// the user's cache folder ($XDG_CACHE_HOME, else ~/.cache).
    #[arg(long, value_name = "FOLDER")]
    cache: Option<PathBuf>,
    /// Compile everything anew.
    #[arg(long, conflicts_with = "cache")]
    no_cache: bool,
}

/// A runtime, and the folder that is gone with it, if there is one.
pub(super) struct Code {
    pub(super) runtime: Runtime,
    _scratch: Option<Scratch>,
}

/// A folder that is gone afterwards.
struct Scratch {
    path: PathBuf,
}

// === impl CodeArgs ===

impl CodeArgs {
    /// A runtime as the gateway has it, but for one thing: it never benches a plugin, because here each request is tried
    /// by itself.
    ///
    /// # Errors
    ///
    /// When the folder that was named can't be used. Where the user's own can't, one is made for this once.
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
                Err(error) => complain(&format!("{error}; it is not used this time")),
            }
        }
        // Within one command the same code is asked for more than once.
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

/// The folder in the user's cache, if the system says where that is.
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
        // What is left is in the system's own folder for such things.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
