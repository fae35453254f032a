//! `witgate plugin new`: a crate that builds and passes its own test, to be changed from there.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum;

use super::super::say;

const MANIFEST: &str = include_str!("new/Cargo.toml.in");

/// Arguments of `witgate plugin new`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// Name of the plugin, and of the folder that is made for it.
    #[arg(value_parser = name)]
    name: String,
    /// The hook that it has.
    #[arg(long, value_enum)]
    hook: HookArg,
    /// The folder in which that one is made.
    #[arg(long, default_value = ".", value_name = "FOLDER")]
    into: PathBuf,
    /// The folder of the crate `witgate-plugin`; without it, the one of a checkout around here, else the registry's.
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

/// A hook, by its name.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum HookArg {
    /// Who is asking and why.
    Envelope,
    /// Where the request goes.
    Route,
    /// Whose account it is on.
    Budget,
    /// What is kept of a finished exchange.
    Audit,
}

/// What a crate is named: cargo's rules, without capitals.
fn name(text: &str) -> Result<String, String> {
    let begins_well = text.starts_with(|first: char| first.is_ascii_lowercase());
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte));
    if begins_well && is_plain {
        Ok(text.to_owned())
    } else {
        Err("a name is a lower-case letter, then such letters, digits, - and _".to_owned())
    }
}

/// Makes the crate. Nothing that is there is overwritten.
pub(super) fn new(args: &Args) -> anyhow::Result<ExitCode> {
    let Args {
        name,
        hook,
        into,
        sdk,
    } = args;
    let folder = into.join(name);
    std::fs::create_dir(&folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow::anyhow!(
            "{} is there already: take another name, or remove it",
            folder.display()
        ),
        _ => anyhow::anyhow!("{} can't be made: {error}", folder.display()),
    })?;
    let sdk = match sdk {
        Some(given) => Some(checked_sdk(given)?),
        None => sdk_around(&folder)?,
    };
    let (code, sidecar) = hook.texts();
    let named = |text: &str| text.replace("NAME", name);
    std::fs::create_dir(folder.join("src"))?;
    for (file, text) in [
        (
            "Cargo.toml",
            named(MANIFEST).replace("SDK", &dependency(sdk.as_deref())),
        ),
        ("src/lib.rs", named(code)),
        (&format!("{name}.toml"), named(sidecar)),
        (".gitignore", "/target\n".to_owned()),
    ] {
        std::fs::write(folder.join(file), text)
            .with_context(|| format!("{file} can't be written"))?;
    }
    say(&steps(name, &folder, sdk.as_deref()));
    Ok(ExitCode::SUCCESS)
}

/// How the manifest names the SDK.
fn dependency(sdk: Option<&Path>) -> String {
    match sdk {
        Some(path) => {
            let path = toml_edit::Value::from(path.to_string_lossy().into_owned());
            format!("{{ path = {} }}", path.to_string().trim())
        }
        None => format!("\"{}\"", env!("CARGO_PKG_VERSION")),
    }
}

fn is_sdk(folder: &Path) -> bool {
    std::fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.contains("name = \"witgate-plugin\""))
}

fn checked_sdk(folder: &Path) -> anyhow::Result<PathBuf> {
    anyhow::ensure!(
        is_sdk(folder),
        "{} is not the crate witgate-plugin: in a checkout it is plugins/sdk",
        folder.display()
    );
    Ok(folder.canonicalize()?)
}

/// The SDK of the checkout that the new crate, or whoever makes it, stands in.
fn sdk_around(folder: &Path) -> io::Result<Option<PathBuf>> {
    for start in [folder.canonicalize()?, std::env::current_dir()?] {
        for above in start.ancestors() {
            let sdk = above.join("plugins/sdk");
            if is_sdk(&sdk) {
                return Ok(Some(sdk));
            }
        }
    }
    Ok(None)
}

fn steps(name: &str, folder: &Path, sdk: Option<&Path>) -> String {
    let folder = folder.display();
    let file = name.replace('-', "_");
    let from = match sdk {
        Some(sdk) => format!("with the SDK in {}", sdk.display()),
        None => "with the SDK from the registry; --sdk names a checkout's plugins/sdk".to_owned(),
    };
    format!(
        "made {folder}, {from}\n\n  \
         cd {folder}\n  \
         cargo test\n  \
         cargo build --release --target wasm32-unknown-unknown\n  \
         cp target/wasm32-unknown-unknown/release/{file}.wasm {name}.wasm\n  \
         witgate plugin check {name}.wasm\n\n\
         To put it to work, copy {name}.toml and then {name}.wasm into the plugin directory."
    )
}

// === impl HookArg ===

impl HookArg {
    /// The code and the sidecar to start from.
    fn texts(self) -> (&'static str, &'static str) {
        match self {
            Self::Envelope => (
                include_str!("new/envelope.rs"),
                include_str!("new/envelope.toml"),
            ),
            Self::Route => (include_str!("new/route.rs"), include_str!("new/route.toml")),
            Self::Budget => (
                include_str!("new/budget.rs"),
                include_str!("new/budget.toml"),
            ),
            Self::Audit => (include_str!("new/audit.rs"), include_str!("new/audit.toml")),
        }
    }
}
