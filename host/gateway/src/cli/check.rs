//! `witgate check`: everything that would go wrong, before it does.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use witgate_runtime::PluginState;

use super::{ConfigArg, say, sidecars};
use crate::config::Config;
use crate::live::Live;
use crate::running::open_policies;
use crate::upstream::dns::resolver;

/// Arguments of `witgate check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

/// Checks the configuration, what it names, and the plugins, and says all of it.
pub(super) fn check(args: &Args) -> anyhow::Result<ExitCode> {
    let config = match Config::read(&args.config.config) {
        Ok(config) => Arc::new(config),
        Err(problems) => {
            say(&problems.to_string());
            say("the configuration can't be used; its plugins were not looked at");
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut well = true;
    match Live::prepare(Arc::clone(&config), &resolver::system(), None) {
        Ok(live) => {
            let keys = live
                .keyring
                .count()
                .map_or("open to everybody".to_owned(), |keys| counted(keys, "key"));
            let upstreams = counted(live.upstreams.iter().count(), "upstream");
            say(&format!("{}: {keys}, {upstreams}", config.path.display()));
        }
        Err(problems) => {
            well = false;
            say(&problems);
        }
    }

    let policies = open_policies(&config)?;
    for plugin in policies.status() {
        // A required plugin without a file is told below.
        if plugin.state == PluginState::Absent {
            continue;
        }
        let hooks: Vec<_> = plugin.hooks.iter().map(ToString::to_string).collect();
        match &plugin.last_error {
            None => say(&format!("{}: {}", plugin.name, hooks.join(", "))),
            Some(error) => {
                well = false;
                say(&format!("{}: {error}", plugin.name));
            }
        }
    }
    for orphan in sidecars::orphans(&config.plugins.directory) {
        say(&orphan_text(&orphan));
    }
    for name in policies.current().missing() {
        well = false;
        say(&format!("{name}: required, and not there"));
    }
    say(if well {
        "all is well"
    } else {
        "there are problems"
    });
    Ok(if well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A sidecar that no plugin reads: it was left behind, or has not quite the plugin's name.
fn orphan_text(sidecar: &Path) -> String {
    let wasm = sidecar.with_extension("wasm");
    let told = format!(
        "{}: no plugin reads this sidecar, because there is no {}",
        sidecar.display(),
        wasm.display()
    );
    match sidecars::meant(sidecar) {
        None => told,
        Some(plugin) => format!(
            "{told}; that of {} is {}",
            plugin.display(),
            plugin.with_extension("toml").display()
        ),
    }
}

/// A number with its noun.
fn counted(number: usize, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{number} {noun}s"),
    }
}
