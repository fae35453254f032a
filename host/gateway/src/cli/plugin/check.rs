//! `witgate plugin check`: what a plugin is, and whether the gateway would take it.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use witgate_runtime::{Anatomy, BodyGrant, CONTRACT_VERSIONS, Configured, Grants, Plugin, Source};

use super::super::{complain, say};

/// Arguments of `witgate plugin check`.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// The plugin's `.wasm`; `NAME.toml` beside it is its sidecar.
    file: PathBuf,
    /// Another sidecar than the one beside it.
    #[arg(long)]
    sidecar: Option<PathBuf>,
}

/// Looks at the file, admits it, and says what there is to say.
pub(super) fn check(args: &Args) -> anyhow::Result<ExitCode> {
    let source = super::source(&args.file, args.sidecar.as_deref())?;
    let cache = Scratch::try_new()?;
    let runtime = super::runtime(Some(cache.path.clone()))?;

    let begun = Instant::now();
    let anatomy = match runtime.anatomy(&source.wasm) {
        Ok(anatomy) => anatomy,
        Err(cause) => {
            complain(&format!("{}: not admitted: {cause}", args.file.display()));
            return Ok(ExitCode::FAILURE);
        }
    };
    let compiled = begun.elapsed();
    say(text_of(&source, &anatomy).trim_end());

    let begun = Instant::now();
    let admitted = runtime.admit(&source);
    let started = begun.elapsed();
    match admitted {
        Ok(plugin) => {
            say(admission_text(&plugin, compiled, started).trim_end());
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            say(&row("admitted", "no"));
            complain(&error.to_string());
            Ok(ExitCode::FAILURE)
        }
    }
}

fn row(name: &str, text: &str) -> String {
    format!("{name:<11} {text}")
}

fn text_of(source: &Source, anatomy: &Anatomy) -> String {
    let kind = if anatomy.is_core_module {
        "core module"
    } else {
        "component"
    };
    let sidecar = source.sidecar.as_ref().map_or_else(
        || "none: the defaults hold".to_owned(),
        |sidecar| sidecar.file.display().to_string(),
    );
    let mut text = String::new();
    for (name, value) in [
        ("file", source.file.display().to_string()),
        ("size", format!("{} bytes, {kind}", source.wasm.len())),
        ("sha256", source.identity().wasm.to_string()),
        ("sidecar", sidecar),
        ("exports", names(&anatomy.exports)),
        ("imports", names(&anatomy.imports)),
    ] {
        // Writing to a string can't fail.
        let _ = writeln!(text, "{}", row(name, &value));
    }
    if let Some(needs) = &anatomy.needs {
        let needs = format!(
            "{} KiB of memory and {} table elements at its start",
            needs.memory_bytes / 1024,
            needs.table_elements
        );
        let _ = writeln!(text, "{}", row("needs", &needs));
    }
    text
}

/// Full names, shortened where they are the contract's: `log@0.2.0`.
fn names(full: &[String]) -> String {
    if full.is_empty() {
        return "nothing".to_owned();
    }
    let short: Vec<_> = full
        .iter()
        .map(|name| name.strip_prefix("witgate:plugin/").unwrap_or(name))
        .collect();
    short.join(", ")
}

fn admission_text(plugin: &Plugin, compiled: Duration, started: Duration) -> String {
    let hooks: Vec<_> = plugin.hooks().map(|hook| hook.to_string()).collect();
    let configured = match plugin.configured() {
        Configured::Never => "never: it has no lifecycle".to_owned(),
        Configured::Once => "once, at admission".to_owned(),
        Configured::PerInstance { why: None } => "for each new instance".to_owned(),
        Configured::PerInstance { why: Some(why) } => format!("for each new instance: {why}"),
    };
    let cost = format!(
        "{} to compile, {} to start and rehearse",
        millis(compiled),
        millis(started)
    );
    let mut text = String::new();
    for (name, value) in [
        ("grants", grants(plugin.grants())),
        ("configured", configured),
        ("admission", cost),
        (
            "admitted",
            format!(
                "yes, for {} (this host serves {})",
                hooks.join(", "),
                CONTRACT_VERSIONS.join(" and ")
            ),
        ),
    ] {
        let _ = writeln!(text, "{}", row(name, &value));
    }
    text
}

fn grants(grants: &Grants) -> String {
    let body = match grants.body {
        BodyGrant::None => "none",
        BodyGrant::Head => "head",
        BodyGrant::Read => "read",
    };
    let headers: Vec<_> = grants
        .headers
        .iter()
        .map(|granted| String::from(granted.clone()))
        .collect();
    let mut text = format!("body {body}");
    for (name, granted) in [
        ("kv", grants.kv),
        ("metrics", grants.metrics),
        ("clock", grants.clock),
    ] {
        if granted {
            let _ = write!(text, ", {name}");
        }
    }
    match headers.is_empty() {
        true => text.push_str(", no headers"),
        false => {
            let _ = write!(text, ", headers {}", headers.join(" "));
        }
    }
    text
}

fn millis(time: Duration) -> String {
    let micros = time.as_micros();
    format!("{}.{} ms", micros / 1000, micros % 1000 / 100)
}

/// A folder that is gone afterwards.
struct Scratch {
    path: PathBuf,
}

// === impl Scratch ===

impl Scratch {
    fn try_new() -> std::io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
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
