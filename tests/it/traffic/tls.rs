//! TLS towards clients: what they get is the same as in the clear, certificates change while traffic runs, and a client
//! certificate can take the place of a key.

use std::path::{Path, PathBuf};

use rustls::version::{TLS12, TLS13};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{
    Answer, Authority, Client, Ending, Events, GatewayBuilder, Greeting, Http2Client, Identity,
    Pause, Request, TestGateway, Tunnel, Upstream,
};

/// A gateway that listens with TLS.
struct Secured {
    gate: TestGateway,
    authority: Authority,
    folder: TempDir,
}

/// The name on the gateway's certificate.
const NAME: &str = "gate.test";

fn write(folder: &Path, identity: &Identity) {
    std::fs::write(folder.join("cert.pem"), &identity.certificate).unwrap();
    std::fs::write(folder.join("key.pem"), &identity.key).unwrap();
}

fn table(folder: &Path, more: &str) -> String {
    let at = |name: &str| folder.join(name).display().to_string();
    format!(
        "[listen.tls]\ncertificate = \"{}\"\nkey = \"{}\"\n{more}",
        at("cert.pem"),
        at("key.pem")
    )
}

impl Secured {
    async fn start(builder: GatewayBuilder, more: &str) -> Self {
        let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
        write(folder.path(), &authority.issue(NAME));
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let more = more.replace("CA", &folder.path().join("ca.pem").display().to_string());
        let gate = builder.extra(&table(folder.path(), &more)).start().await;
        Self {
            gate,
            authority,
            folder,
        }
    }

    fn greeting(&self) -> Greeting {
        self.authority.trusted_for(NAME)
    }

    async fn tunnel(&self, greeting: Greeting) -> Tunnel {
        Tunnel::into_tls(self.gate.address(), greeting).await
    }

    /// The certificate that a new connection is shown.
    async fn shown(&self) -> Vec<u8> {
        let tls = self
            .greeting()
            .connect(self.gate.address())
            .await
            .expect("a handshake");
        let (_, session) = tls.get_ref();
        session.peer_certificates().unwrap()[0].to_vec()
    }
}

