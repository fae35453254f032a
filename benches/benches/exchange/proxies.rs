//! The proxies, each in a process of its own: this program again, which is told what to serve.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener as StdListener};
use std::process::{Child, Command, Stdio};

use async_trait::async_trait;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use tokio::runtime::{Builder, Runtime};
use witgate_artifacts::SHIPPED;
use witgate_gateway::config::Config;
use witgate_gateway::keys::NewKey;
use witgate_gateway::{Options, Server as Gateway};

use crate::upstream::Upstream;

/// A proxy in front of the upstream.
pub(crate) struct Proxy {
    address: SocketAddr,
    key: String,
    child: Child,
}

/// A kind of proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// pingora's own.
    Bare,
    /// The gateway without plugins.
    NoPlugins,
    /// The gateway with the four plugins that ship with it, with their shipped settings.
    FourPlugins,
    /// The same with a state directory, so that each hold and each use is in the ledger's journal before anything is sent.
    Kept,
}

/// The argument that asks this program to serve: a kind and the upstream's address follow.
const SERVE: &str = "--serve";

/// Creates a runtime with one worker.
pub(crate) fn runtime(name: &'static str) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(name)
        .enable_all()
        .build()
        .expect("threads")
}

/// pingora's own proxy, with nothing to decide.
struct Bare {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for Bare {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        _ctx: &mut (),
    ) -> pingora_core::Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

/// A server that is never told to stop: the bench's end is its end.
struct Never;

#[async_trait]
impl ShutdownSignalWatch for Never {
    async fn recv(&self) -> ShutdownSignal {
        std::future::pending().await
    }
}

// === impl Kind ===

impl Kind {
    pub(crate) const ALL: [Self; 4] = [Self::Bare, Self::NoPlugins, Self::FourPlugins, Self::Kept];

    const fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::NoPlugins => "none",
            Self::FourPlugins => "four",
            Self::Kept => "kept",
        }
    }

    /// Returns the name in the output.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Bare => "bare pingora",
            Self::NoPlugins => "witgate, no plugins",
            Self::FourPlugins => "witgate, four plugins",
            Self::Kept => "witgate, and budgets on disk",
        }
    }

    /// Returns the kind that this process was started to serve, or `None` if it is the bench itself.
    pub(crate) fn asked_for() -> Option<Self> {
        let mut arguments = std::env::args().skip_while(|argument| argument != SERVE);
        let name = arguments.nth(1)?;
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Serves until standard input ends, after printing the address and the key.
    pub(crate) fn serve(self) {
        let upstream = std::env::args().next_back().expect("an address");
        let upstream = upstream.parse().expect("an address");
        match self {
            Self::Bare => println!("{}", bare_pingora(upstream)),
            Self::NoPlugins | Self::FourPlugins | Self::Kept => witgate(self, upstream),
        }
        wait_for_the_bench();
    }
}

/// Waits until the bench closes standard input, which it does by ending.
fn wait_for_the_bench() {
    let _ = std::io::stdin().read(&mut [0]);
}

/// Starts pingora's own proxy on one worker thread, and returns its address.
fn bare_pingora(upstream: SocketAddr) -> SocketAddr {
    let address = StdListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a port");
    let conf = ServerConf {
        threads: 1,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::default(), conf);
    server.bootstrap();
    let bare = Bare { upstream };
    let mut service = http_proxy_service(&server.configuration, bare);
    service.add_tcp(&address.to_string());
    server.add_service(service);
    std::thread::Builder::new()
        .name("main-pingora".into())
        .spawn(move || {
            server.run(RunArgs {
                shutdown_signal: Box::new(Never),
            });
        })
        .expect("a thread");
    while std::net::TcpStream::connect(address).is_err() {
        std::thread::yield_now();
    }
    address
}

/// Serves by the gateway on one worker thread, with metering and receipts.
fn witgate(kind: Kind, upstream: SocketAddr) {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("policies")).expect("a folder");
    if kind != Kind::NoPlugins {
        let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        for artifact in SHIPPED {
            artifact.install(&at("policies")).expect("a copy");
            let sidecar = format!("{}.toml", artifact.name());
            std::fs::copy(shipped.join(&sidecar), at("policies").join(sidecar)).expect("a copy");
        }
    }
    let key = NewKey::random();
    std::fs::write(
        at("keys.toml"),
        format!("[[key]]\nid = \"bench\"\nhash = \"{}\"\ntenant = \"t\"\nuser = \"u\"\ntier = \"enterprise\"\n", key.hash),
    )
    .expect("a file");
    std::fs::write(at("secret"), "secret").expect("a file");
    let state = match kind {
        Kind::Kept => "[state]\ndirectory = \"state\"\n",
        Kind::Bare | Kind::NoPlugins | Kind::FourPlugins => "",
    };
    let config = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nthreads = 1\n[keys]\nfile = \"keys.toml\"\n\
         [plugins]\ndirectory = \"policies\"\n[receipts]\nfile = \"receipts.jsonl\"\n\
         [upstreams.default]\nbase_url = \"http://{}\"\ncredential = {{ file = \"secret\" }}\n{state}",
        upstream
    );
    std::fs::write(at("witgate.toml"), config).expect("a file");
    let config = Config::read(&at("witgate.toml")).expect("a right configuration");
    let runtime = runtime("witgate");
    let running = runtime
        .block_on(Gateway::start(config, Options::default()))
        .expect("a start");
    println!("{} {}", running.address(), key.secret);
    wait_for_the_bench();
}

// === impl Proxy ===

impl Proxy {
    /// Starts a process that serves.
    pub(crate) fn start(kind: Kind, upstream: &Upstream) -> Self {
        Self::start_under(&[], kind, upstream)
    }

    /// Starts a process that serves, under the command of a tool.
    pub(crate) fn start_under(tool: &[String], kind: Kind, upstream: &Upstream) -> Self {
        let program = std::env::current_exe().expect("the path of this program");
        let mut words = tool.iter().map(OsString::from).chain([program.into()]);
        let first = words.next().expect("a program");
        let mut child = Command::new(first)
            .args(words)
            .args([SERVE, kind.name(), &upstream.address().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let told = child.stdout.take().expect("its output");
        let mut line = String::new();
        BufReader::new(told).read_line(&mut line).expect("a line");
        let (address, key) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        Self {
            address: address.parse().expect("an address"),
            key: key.to_owned(),
            child,
        }
    }

    /// Returns the address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the id of its process.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// Returns the key that it lets in.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // Its standard input ends with this.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}
