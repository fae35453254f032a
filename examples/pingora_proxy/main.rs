//! A pingora proxy of your own, and plugins as a module of it.

mod plugins;

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use pingora_core::modules::http::HttpModules;
use pingora_core::prelude::{HTTPStatus, HttpPeer, OkOrErr, Result, Server};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use witgate_runtime::{Policies, PoliciesOptions, Runtime, RuntimeOptions};

use plugins::{Decision, Plugins};

struct Proxy {
    policies: Arc<Policies>,
    /// Names, as plans say them, and addresses.
    upstreams: HashMap<String, String>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    fn init_downstream_modules(&self, modules: &mut HttpModules) {
        modules.add_module(Box::new(Plugins(Arc::clone(&self.policies))));
    }

    async fn upstream_peer(&self, session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        let decision = session.downstream_modules_ctx.get::<Decision>();
        let name = decision.map_or("default", Decision::upstream);
        let address = self.upstreams.get(name);
        let address = address.or_err(HTTPStatus(502), "the plan names no upstream of ours")?;
        Ok(Box::new(HttpPeer::new(address, false, String::new())))
    }
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [folder, address, upstreams @ ..] = arguments.as_slice() else {
        anyhow::bail!("say: pingora_proxy FOLDER ADDRESS NAME=ADDRESS...");
    };
    let runtime = Runtime::try_new(RuntimeOptions::default())?;
    let policies = Policies::open(runtime, folder, PoliciesOptions::default())?;
    policies.watch()?; // From here on, what is dropped into the folder decides.

    let upstreams = upstreams.iter().filter_map(|pair| pair.split_once('='));
    let proxy = Proxy {
        policies: Arc::new(policies),
        upstreams: upstreams
            .map(|(name, at)| (name.into(), at.into()))
            .collect(),
    };
    let mut server = Server::new(None)?;
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, proxy);
    service.add_tcp(address);
    server.add_service(service);
    server.run_forever()
}
