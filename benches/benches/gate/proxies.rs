//! The proxies that are measured.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::gateway::{Gateway, four_plugins};
use crate::others;
use crate::server::{Server, WORKERS};

/// A proxy in front of the upstream, or the upstream itself.
pub(crate) struct Proxy {
    /// The name in the output.
    pub name: String,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The key that it lets in.
    pub key: String,
    server: Option<Server>,
    folder: Option<TempDir>,
}

/// The place in which proxies start: the upstream that they share, and the gateway's program.
pub(crate) struct Site {
    upstream: Server,
    program: PathBuf,
}

// === impl Proxy ===

impl Proxy {
    pub(crate) fn new(name: &str, server: Server, folder: Option<TempDir>) -> Self {
        Self {
            name: name.to_owned(),
            address: server.address,
            key: "none".to_owned(),
            server: Some(server),
            folder,
        }
    }

    /// The id of its process, or 0 for the upstream itself.
    pub(crate) fn id(&self) -> u32 {
        self.server.as_ref().map_or(0, Server::id)
    }

    /// The folder of its files.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.as_ref().expect("a folder").path()
    }

    /// Stops it, so that it takes no processor time.
    pub(crate) fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        if let Some(server) = &self.server {
            server.signal(name);
        }
    }
}

// === impl Site ===

impl Site {
    /// Starts the upstream. The gateway's program is the one that was built with this bench's profile, or another one.
    pub(crate) fn new(witgate: Option<&str>) -> Self {
        let program = witgate.map_or_else(beside_this_program, PathBuf::from);
        assert!(
            program.exists(),
            "there is no {}: build it with the same profile, as `make bench-gate` does, or name it with --witgate",
            program.display()
        );
        Self {
            upstream: Server::own(&["--serve", "upstream"]),
            program,
        }
    }

    /// Returns the upstream as if it were a proxy.
    pub(crate) fn direct(&self) -> Proxy {
        Proxy {
            name: "direct".to_owned(),
            address: self.upstream.address,
            key: "none".to_owned(),
            server: None,
            folder: None,
        }
    }

    /// Starts bare pingora.
    pub(crate) fn bare(&self, workers: usize) -> Proxy {
        self.pingora("bare pingora", "bare", workers)
    }

    /// Starts bare pingora with a runtime for each worker, none of which takes work from another.
    pub(crate) fn bare_without_stealing(&self) -> Proxy {
        self.pingora("bare pingora, no stealing", "bare-no-stealing", WORKERS)
    }

    fn pingora(&self, name: &str, role: &str, workers: usize) -> Proxy {
        let (upstream, workers) = (self.upstream.address.to_string(), workers.to_string());
        let words = [
            "--serve",
            role,
            "--upstream",
            &upstream,
            "--workers",
            &workers,
        ];
        Proxy::new(name, Server::own(&words), None)
    }

    /// Starts the gateway.
    pub(crate) fn gateway(&self, gateway: &Gateway) -> Proxy {
        let (server, folder, key) = gateway.start(&self.program, self.upstream.address);
        Proxy {
            key,
            ..Proxy::new(&gateway.name, server, Some(folder))
        }
    }

    /// Starts the gateway with four plugins and a state directory.
    pub(crate) fn everything(&self, workers: usize) -> Proxy {
        self.gateway(&Gateway {
            workers,
            ..Gateway::everything()
        })
    }

    /// Starts bare pingora and the gateway with more and more of its parts.
    pub(crate) fn own(&self) -> [Proxy; 4] {
        [
            self.bare(WORKERS),
            self.gateway(&Gateway::new("witgate, no plugins")),
            self.gateway(&Gateway {
                plugins: four_plugins(),
                ..Gateway::new("witgate, four plugins")
            }),
            self.everything(WORKERS),
        ]
    }

    /// Starts these, bare pingora without stealing, and the other proxies that are installed.
    pub(crate) fn all(&self) -> Vec<Proxy> {
        let mut all = Vec::from(self.own());
        all.insert(1, self.bare_without_stealing());
        all.extend(others::nginx(self.upstream.address));
        all.extend(others::envoy(self.upstream.address));
        all
    }
}

/// Returns the path of the gateway that was built with this bench's profile.
fn beside_this_program() -> PathBuf {
    let program = std::env::current_exe().expect("this program");
    let folder = program.parent().and_then(Path::parent);
    folder.expect("a target folder").join("witgate")
}
