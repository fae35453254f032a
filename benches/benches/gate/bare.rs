//! Bare pingora: its own proxy service, with nothing to decide.

use std::net::{SocketAddr, TcpListener};

use async_trait::async_trait;
use pingora_core::server::Server;
use pingora_core::server::configuration::{Opt, ServerConf};
use pingora_core::upstreams::peer::HttpPeer;
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};

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

/// The runtime of bare pingora's workers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runtime {
    /// A runtime for all of them, as pingora has by default: a worker without work takes some from another.
    Shared,
    /// A runtime for each: a connection stays with its worker.
    Each,
}

/// Serves until the process is killed, and prints its address.
pub(crate) fn serve(upstream: SocketAddr, workers: usize, runtime: Runtime) {
    let address = TcpListener::bind("127.0.0.1:0")
        .and_then(|free| free.local_addr())
        .expect("a port");
    let conf = ServerConf {
        threads: workers,
        work_stealing: runtime == Runtime::Shared,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(Opt::default(), conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Bare { upstream });
    service.add_tcp(&address.to_string());
    server.add_service(service);
    println!("{address}");
    server.run_forever();
}
