//! `witgate check`: everything that would go wrong, before it does.

use std::path::Path;
use std::process::ExitCode;

use witgate_runtime::{PluginState, PluginStatus};

use super::plugin::compiler;
use super::{ConfigArg, counted, say, sidecars};
use witgate_gateway::config::{Config, Draft};
use witgate_gateway::{inspect, open_policies};

/// Arguments of `witgate check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
}

/// Checks the configuration, what it names, and the plugins, and says all of it: what is wrong with one hides nothing
/// about the others.
pub(super) fn check(args: &Args) -> anyhow::Result<ExitCode> {
    let draft = match Config::draft(&args.config.config) {
        Ok(draft) => draft,
        Err(problems) => {
            say(&problems.to_string());
            say("the configuration can't be read, so nothing that it names was looked at");
            return Ok(ExitCode::FAILURE);
        }
    };
    let well = [files(&draft), plugins(&draft)?];
    let well = well.into_iter().all(|well| well);
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

/// Says how the configuration is, and the files that it names; tells whether all is well.
fn files(draft: &Draft) -> bool {
    let sorted = draft
        .problems
        .clone()
        .into_result()
        .err()
        .unwrap_or_default();
    let mut problems: Vec<_> = sorted.iter().map(ToString::to_string).collect();
    problems.extend(inspect::files(draft));
    for problem in &problems {
        say(problem);
    }
    if problems.is_empty() {
        say(&summary(&draft.config));
        say(&memory(&draft.config));
    }
    problems.is_empty()
}

/// Returns a line about a configuration without problems.
fn summary(config: &Config) -> String {
    let keys = match inspect::keys(config) {
        Some(keys) => counted(keys, "key"),
        None => "open to everybody".to_owned(),
    };
    let upstreams = counted(config.upstreams.len(), "upstream");
    format!("{}: {keys}, {upstreams}", config.path.display())
}

/// Returns a line about the memory that requests and plugins may take.
fn memory(config: &Config) -> String {
    format!(
        "memory: {}; plugins may take {} MiB",
        config.limits.memory,
        config.plugins.memory_bytes >> 20
    )
}

/// Says how each plugin is; tells whether all is well.
fn plugins(draft: &Draft) -> anyhow::Result<bool> {
    if let Some(why) = unusable(draft) {
        say(&format!("the plugins were not looked at: {why}"));
        return Ok(false);
    }
    let policies = open_policies(&draft.config, compiler().ok())?;
    let mut well = true;
    for plugin in policies.status() {
        well &= plugin.last_error.is_none() && plugin.state != PluginState::Absent;
        say(&line(&plugin));
    }
    for orphan in sidecars::orphans(&draft.config.plugins.directory) {
        say(&orphan_text(&orphan));
    }
    Ok(well)
}

/// Returns the reason that the plugins can't be looked at, or `None` if they can.
fn unusable(draft: &Draft) -> Option<&'static str> {
    if draft.problems.is_about("plugins.directory") {
        return Some("their directory is not known");
    }
    // Looking at a plugin runs its code, and the keys say whose code may run.
    draft
        .problems
        .is_about("plugins.trusted_keys")
        .then_some("the keys that they have to be signed with can't be read")
}

/// How one plugin is.
fn line(plugin: &PluginStatus) -> String {
    if let Some(error) = &plugin.last_error {
        return format!("{}: {error}", plugin.name);
    }
    if plugin.state == PluginState::Absent {
        return format!(
            "{name}: required, and not there; copy {name}.wasm into the plugin directory",
            name = plugin.name
        );
    }
    let hooks: Vec<_> = plugin.hooks.iter().map(ToString::to_string).collect();
    format!("{}: {}", plugin.name, hooks.join(", "))
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