fn body() -> serde_json::Value {
    json!({"model": "claude-haiku-4-5", "max_tokens": 5, "messages": []})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_are_served_in_tls_1_2_and_1_3() {
    let upstream = Upstream::answering().await;
    let secured = Secured::start(GatewayBuilder::bare().upstream("default", &upstream), "").await;
    for version in [&TLS12, &TLS13] {
        let greeting = Greeting::in_version(&secured.authority, NAME, version);
        let tunnel = secured.tunnel(greeting).await;
        let mut client = Client::connect(tunnel.address()).await;
        for _ in 0..2 {
            let response = client.ask(&secured.gate.messages(&body())).await;
            assert_eq!(response.status, 200, "{version:?}: {}", response.text());
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alpn_chooses_http_2_where_the_client_offers_it() {
    let upstream = Upstream::answering().await;
    let secured = Secured::start(GatewayBuilder::bare().upstream("default", &upstream), "").await;
    let greeting = secured.greeting().offering(&["http/1.1", "h2"]);
    let tls = greeting.connect(secured.gate.address()).await.unwrap();
    assert_eq!(
        tls.get_ref().1.alpn_protocol(),
        Some(b"h2".as_slice()),
        "the protocol"
    );
    let mut client = Http2Client::over(tls).await;
    let response = client
        .ask(&secured.gate.messages(&body()))
        .await
        .expect("an answer");
    assert_eq!(response.status(), 200, "{}", response.text());

    let old = secured.greeting().offering(&["http/1.1"]);
    let tunnel = secured.tunnel(old).await;
    let mut client = Client::connect(tunnel.address()).await;
    let response = client.ask(&secured.gate.messages(&body())).await;
    assert_eq!(response.status, 200, "and HTTP/1.1 where it does not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_over_tls_comes_event_by_event_and_byte_for_byte() {
    let pause = Pause::new();
    let events = Events::begin("claude-haiku-4-5")
        .text(&["one", "two"])
        .end("end_turn");
    let upstream = Upstream::always(Answer::sse(&events).pause_at_event(3, &pause)).await;
    let secured = Secured::start(GatewayBuilder::bare().upstream("default", &upstream), "").await;
    let tunnel = secured.tunnel(secured.greeting()).await;
    let mut client = Client::connect(tunnel.address()).await;
    let mut body = body();
    body["stream"] = json!(true);
    client.send(&secured.gate.messages(&body)).await;
    let mut reply = client.reply().await;
    for _ in 0..3 {
        assert!(
            reply.event().await.is_some(),
            "what has been sent is here while the upstream waits"
        );
    }
    pause.resume();
    let response = reply.rest().await;
    assert_eq!(
        (response.ending, response.body),
        (Ending::Complete, events.to_bytes()),
        "the whole stream"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_to_new_connections_and_a_bad_one_to_nobody() {
    let upstream = Upstream::answering().await;
    let secured = Secured::start(GatewayBuilder::bare().upstream("default", &upstream), "").await;
    let first = secured.shown().await;
    let tunnel = secured.tunnel(secured.greeting()).await;
    let mut open = Client::connect(tunnel.address()).await;
    assert_eq!(open.ask(&secured.gate.messages(&body())).await.status, 200);

    write(secured.folder.path(), &secured.authority.issue(NAME));
    secured.gate.running().reload().await.expect("it is right");
    let second = secured.shown().await;
    assert_ne!(first, second, "the new certificate");
    assert_eq!(
        open.ask(&secured.gate.messages(&body())).await.status,
        200,
        "an open connection goes on"
    );

    let stray = secured.authority.issue(NAME);
    for (file, text, said) in [
        ("cert.pem", "", "no PEM certificate"),
        (
            "cert.pem",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "cert.pem",
        ),
        ("key.pem", "not a key", "no PEM private key"),
        ("key.pem", stray.key.as_str(), "cannot be used together"),
    ] {
        let path: PathBuf = secured.folder.path().join(file);
        let good = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text).unwrap();
        let error = secured.gate.running().reload().await.expect_err(said);
        assert!(error.contains(said), "it is said what is wrong: {error}");
        assert!(!error.contains("PRIVATE KEY"), "no key is quoted: {error}");
        let page = secured.gate.admin("/config").await;
        assert!(page.text().contains(said), "and shown: {}", page.text());
        assert_eq!(secured.shown().await, second, "the good one stays in use");
        std::fs::write(&path, good).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_known_client_certificate_needs_no_key() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare().upstream("default", &upstream);
    let secured = Secured::start(builder, "client_ca = \"CA\"\n").await;
    let (known, unknown) = (
        secured.authority.issue("agent"),
        secured.authority.issue("x"),
    );
    let mut keys = std::fs::read_to_string(secured.gate.file("keys.toml")).unwrap();
    keys += &format!(
        "\n[[key]]\nid = \"agent\"\ncertificate = \"{}\"\n",
        known.hash()
    );
    std::fs::write(secured.gate.file("keys.toml"), keys).unwrap();
    secured.gate.running().reload().await.unwrap();

    let keyless = Request::messages(&body()).without_header("x-api-key");
    let foreign = Request::messages(&body()).set_header("x-api-key", "sk-ant-of-somebody");
    for (identity, request, status) in [
        (Some(&known), &keyless, 200),
        (Some(&known), &foreign, 200),
        (Some(&unknown), &keyless, 401),
        (None, &keyless, 401),
        (None, &secured.gate.messages(&body()), 200),
        (Some(&known), &secured.gate.messages(&body()), 200),
    ] {
        let greeting = match identity {
            Some(identity) => Greeting::showing(&secured.authority, NAME, identity),
            None => secured.greeting(),
        };
        let tunnel = secured.tunnel(greeting).await;
        let response = Client::connect(tunnel.address()).await.ask(request).await;
        assert_eq!(response.status, status, "{}", response.text());
    }
    let over_http2 = Greeting::showing(&secured.authority, NAME, &known).offering(&["h2"]);
    let tls = over_http2.connect(secured.gate.address()).await.unwrap();
    let response = Http2Client::over(tls).await.ask(&keyless).await.unwrap();
    assert_eq!(response.status(), 200, "{}", response.text());

    let callers: Vec<_> = secured
        .gate
        .receipts_when(7)
        .await
        .iter()
        .filter_map(|receipt| receipt["key"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(
        callers,
        ["agent", "agent", "alice", "alice", "agent"],
        "a key that is presented and known counts more than the certificate"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_another_authority_and_missing_required_ones_end_the_connection() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare().upstream("default", &upstream);
    let more = "client_ca = \"CA\"\nclient_certificates = \"required\"\n";
    let secured = Secured::start(builder, more).await;
    let stranger = Authority::new().issue("agent");
    for greeting in [
        secured.greeting(),
        Greeting::showing(&secured.authority, NAME, &stranger),
    ] {
        let tunnel = secured.tunnel(greeting).await;
        let mut client = Client::connect(tunnel.address()).await;
        client
            .try_write(&secured.gate.messages(&body()).to_bytes())
            .await;
        assert!(
            client.closed().await,
            "no answer without a right certificate"
        );
    }
    let right = Greeting::showing(&secured.authority, NAME, &secured.authority.issue("agent"));
    let tunnel = secured.tunnel(right).await;
    let response = Client::connect(tunnel.address())
        .await
        .ask(&secured.gate.messages(&body()))
        .await;
    assert_eq!(response.status, 200, "with one there is");
    assert_eq!(upstream.requests().len(), 1, "only that was forwarded");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_dawdles_in_the_handshake_is_closed_and_holds_up_nobody() {
    let upstream = Upstream::answering().await;
    let builder = GatewayBuilder::bare()
        .upstream("default", &upstream)
        .extra("[limits]\nhead_timeout_ms = 300\n");
    let secured = Secured::start(builder, "").await;
    let mut silent = secured.gate.client().await;
    let mut plain = secured.gate.client().await;
    plain.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let tunnel = secured.tunnel(secured.greeting()).await;
    let response = Client::connect(tunnel.address())
        .await
        .ask(&secured.gate.messages(&body()))
        .await;
    assert_eq!(response.status, 200, "others are served meanwhile");
    assert!(silent.closed().await, "silence has an end");
    // A TLS alert may come before the end; an answer in HTTP may not.
    let said = plain.until_closed().await;
    assert!(
        !said.starts_with(b"HTTP"),
        "what is not TLS is not answered in HTTP"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_about_tls_in_the_configuration_is_told_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let text = "[listen]\naddress = \"127.0.0.1:0\"\n[listen.tls]\ncertificate = \"none.pem\"\nkey = \"none.key\"\n\
                client_certificates = \"sometimes\"\nciphers = 1\n[keys]\ninsecure_open = true\n\
                [plugins]\ndirectory = \".\"\n[limits]\nhead_bytes = 1\nheaders = 1000\nstreams = 0\n\
                [upstreams.a]\nbase_url = \"http://127.0.0.1:1\"\nhttp = \"3\"\n";
    let path = folder.path().join("witgate.toml");
    let problems = witgate_gateway::config::Config::parse(&path, text)
        .expect_err("nearly all of it is wrong")
        .to_string();
    for line in [4, 5, 6, 7, 13, 14, 15, 18] {
        assert!(
            problems.contains(&format!("witgate.toml:{line}")),
            "line {line} is told in:\n{problems}"
        );
    }
}
