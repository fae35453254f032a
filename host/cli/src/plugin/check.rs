//! `witgate plugin check`: the properties of a plugin, and whether the gateway would admit it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use witgate_runtime::{
    CONTRACT_VERSIONS, Configured, Grants, Hook, Manifest, Needs, Plugin, Source, TableStatus,
};

use super::super::sidecars;
use super::code::CodeArgs;
use super::source::source;
use crate::output::{print, print_error};

/// Arguments of `witgate plugin check`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// File of the plugin; `NAME.toml` beside `NAME.wasm` is its sidecar.
    file: PathBuf,
    /// Sidecar to use instead of the one beside the plugin.
    #[arg(long)]
    sidecar: Option<PathBuf>,
    #[command(flatten)]
    code: CodeArgs,
}

/// The cost of getting the code ready.
struct Compiled {
    took: Duration,
    from_cache: bool,
}

/// Inspects the file, admits it, and reports. Whatever is known without compiling is printed first.
pub(super) fn check(args: &Args) -> anyhow::Result<ExitCode> {
    let source = source(&args.file, args.sidecar.as_deref())?;
    let code = args.code.runtime()?;
    let runtime = &code.runtime;
    let refused = |text: &str| {
        print(&row("admitted", "no"));
        print_error(text);
        Ok(ExitCode::FAILURE)
    };

    match Manifest::read(&source.wasm) {
        Ok(manifest) => print(&text_of(&source, &manifest)),
        Err(cause) => {
            print_error(&format!("{}: not admitted: {cause}", args.file.display()));
            return Ok(ExitCode::FAILURE);
        }
    }
    if let Err(error) = runtime.screen(&source) {
        return refused(&error.to_string());
    }

    let begun = Instant::now();
    match runtime.needs(&source) {
        Ok(Some(needs)) => print(&needs_row(&needs)),
        Ok(None) => {}
        Err(cause) => return refused(&format!("{}: {cause}", args.file.display())),
    }
    let compiled = Compiled {
        took: begun.elapsed(),
        from_cache: runtime.compilations() == 0,
    };

    let begun = Instant::now();
    let admitted = runtime.admit(&source);
    let started = begun.elapsed();
    match admitted {
        Ok(plugin) => {
            print(&admission_text(&plugin, &compiled, started));
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => refused(&error.to_string()),
    }
}

fn row(name: &str, text: &str) -> String {
    format!("{name:<11} {text}")
}

fn rows<const N: usize>(rows: [(&str, String); N]) -> String {
    rows.map(|(name, value)| row(name, &value)).join("\n")
}

fn text_of(source: &Source, manifest: &Manifest) -> String {
    let kind = if manifest.is_core_module {
        "core module"
    } else {
        "component"
    };
    let sidecar = source.sidecar.as_ref().map_or_else(
        || no_sidecar(&source.file),
        |sidecar| sidecar.file.display().to_string(),
    );
    rows([
        ("file", source.file.display().to_string()),
        ("size", format!("{} bytes, {kind}", source.wasm.len())),
        ("sha256", source.identity().wasm.to_string()),
        ("sidecar", sidecar),
        ("exports", names(&in_order(&manifest.exports))),
        ("imports", names(&manifest.imports)),
    ])
}

/// Returns the exports in the order of a request; a linker has none.
fn in_order(exports: &[String]) -> Vec<String> {
    let place = |export: &String| {
        let name = export.strip_prefix("witgate:plugin/").unwrap_or("");
        let name = name.split('@').next().unwrap_or_default();
        match name {
            "lifecycle" => 0,
            name => {
                1 + Hook::ALL
                    .iter()
                    .take_while(|hook| hook.name() != name)
                    .count()
            }
        }
    };
    let mut exports = exports.to_vec();
    exports.sort_by_key(place);
    exports
}

/// Returns the row for a missing sidecar. A sidecar with nearly the same name is probably a mistake.
fn no_sidecar(file: &Path) -> String {
    match sidecars::misnamed(file) {
        None => "none: defaults apply".to_owned(),
        Some(other) => format!(
            "none: defaults apply. {} has another name; the sidecar of {} is {}",
            other.display(),
            file.display(),
            file.with_extension("toml").display()
        ),
    }
}

fn needs_row(needs: &Needs) -> String {
    let needs = format!(
        "{} KiB of memory and {} table elements at start",
        needs.memory_bytes / 1024,
        needs.table_elements
    );
    row("needs", &needs)
}

/// Returns the names in one line; names of the contract are shortened to `log@0.2.0`.
fn names(full: &[String]) -> String {
    if full.is_empty() {
        return "none".to_owned();
    }
    let short: Vec<_> = full
        .iter()
        .map(|name| name.strip_prefix("witgate:plugin/").unwrap_or(name))
        .collect();
    short.join(", ")
}

fn admission_text(plugin: &Plugin, compiled: &Compiled, started: Duration) -> String {
    let hooks: Vec<_> = plugin.hooks().map(|hook| hook.to_string()).collect();
    let configured = match plugin.configured() {
        Configured::Once => "once, at admission".to_owned(),
        Configured::PerInstance { why: None } => "for each new instance".to_owned(),
        Configured::PerInstance { why: Some(why) } => format!("for each new instance: {why}"),
        _ => "never: the plugin does not export `lifecycle`".to_owned(),
    };
    let how = match compiled.from_cache {
        true => "to load the cached code (--no-cache compiles again)",
        false => "to compile",
    };
    let cost = format!(
        "{} {how}, {} to start and test",
        millis(compiled.took),
        millis(started)
    );
    let content: Vec<_> = plugin.content().map(|kind| kind.name()).collect();
    let inspects = match (plugin.has(Hook::Guard), content.is_empty()) {
        (false, _) => String::new(),
        (true, true) => row("inspects", "nothing: the guard hook is never called") + "\n",
        (true, false) => row("inspects", &content.join(", ")) + "\n",
    };
    let tables = plugin.tables();
    let tables = match tables.is_empty() {
        true => String::new(),
        false => row("tables", &tables_text(&tables)) + "\n",
    };
    let rows = rows([
        ("grants", grants(plugin.grants())),
        ("configured", configured),
        ("admission", cost),
        (
            "admitted",
            format!(
                "yes, for {} (this host supports {})",
                hooks.join(", "),
                CONTRACT_VERSIONS.join(" and ")
            ),
        ),
    ]);
    inspects + &tables + &rows
}

fn tables_text(tables: &[TableStatus]) -> String {
    let each = tables.iter().map(|table| {
        let (name, entries) = (&table.name, table.entries);
        match (&table.last_error, entries) {
            (Some(error), _) => format!("{name} empty ({error})"),
            (None, 1) => format!("{name} 1 entry"),
            (None, _) => format!("{name} {entries} entries"),
        }
    });
    each.collect::<Vec<_>>().join(", ")
}

fn grants(grants: &Grants) -> String {
    let body = grants.body.name();
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
    let content: Vec<_> = grants.content.iter().map(|side| side.name()).collect();
    if !content.is_empty() {
        let _ = write!(text, ", content {}", content.join(" "));
    }
    if !grants.claims.is_empty() {
        let _ = write!(text, ", claims {}", grants.claims.join(" "));
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
