//! `witgate check`: problems of a configuration and its plugins before a start.

mod capacity;
mod dialect;

use std::path::Path;
use std::process::ExitCode;

use witgate_gateway::config::{Config, Draft};
use witgate_gateway::{inspect, open_policies};
use witgate_runtime::{PluginState, PluginStatus};

use super::plugin::compiler;
use super::sidecars;
use crate::config_arg::ConfigArg;
use crate::output::{count_of, exit_code, print};

/// Arguments of `witgate check`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    config: ConfigArg,
    /// Ask each upstream for its models, and say what is wrong if it does not answer with them.
    #[arg(long)]
    upstreams: bool,
}

/// Checks the configuration, the files that it names, and the plugins, and reports all problems: a problem in one place hides
/// none in the others.
pub(super) fn check(args: &Args) -> anyhow::Result<ExitCode> {
    let draft = match Config::draft(&args.config.config) {
        Ok(draft) => draft,
        Err(problems) => {
            print(&problems.to_string());
            print("the configuration cannot be read; its files and plugins were not checked");
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut is_valid = files(&draft);
    is_valid &= plugins(&draft)?;
    if args.upstreams {
        is_valid &= upstreams(&draft)?;
    }
    print(if is_valid {
        "no problems found"
    } else {
        "problems found"
    });
    Ok(exit_code(is_valid))
}

/// Reports on the configuration and the files that it names. Returns whether they are valid.
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
        print(problem);
    }
    if problems.is_empty() {
        print(&summary(&draft.config));
        pools(&draft.config).for_each(|line| print(&line));
        for upstream in &draft.config.upstreams {
            if let Some(dialect) = &upstream.dialect {
                print(&dialect::line(&upstream.name, dialect));
            }
        }
        capacity::lines(&draft.config)
            .iter()
            .for_each(|line| print(line));
        print(&memory(&draft.config));
        print(&budgets(&draft.config));
        print(&usage(&draft.config));
    }
    problems.is_empty()
}

/// Returns a line about a configuration without problems.
fn summary(config: &Config) -> String {
    let keys = match inspect::keys(config) {
        Some(keys) => count_of(keys, "key"),
        None => "no keys: open to everyone".to_owned(),
    };
    let upstreams = count_of(config.upstreams.len(), "upstream");
    format!("{}: {keys}, {upstreams}", config.path.display())
}

/// Returns a line about each upstream that has several credentials.
fn pools(config: &Config) -> impl Iterator<Item = String> {
    config.upstreams.iter().filter_map(|upstream| {
        let names: Vec<&str> = upstream.credentials.iter().map(|it| &*it.name).collect();
        let first = *names.first()?;
        let count = count_of(names.len(), "credential");
        Some(format!(
            "upstream {}: {count} ({}); files, batches, containers and skills belong to {first}",
            upstream.name,
            names.join(", ")
        ))
    })
}

/// Returns a line about the memory limits of requests, plugins and receipts.
fn memory(config: &Config) -> String {
    format!(
        "memory: {}; plugins may use {} MiB; receipts that wait may use {} MiB",
        config.limits.memory,
        config.plugins.memory_bytes >> 20,
        inspect::receipts_bytes(config) >> 20
    )
}

/// Returns a line about what becomes of budgets at a restart.
fn budgets(config: &Config) -> String {
    let has_keys = config
        .admin
        .as_ref()
        .is_some_and(|admin| admin.keys.is_some());
    let what = if has_keys {
        "budgets and live limits"
    } else {
        "budgets"
    };
    match &config.state {
        Some(state) => format!("{what}: kept in {}", state.directory.display()),
        None => format!(
            "{what}: in memory, and forgotten at a restart; to keep them, set `directory` in [state]"
        ),
    }
}

/// Returns a line about the sums that are kept of receipts.
fn usage(config: &Config) -> String {
    let Some(usage) = &config.usage else {
        return "usage: not kept; to keep it, set `directory` in [state] and `file` in [receipts]"
            .into();
    };
    let names = match usage.metadata.as_slice() {
        [] => String::new(),
        names => format!(", and by {}", names.join(", ")),
    };
    let keep = &usage.keep;
    let days = |count: u32| count_of(usize::try_from(count).unwrap_or(usize::MAX), "day");
    format!(
        "usage: kept in {} in the time zone {}{names}; minutes for {}, hours for {}, days for {}, months and years for ever, sessions for {}",
        usage.database.display(),
        usage.zone.name(),
        days(keep.minutes),
        days(keep.hours),
        days(keep.days),
        days(keep.sessions)
    )
}

/// Reports on each plugin. Returns whether all of them are valid.
fn plugins(draft: &Draft) -> anyhow::Result<bool> {
    if let Some(why) = unusable(draft) {
        print(&format!("plugins were not checked: {why}"));
        return Ok(false);
    }
    let policies = open_policies(&draft.config, compiler().ok())?;
    let mut is_valid = true;
    for plugin in policies.status() {
        is_valid &= plugin.last_error.is_none() && plugin.state != PluginState::Absent;
        print(&line(&plugin));
    }
    for orphan in sidecars::orphans(&draft.config.plugins.directory) {
        print(&orphan_text(&orphan));
    }
    Ok(is_valid)
}

/// Asks each upstream for its models, and reports what it says. Returns whether requests to all of them can be expected to succeed.
fn upstreams(draft: &Draft) -> anyhow::Result<bool> {
    if draft.problems.is_about("upstreams") {
        print("upstreams were not asked: their configuration has problems");
        return Ok(false);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let verdicts = runtime.block_on(inspect::upstreams(&draft.config));
    for verdict in &verdicts {
        print(&format!(
            "upstream {}: {}",
            verdict.upstream,
            verdict.said.join("; ")
        ));
    }
    Ok(verdicts.iter().all(|verdict| verdict.is_fine))
}

/// Returns the reason why the plugins cannot be checked, or `None` if they can.
fn unusable(draft: &Draft) -> Option<&'static str> {
    if draft.problems.is_about("plugins.directory") {
        return Some("their directory is not configured correctly");
    }
    // A check runs the plugin's code, and the trusted keys decide whose code may run.
    draft
        .problems
        .is_about("plugins.trusted_keys")
        .then_some("the trusted keys for their signatures cannot be read")
}

/// Returns the line about one plugin.
fn line(plugin: &PluginStatus) -> String {
    if let Some(error) = &plugin.last_error {
        return format!("{}: {error}", plugin.name);
    }
    if plugin.state == PluginState::Absent {
        return format!(
            "{name}: required, but missing; copy {name}.wasm into the plugin directory",
            name = plugin.name
        );
    }
    let hooks: Vec<_> = plugin.hooks.iter().map(ToString::to_string).collect();
    format!("{}: {}", plugin.name, hooks.join(", "))
}

/// Returns the line about a sidecar without a plugin, which was left behind or is misnamed.
fn orphan_text(sidecar: &Path) -> String {
    let wasm = sidecar.with_extension("wasm");
    let text = format!(
        "{}: no plugin reads this sidecar, because there is no {}",
        sidecar.display(),
        wasm.display()
    );
    match sidecars::meant(sidecar) {
        None => text,
        Some(plugin) => format!(
            "{text}; the sidecar of {} is {}",
            plugin.display(),
            plugin.with_extension("toml").display()
        ),
    }
}
