//! `witgate check`: everything that would go wrong, before it does.

use std::process::ExitCode;
use std::sync::Arc;

use witgate_runtime::PluginState;

use super::{ConfigArg, say};
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
                .map_or("open to everybody".to_owned(), |keys| {
                    format!("{keys} keys")
                });
            let upstreams = live.upstreams.iter().count();
            say(&format!(
                "{}: {keys}, {upstreams} upstreams",
                config.path.display()
            ));
        }
        Err(problems) => {
            well = false;
            say(&problems);
        }
    }

    let policies = open_policies(&config)?;
    for plugin in policies.status() {
        let hooks: Vec<_> = plugin.hooks.iter().map(ToString::to_string).collect();
        match &plugin.last_error {
            None => say(&format!("{}: {}", plugin.name, hooks.join(", "))),
            Some(error) => {
                well = false;
                say(&format!("{}: {error}", plugin.name));
            }
        }
        if plugin.state == PluginState::Absent {
            well = false;
        }
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
