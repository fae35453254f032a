//! `witgate plugin new`: a crate for a plugin that builds and passes its own test.

mod sdk;
mod staging;
mod vendored;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::ValueEnum;

use crate::output::print;
use sdk::Sdk;
pub(super) use staging::Staging;

const MANIFEST: &str = include_str!("new/Cargo.toml.in");

/// Arguments of `witgate plugin new`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of the plugin and of its new folder.
    #[arg(value_parser = name)]
    name: String,
    /// Hook of the plugin.
    #[arg(long, value_enum)]
    hook: HookArg,
    /// Folder in which the new folder is created.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    into: PathBuf,
    /// Source of the crate `witgate-plugin`: its folder, the URL of a git repository, or `vendored` for a copy inside the new
    /// crate. Default: the surrounding checkout of Witgate, else `vendored`.
    #[arg(long, value_name = "FOLDER|URL|vendored")]
    sdk: Option<String>,
}

/// A hook, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum HookArg {
    /// Identifies the caller and the purpose.
    Envelope,
    /// Inspects texts of requests and responses.
    Guard,
    /// Chooses the upstream and the model.
    Route,
    /// Charges accounts.
    Budget,
    /// Edits the receipt of a finished exchange.
    Audit,
}

/// Parses the name of a crate: cargo's rules, without capitals.
fn name(text: &str) -> Result<String, String> {
    let begins_well = text.starts_with(|first: char| first.is_ascii_lowercase());
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    if begins_well && is_plain {
        Ok(text.to_owned())
    } else {
        Err("use a lowercase letter followed by lowercase letters, digits, `-` or `_`".to_owned())
    }
}

/// Creates the crate completely or not at all. Never overwrites a file.
pub(super) fn new(args: &Args) -> anyhow::Result<ExitCode> {
    let Args {
        name,
        hook,
        into,
        sdk,
    } = args;
    let folder = into.join(name);
    let staging = Staging::begin(into, &folder)?;
    let sdk = Sdk::choose(sdk.as_deref(), into)?;
    let (code, sidecar) = hook.texts();
    let named = |text: &str| text.replace("NAME", name);
    let manifest = named(MANIFEST).replace("SDK", &sdk.dependency());
    staging.write("Cargo.toml", &manifest)?;
    staging.write("src/lib.rs", &named(code))?;
    staging.write(&format!("{name}.toml"), &named(sidecar))?;
    staging.write(".gitignore", "/target\n")?;
    if sdk == Sdk::Vendored {
        for (file, text) in vendored::files()? {
            staging.write(&format!("{}/{file}", vendored::FOLDER), &text)?;
        }
    }
    staging.finish(&folder)?;
    print(&steps(name, &folder, &sdk));
    Ok(ExitCode::SUCCESS)
}

fn steps(name: &str, folder: &Path, sdk: &Sdk) -> String {
    let folder = folder.display();
    let file = name.replace('-', "_");
    format!(
        "created {folder} with the SDK {sdk}\n\n  \
         cd {folder}\n  \
         cargo test\n  \
         rustup target add wasm32-unknown-unknown    # once\n  \
         cargo build --release --target wasm32-unknown-unknown\n  \
         cp target/wasm32-unknown-unknown/release/{file}.wasm {name}.wasm\n  \
         witgate plugin check {name}.wasm\n\n\
         To use it, copy {name}.toml and then {name}.wasm into the plugin directory.\n\
         SDK documentation: cargo doc -p witgate-plugin --no-deps --open"
    )
}

// === impl HookArg ===

impl HookArg {
    /// Returns the name of the interface in the contract.
    pub(super) fn interface(self) -> &'static str {
        match self {
            Self::Envelope => "envelope",
            Self::Guard => "guard",
            Self::Route => "route",
            Self::Budget => "budget",
            Self::Audit => "audit",
        }
    }

    /// Returns the code and the sidecar of the template.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Envelope => (
                include_str!("new/envelope.rs"),
                include_str!("new/envelope.toml"),
            ),
            Self::Guard => (include_str!("new/guard.rs"), include_str!("new/guard.toml")),
            Self::Route => (include_str!("new/route.rs"), include_str!("new/route.toml")),
            Self::Budget => (
                include_str!("new/budget.rs"),
                include_str!("new/budget.toml"),
            ),
            Self::Audit => (include_str!("new/audit.rs"), include_str!("new/audit.toml")),
        }
    }
}
