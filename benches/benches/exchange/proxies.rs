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
use witgate::Running;
use witgate::config::Config;
use witgate::keys::NewKey;
use witgate_artifacts::SHIPPED;

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
    /// What has to live as long as the proxy.
    _kept: Option<(Runtime, Running, TempDir)>,
}

/// Plugins of a gateway.
pub(crate) enum Plugins {
    /// None at all.
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

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

async fn answer(mut stream: TcpStream) {
    let json = json_answer();
    let events = stream_answer(100);
    let mut request = Vec::with_capacity(256 * 1024);
    loop {
        request.clear();
        let streamed = loop {
            match stream.read_buf(&mut request).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
            let Some(end) = request.windows(4).position(|window| window == b"\r\n\r\n") else {
                continue;
            };
            let head = String::from_utf8_lossy(&request[..end]).to_lowercase();
            let length: usize = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: ")?.trim().parse().ok())
                .expect("requests have a length");
            if request.len() >= end + 4 + length {
                break request[end..]
                    .windows(13)
                    .take(128)
                    .any(|window| window == b"\"stream\":true");
            }
        };
        if streamed {
            for write in &events {
                if stream.write_all(write).await.is_err() {
                    return;
                }
            }
        } else if stream.write_all(&json).await.is_err() {
            return;
        }
    }
}

fn json_answer() -> Vec<u8> {
    let text = "word ".repeat(300);
    let body = format!(
        r#"{{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[{{"type":"text","text":"{text}"}}],"stop_reason":"end_turn","stop_sequence":null,"usage":{{"input_tokens":500,"output_tokens":300,"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}}}"#
    );
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nrequest-id: req_1\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The writes of a streamed answer: the head, then each event in a chunk and a write of its own.
fn stream_answer(deltas: usize) -> Vec<Vec<u8>> {
    let chunk = |name: &str, data: &str| {
        let event = format!("event: {name}\ndata: {data}\n\n");
        format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nrequest-id: req_1\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut writes = vec![
        head.as_bytes().to_vec(),
        chunk(
            "message_start",
            r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-haiku-4-5","content":[],"stop_reason":null,"usage":{"input_tokens":500,"output_tokens":1}}}"#,
        ),
        chunk(
            "content_block_start",
            r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#,
        ),
    ];
    for index in 0..deltas {
        let data = format!(
            r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"text_delta","text":"word {index} and another "}}}}"#
        );
        writes.push(chunk("content_block_delta", &data));
    }
    writes.push(chunk(
        "content_block_stop",
        r#"{"type":"content_block_stop","index":0}"#,
    ));
    writes.push(chunk(
        "message_delta",
        r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":300}}"#,
    ));
    writes.push(chunk("message_stop", r#"{"type":"message_stop"}"#));
    writes.push(b"0\r\n\r\n".to_vec());
    writes
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
        let running = runtime.block_on(Running::start(config)).expect("a start");
        Self {
            address: running.address(),
            threads,
            key: key.secret,
            _kept: Some((runtime, running, folder)),
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its threads' names start with.
    pub(crate) fn threads(&self) -> &'static str {
        self.threads
    }

    /// The key that it lets in.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }
}
