//! Other proxies, where they are installed.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use crate::proxies::Proxy;
use crate::server::{Server, WORKERS, free_address};

/// Starts nginx, or says how to get it.
pub(crate) fn nginx(upstream: SocketAddr) -> Option<Proxy> {
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
pub(crate) fn envoy(upstream: SocketAddr) -> Option<Proxy> {
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
