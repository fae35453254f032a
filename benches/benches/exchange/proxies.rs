//! The upstream and the proxies, each on threads of its own.

use std::net::{SocketAddr, TcpListener as StdListener};

use async_trait::async_trait;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::server::{RunArgs, Server, ShutdownSignal, ShutdownSignalWatch};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};
use witgate_artifacts::SHIPPED;
use witgate_gateway::config::Config;
use witgate_gateway::keys::NewKey;
use witgate_gateway::{Options, Server as Gateway};

use crate::codings;

/// A server that answers at once with what it has ready.
pub(crate) struct Upstream {
    address: SocketAddr,
    _runtime: Runtime,
}

/// A proxy in front of it.
pub(crate) struct Proxy {
    address: SocketAddr,
    threads: &'static str,
    key: String,
    /// Values that have to live as long as the proxy.
    _kept: Option<(Runtime, Gateway, TempDir)>,
}

/// Plugins of a gateway.
pub(crate) enum Plugins {
    /// No plugins.
    None,
    /// The four that ship with it, with their shipped settings.
    Shipped,
}

fn runtime(name: &'static str) -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name(name)
        .enable_all()
        .build()
        .expect("threads")
}

// === impl Upstream ===

impl Upstream {
    /// Starts it.
    pub(crate) fn start() -> Self {
        let runtime = runtime("upstream");
        let listener = runtime
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a port");
        let address = listener.local_addr().expect("bound");
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket");
                tokio::spawn(answer(stream));
            }
        });
        Self {
            address,
            _runtime: runtime,
        }
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answer(mut stream: TcpStream) {
    let ready = codings::all();
    let mut request = Vec::with_capacity(256 * 1024);
    loop {
        request.clear();
        let (streamed, coding) = loop {
            match stream.read_buf(&mut request).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
            let length: usize = field("content-length: ")
                .and_then(|length| length.trim().parse().ok())
                .expect("requests have a length");
            if request.len() >= end + 4 + length {
                let streamed = request[end..]
                    .windows(13)
                    .take(128)
                    .any(|window| window == b"\"stream\":true");
                break (streamed, field("x-coding: ").map(str::to_owned));
            }
        };
        let answer = ready
            .iter()
            .find(|answer| Some(answer.coding) == coding.as_deref())
            .expect("requests name a coding");
        let writes = if streamed {
            &answer.stream
        } else {
            &answer.whole
        };
        for write in writes {
            if stream.write_all(write).await.is_err() {
                return;
            }
        }
    }
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

// === impl Proxy ===

impl Proxy {
    /// Starts pingora's own proxy on one worker thread. Its threads are named after its service.
    pub(crate) fn bare_pingora(upstream: &Upstream) -> Self {
        let address = StdListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port");
        let conf = ServerConf {
            threads: 1,
            ..ServerConf::default()
        };
        let mut server = Server::new_with_opt_and_conf(Opt::default(), conf);
        server.bootstrap();
        let bare = Bare {
            upstream: upstream.address,
        };
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
        Self {
            address,
            threads: "Pingora HTTP Pr",
            key: String::new(),
            _kept: None,
        }
    }

    /// Starts the gateway on one worker thread, with metering and receipts.
    pub(crate) fn witgate(threads: &'static str, upstream: &Upstream, plugins: &Plugins) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("policies")).expect("a folder");
        if matches!(plugins, Plugins::Shipped) {
            let shipped = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
            for artifact in SHIPPED {
                artifact.install(&at("policies")).expect("a copy");
                let sidecar = format!("{}.toml", artifact.name());
                std::fs::copy(shipped.join(&sidecar), at("policies").join(sidecar))
                    .expect("a copy");
            }
        }
        let key = NewKey::random();
        std::fs::write(
            at("keys.toml"),
            format!("[[key]]\nid = \"bench\"\nhash = \"{}\"\ntenant = \"t\"\nuser = \"u\"\ntier = \"enterprise\"\n", key.hash),
        )
        .expect("a file");
        std::fs::write(at("secret"), "secret").expect("a file");
        let config = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\nthreads = 1\n[keys]\nfile = \"keys.toml\"\n\
             [plugins]\ndirectory = \"policies\"\n[receipts]\nfile = \"receipts.jsonl\"\n\
             [upstreams.default]\nbase_url = \"http://{}\"\ncredential = {{ file = \"secret\" }}\n",
            upstream.address
        );
        std::fs::write(at("witgate.toml"), config).expect("a file");
        let config = Config::read(&at("witgate.toml")).expect("a right configuration");
        let runtime = runtime(threads);
        let running = runtime
            .block_on(Gateway::start(config, Options::default()))
            .expect("a start");
        Self {
            address: running.address(),
            threads,
            key: key.secret,
            _kept: Some((runtime, running, folder)),
        }
    }

    /// The address that it listens on.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The prefix of its threads' names.
    pub(crate) fn threads(&self) -> &'static str {
        self.threads
    }

    /// The key that it lets in.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}
