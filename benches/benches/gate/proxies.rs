//! The proxies that are measured.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use witgate_artifacts::SHIPPED;
use witgate_gateway::keys::NewKey;

use crate::server::{Server, WORKERS, free_address};

/// A proxy in front of the upstream.
pub(crate) struct Proxy {
    /// The name in the output.
    pub name: &'static str,
    /// The address that it listens on.
    pub address: SocketAddr,
    /// The key that it lets in.
    pub key: String,
    server: Server,
    _folder: Option<TempDir>,
}

// === impl Proxy ===

impl Proxy {
    fn new(name: &'static str, server: Server, folder: Option<TempDir>) -> Self {
        Self {
            name,
            address: server.address,
            key: "none".to_owned(),
            server,
            _folder: folder,
        }
    }

    /// The id of its process.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// Stops it, so that it takes no processor time.
    pub(crate) fn stop(&self) {
        self.server.signal("-STOP");
    }

    /// Lets it go on.
    pub(crate) fn go_on(&self) {
        self.server.signal("-CONT");
    }
}

/// Starts bare pingora, the gateway with and without plugins, and the other proxies that are installed.
pub(crate) fn all(upstream: &Server, witgate: Option<&str>) -> Vec<Proxy> {
    let address = upstream.address;
    let bare = Server::own(&["--serve", "bare", "--upstream", &address.to_string()]);
    let binary = witgate.map_or_else(beside_this_program, PathBuf::from);
    assert!(
        binary.exists(),
        "there is no {}: build it with the same profile, as `make bench-gate` does, or name it with --witgate",
        binary.display()
    );
    let mut all = vec![
        Proxy::new("bare pingora", bare, None),
        gateway("witgate, no plugins", &binary, address, false),
        gateway("witgate, four plugins", &binary, address, true),
    ];
    all.extend(nginx(address));
    all.extend(envoy(address));
    all
}

/// Returns the path of the gateway that was built with this bench's profile.
fn beside_this_program() -> PathBuf {
    let program = std::env::current_exe().expect("this program");
    let folder = program.parent().and_then(Path::parent);
    folder.expect("a target folder").join("witgate")
}

/// Starts the gateway with a key, metering, receipts and, if asked, the shipped plugins.
fn gateway(name: &'static str, binary: &Path, upstream: SocketAddr, plugins: bool) -> Proxy {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("policies")).expect("a folder");
    if plugins {
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies");
        for artifact in SHIPPED {
            artifact.install(&at("policies")).expect("a copy");
            let sidecar = format!("{}.toml", artifact.name());
            fs::copy(shipped.join(&sidecar), at("policies").join(sidecar)).expect("a copy");
        }
    }
    let key = NewKey::random();
    let entry = format!(
        "[[key]]\nid = \"bench\"\nhash = \"{}\"\ntenant = \"t\"\nuser = \"u\"\ntier = \"enterprise\"\n",
        key.hash
    );
    fs::write(at("keys.toml"), entry).expect("a file");
    fs::write(at("secret"), "secret").expect("a file");
    let address = free_address();
    let config = format!(
        "[listen]\naddress = \"{address}\"\nthreads = {WORKERS}\n[keys]\nfile = \"keys.toml\"\n\
         [plugins]\ndirectory = \"policies\"\n[receipts]\nfile = \"receipts.jsonl\"\n\
         [upstreams.default]\nbase_url = \"http://{upstream}\"\ncredential = {{ file = \"secret\" }}\n"
    );
    fs::write(at("witgate.toml"), config).expect("a file");
    let mut command = Command::new(binary);
    command
        .args(["run", "--config", "witgate.toml"])
        .stderr(fs::File::create(at("log")).expect("a file"))
        .current_dir(folder.path());
    let server = Server::program(&mut command, address);
    Proxy {
        key: key.secret,
        ..Proxy::new(name, server, Some(folder))
    }
}

/// Starts nginx, or says how to get it.
fn nginx(upstream: SocketAddr) -> Option<Proxy> {
    let Some(binary) = installed(&["/usr/sbin/nginx", "nginx"], "-v") else {
        println!("nginx is not installed, so it is left out: apt-get install nginx-light");
        return None;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let address = free_address();
    let config = format!(
        "daemon off; worker_processes {WORKERS}; pid nginx.pid; error_log stderr error;\n\
         events {{ worker_connections 4096; }}\n\
         http {{ access_log off; client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;\n\
         uwsgi_temp_path uwsgi; scgi_temp_path scgi; client_max_body_size 64m; client_body_buffer_size 1m; keepalive_requests 1000000;\n\
         upstream api {{ server {upstream}; keepalive 1024; keepalive_requests 1000000; }}\n\
         server {{ listen {address}; location / {{ proxy_pass http://api; proxy_http_version 1.1; proxy_buffering off;\n\
         proxy_set_header Connection \"\"; }} }} }}\n"
    );
    fs::write(folder.path().join("nginx.conf"), config).expect("a file");
    let mut command = Command::new(binary);
    command
        .arg("-p")
        .arg(folder.path())
        .args(["-c", "nginx.conf"]);
    let server = Server::program(&mut command, address);
    Some(Proxy::new("nginx", server, Some(folder)))
}

/// Starts Envoy, or says how to get it.
fn envoy(upstream: SocketAddr) -> Option<Proxy> {
    let Some(binary) = installed(&["envoy"], "--version") else {
        println!(
            "envoy is not installed, so it is left out: see https://www.envoyproxy.io/docs/envoy/latest/start/install"
        );
        return None;
    };
    let folder = tempfile::tempdir().expect("a folder");
    let address = free_address();
    let socket = |address: SocketAddr| {
        format!(
            "{{ socket_address: {{ address: {}, port_value: {} }} }}",
            address.ip(),
            address.port()
        )
    };
    let config = format!(
        "static_resources:\n  listeners:\n  - address: {}\n    filter_chains:\n    - filters:\n      - name: envoy.filters.network.http_connection_manager\n        typed_config:\n          \"@type\": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager\n          stat_prefix: bench\n          route_config: {{ virtual_hosts: [{{ name: all, domains: [\"*\"], routes: [{{ match: {{ prefix: / }}, route: {{ cluster: api, timeout: 0s }} }}] }}] }}\n          http_filters:\n          - name: envoy.filters.http.router\n            typed_config: {{ \"@type\": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}\n  clusters:\n  - name: api\n    type: STATIC\n    load_assignment: {{ cluster_name: api, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {} }} }}] }}] }}\n",
        socket(address),
        socket(upstream)
    );
    fs::write(folder.path().join("envoy.yaml"), config).expect("a file");
    let mut command = Command::new(binary);
    command
        .arg("-c")
        .arg(folder.path().join("envoy.yaml"))
        .args([
            "--concurrency",
            &WORKERS.to_string(),
            "-l",
            "error",
            "--use-dynamic-base-id",
        ]);
    let server = Server::program(&mut command, address);
    Some(Proxy::new("envoy", server, Some(folder)))
}

/// Returns the first of the programs that starts.
fn installed(programs: &[&'static str], ask: &str) -> Option<&'static str> {
    let starts = |program: &&&'static str| {
        let output = Command::new(program).arg(ask).output();
        output.is_ok_and(|output| output.status.success())
    };
    programs.iter().find(starts).copied()
}
