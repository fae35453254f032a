//! `witgate demo`: the gateway in front of a stand-in for the API, with commands to try it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use witgate_gateway::config::Config;
use witgate_gateway::keys::NewKey;
use witgate_gateway::{CannotListen, ListenerRole, Server};
use witgate_standin::StandIn;

use super::run::{Signals, options, runtime};
use crate::output::print;
use crate::temporary::TemporaryFolder;

/// Arguments of `witgate demo`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Address for clients; port 0 picks a free port.
    #[arg(long, default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    /// Address of the admin pages.
    #[arg(long, default_value = "127.0.0.1:8788")]
    admin: SocketAddr,
    /// Plugin directory.
    #[arg(long, default_value = "policies")]
    policies: PathBuf,
    /// Record requests in this folder, with the text that people wrote masked.
    #[arg(long, value_name = "FOLDER")]
    capture: Option<PathBuf>,
    /// Receipts file. Default: a file in a temporary folder of the demo.
    #[arg(long)]
    receipts: Option<PathBuf>,
}

/// Environment variable with an API key; if it is set, the demo uses the API itself.
const API_KEY: &str = "ANTHROPIC_API_KEY";

/// Runs the demo until a signal stops it.
pub(super) fn demo(args: &Args) -> anyhow::Result<ExitCode> {
    let folder = TemporaryFolder::try_new("witgate-demo")?;
    let key = NewKey::random();
    let keys = format!(
        "[[key]]\nid = \"demo\"\nhash = \"{}\"\ntenant = \"demo\"\nuser = \"you\"\ntier = \"pro\"\n",
        key.hash
    );
    std::fs::write(folder.path().join("keys.toml"), keys)?;
    let receipts = args
        .receipts
        .clone()
        .unwrap_or_else(|| folder.path().join("receipts.jsonl"));

    let real = std::env::var(API_KEY).is_ok_and(|key| !key.trim().is_empty());
    let standin = if real {
        None
    } else {
        Some(std::net::TcpListener::bind("127.0.0.1:0")?)
    };
    let upstream = match &standin {
        None => format!(
            "base_url = \"https://api.anthropic.com\"\ncredential = {{ env = \"{API_KEY}\" }}\n"
        ),
        Some(listener) => {
            // The stand-in requires a key as the API does, but accepts any.
            std::fs::write(folder.path().join("standin.key"), "stand-in")?;
            format!(
                "base_url = \"http://{}\"\ncredential = {{ file = \"standin.key\" }}\n",
                listener.local_addr()?
            )
        }
    };
    let path = folder.path().join("witgate.toml");
    std::fs::write(&path, config_text(args, &receipts, &upstream)?)?;
    let config = Config::read(&path)?;

    runtime()?.block_on(async {
        let signals = Signals::listen()?;
        let (stop, stopped) = watch::channel(false);
        let behind = match standin {
            None => None,
            Some(listener) => {
                listener.set_nonblocking(true)?;
                let standin = Arc::new(StandIn::new());
                Some(tokio::spawn(
                    standin.serve(TcpListener::from_std(listener)?, stopped),
                ))
            }
        };
        let running = Server::start(config, options())
            .await
            .map_err(with_option)?;
        let welcome = welcome(&running, &key, &receipts, &path, &args.policies, real);
        // A thread of its own, because a stalled reader of standard output must not hold up the gateway.
        std::thread::spawn(move || print(&welcome));
        let done = signals.until_stopped(running).await;
        // The stand-in stops last: exchanges in progress still need it.
        let _ = stop.send(true);
        if let Some(behind) = behind {
            behind.abort();
        }
        done
    })
}

/// Replaces the advice of [`CannotListen`], which names a configuration key, by the option of the demo.
fn with_option(error: anyhow::Error) -> anyhow::Error {
    match error.downcast::<CannotListen>() {
        Ok(CannotListen {
            role,
            address,
            source,
        }) => {
            let option = match role {
                ListenerRole::Clients => "--listen",
                ListenerRole::Admin => "--admin",
            };
            anyhow::anyhow!(
                "cannot listen on {address}: {source}; choose another address with {option}"
            )
        }
        Err(error) => error,
    }
}

fn config_text(args: &Args, receipts: &Path, upstream: &str) -> anyhow::Result<String> {
    let policies = args.policies.canonicalize().map_err(|error| {
        anyhow::anyhow!(
            "cannot open the plugin directory {}: {error}",
            args.policies.display()
        )
    })?;
    let has_plugin = std::fs::read_dir(&policies)?
        .filter_map(Result::ok)
        .any(|entry| {
            entry
                .path()
                .extension()
                .is_some_and(|extension| extension == "wasm")
        });
    anyhow::ensure!(
        has_plugin,
        "no plugins in {}: run `make policies` to build the shipped ones",
        args.policies.display()
    );
    let receipts = std::path::absolute(receipts)?;
    let quoted = |path: &Path| toml_edit::Value::from(path.to_string_lossy().as_ref()).to_string();
    let capture = match &args.capture {
        None => String::new(),
        Some(folder) => format!(
            "[capture]\ndir = {}\n\n",
            quoted(&std::path::absolute(folder)?).trim()
        ),
    };
    Ok(format!(
        "drain_timeout_ms = 30000\n\n[listen]\naddress = \"{}\"\n\n[admin]\naddress = \"{}\"\n\n\
         [keys]\nfile = \"keys.toml\"\n\n[plugins]\ndirectory = {}\n\n[receipts]\nfile = {}\n\n\
         [state]\ndirectory = \"state\"\n\n{capture}[upstreams.default]\n{upstream}",
        args.listen,
        args.admin,
        quoted(&policies).trim(),
        quoted(&receipts).trim(),
    ))
}

fn welcome(
    running: &Server,
    key: &NewKey,
    receipts: &Path,
    config: &Path,
    policies: &Path,
    real: bool,
) -> String {
    let url = format!("http://{}", running.address());
    let admin = running
        .admin()
        .map(|admin| format!("http://{admin}"))
        .unwrap_or_default();
    let behind = if real {
        "the Anthropic API, with your ANTHROPIC_API_KEY"
    } else {
        "a stand-in for the API; set ANTHROPIC_API_KEY to use the API itself"
    };
    let key = &key.secret;
    format!(
        "\nwitgate is serving at {url}, in front of {behind}.\n\n\
         Send a request:\n\n  \
         curl {url}/v1/messages \\\n    -H 'x-api-key: {key}' \\\n    -H 'anthropic-version: 2023-06-01' -H 'content-type: application/json' \\\n    \
         -d '{{\"model\":\"claude-sonnet-5-5\",\"max_tokens\":128,\"messages\":[{{\"role\":\"user\",\"content\":\"Hello!\"}}]}}'\n\n\
         Or use Claude Code through the gateway:\n\n  \
         ANTHROPIC_BASE_URL={url} ANTHROPIC_API_KEY={key} claude -p 'say hi'\n\n\
         See its plugins:  curl {admin}/plugins\n\
         Read receipts:    tail -f {}\n\
         Configuration:    {}\n\
         Change a policy:  edit {}; it takes effect within seconds.\n\
         Stop:             Ctrl-C\n",
        receipts.display(),
        config.display(),
        policies.join("route.toml").display(),
    )
}
