//! The option for the configuration file, which several commands share.

use std::path::PathBuf;

/// The option for the configuration file.
#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArg {
    /// The configuration file.
    #[arg(short, long, default_value = "witgate.toml", env = "WITGATE_CONFIG")]
    pub(crate) config: PathBuf,
}
