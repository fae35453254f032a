//! Credentials: from where the clouds' own tools find them, renewed in time, shown by their source and never by their secret.

use serde_json::json;

use super::tokens::{CLIENT_SECRET, TOKEN, Tokens, WORKLOAD};
use super::{BOTH, Cloud, Kind, LOCATION, PROJECT, body, gate};
use crate::harness::{Answer, GatewayBuilder, Installation, Upstream};
use crate::upstreams::shown;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_asked_for_once_for_all_requests_and_shown_by_its_source() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let gate = cloud.gate("").await;
        let asking = gate.messages(&body());
        let (a, b, c) = tokio::join!(gate.ask(&asking), gate.ask(&asking), gate.ask(&asking));
        assert_eq!(
            [a.status, b.status, c.status],
            [200; 3],
            "{kind:?}: {}",
            a.text()
        );
        assert_eq!(cloud.tokens.given(), 1, "{kind:?}: one question");
        let shown = shown(&gate, "cloud").await;
        assert_eq!(shown["kind"], kind.code(), "{shown}");
        let (region, from) = match kind {
            Kind::Vertex => (json!(LOCATION), "the service account's key in"),
            Kind::Foundry => (json!(null), "client client-1 of tenant tenant-1"),
        };
        assert_eq!(shown["region"], region, "{shown}");
        let credential = &shown["credential"];
        let told = credential["from"].as_str().unwrap_or_default();
        assert!(told.starts_with(from), "{shown}");
        assert!(credential["expires_unix_ms"].as_u64().is_some(), "{shown}");
        assert!(!shown.to_string().contains("secret-"), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_a_cloud_calls_expired_is_renewed_once_and_the_request_asked_again() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let gate = cloud.gate("").await;
        let asking = gate.messages(&body());
        assert_eq!(
            gate.ask(&asking).await.status,
            200,
            "{kind:?}: with the first token"
        );
        cloud.expire_before(2);
        let answered = gate.ask(&asking).await;
        assert_eq!(
            answered.status,
            200,
            "{kind:?}: with the second: {}",
            answered.text()
        );
        assert_eq!(cloud.tokens.given(), 2, "{kind:?}: one renewal");
        let receipts = gate.receipts_when(2).await;
        let attempts = &receipts[1]["attempts"];
        assert_eq!(attempts["0"]["status"], 401, "{attempts}");
        assert_eq!(attempts["1"]["status"], 200, "{attempts}");
        assert!(
            !receipts[1].to_string().contains(TOKEN),
            "no secret: {attempts}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_before_it_ends_without_a_request() {
    for kind in BOTH {
        let mut cloud = Cloud::start(kind).await;
        cloud.tokens = Tokens::start(|number| if number == 1 { 3 } else { 3_600 }).await;
        let gate = cloud.gate("").await;
        cloud.tokens.endpoint.next_request().await;
        cloud.tokens.endpoint.next_request().await;
        cloud.expire_before(2);
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, 200, "{kind:?}: {}", answered.text());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_a_token_of_googles_is_taken() {
    let cloud = Cloud::start(Kind::Vertex).await;
    let subject = cloud.write("subject", WORKLOAD);
    let user = cloud.write("user.json", &cloud.tokens.user().to_string());
    let federated = cloud.write(
        "federated.json",
        &cloud.tokens.federated(&subject).to_string(),
    );
    let url = cloud.tokens.endpoint.url();
    let host = url.trim_start_matches("http://");
    for (settings, from) in [
        (format!("file = \"{user}\""), "the user's credentials in"),
        (
            format!("file = \"{federated}\""),
            "the federated workload of",
        ),
        (
            format!("source = \"machine\"\nmetadata_host = \"{host}\""),
            "the machine's service account",
        ),
    ] {
        let table = cloud.bare("cloud", "");
        let gate = gate(&format!("{table}[upstreams.cloud.google]\n{settings}\n")).await;
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, 200, "{from}: {}", answered.text());
        let shown = shown(&gate, "cloud").await;
        let told = shown["credential"]["from"].as_str().unwrap_or_default();
        assert!(told.starts_with(from), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_way_to_a_token_of_entras_is_taken() {
    let cloud = Cloud::start(Kind::Foundry).await;
    let subject = cloud.write("subject", WORKLOAD);
    let url = cloud.tokens.endpoint.url();
    let client =
        format!("tenant_id = \"tenant-1\"\nclient_id = \"client-1\"\nauthority = \"{url}\"\n");
    for (settings, from) in [
        (
            format!("{client}federated_token_file = \"{subject}\""),
            "client client-1 of tenant tenant-1",
        ),
        (
            format!("source = \"machine\"\nmachine_endpoint = \"{url}\""),
            "the machine's managed identity",
        ),
    ] {
        let table = cloud.bare("cloud", "");
        let gate = gate(&format!("{table}[upstreams.cloud.entra]\n{settings}\n")).await;
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, 200, "{from}: {}", answered.text());
        let shown = shown(&gate, "cloud").await;
        assert_eq!(shown["credential"]["from"], from, "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_gives_no_token_is_an_error_that_says_what_to_do() {
    for (kind, parts) in [
        (
            Kind::Vertex,
            [
                "the refresh token is expired or revoked",
                "gcloud auth application-default login",
            ],
        ),
        (
            Kind::Foundry,
            ["AADSTS7000215", "use the secret's value, not its id"],
        ),
    ] {
        let cloud = Cloud::start(kind).await;
        let mut user = cloud.tokens.user();
        user["refresh_token"] = "an-old-secret".into();
        let (user, secret) = (
            cloud.write("user.json", &user.to_string()),
            cloud.write("old", "an-old-secret"),
        );
        let table = match kind {
            Kind::Vertex => cloud.table("cloud", "").replace("key.json", "user.json"),
            Kind::Foundry => cloud.table("cloud", "").replace("/secret\"", "/old\""),
        };
        assert!(table.contains(&user) || table.contains(&secret), "{table}");
        let gate = gate(&table).await;
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, 503, "{kind:?}: {}", answered.text());
        for part in ["the upstream cloud", "no credential"].iter().chain(&parts) {
            assert!(
                answered.text().contains(part),
                "{part}: {}",
                answered.text()
            );
        }
        let shown = shown(&gate, "cloud").await;
        let error = shown["credential"]["error"].as_str().unwrap_or_default();
        assert!(error.contains(parts[0]), "{shown}");
        let receipt = gate.only_receipt().await.to_string();
        for text in [answered.text(), receipt.as_str(), error] {
            assert!(!text.contains("an-old-secret"), "{text}");
        }
        assert_eq!(cloud.upstream.requests().len(), 0, "{kind:?}: not asked");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_stays_refused_is_an_error_that_names_its_source() {
    for (kind, parts) in [
        (
            Kind::Vertex,
            ["Google refuses the token", "the service account's key in"],
        ),
        (
            Kind::Foundry,
            ["resource my-resource", "client client-1 of tenant tenant-1"],
        ),
    ] {
        let cloud = Cloud::start(kind).await;
        cloud.expire_before(100);
        let gate = cloud.gate("").await;
        let answered = gate.ask(&gate.messages(&body())).await;
        assert_eq!(answered.status, 401, "{kind:?}: {}", answered.text());
        for part in ["upstream cloud"].iter().chain(&parts) {
            assert!(
                answered.text().contains(part),
                "{part}: {}",
                answered.text()
            );
        }
        assert!(!answered.text().contains(TOKEN), "{}", answered.text());
        assert_eq!(cloud.upstream.requests().len(), 2, "{kind:?}: one renewal");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_off_is_told_where_a_token_is_refused_for_it() {
    let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
    let said = json!({"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a short-lived token"});
    let endpoint = Upstream::always(Answer::json(400, &[date], &said)).await;
    let cloud = Cloud::start(Kind::Vertex).await;
    let mut file = cloud.tokens.service_account();
    file["token_uri"] = format!("{}/token", endpoint.url()).into();
    let table = cloud.table("cloud", "");
    cloud.write("key.json", &file.to_string());
    let gate = gate(&table).await;
    let answered = gate.ask(&gate.messages(&body())).await;
    assert_eq!(answered.status, 503, "{}", answered.text());
    for part in [
        "the upstream cloud",
        "this machine's clock is",
        "ahead of Google's: set the clock",
    ] {
        assert!(
            answered.text().contains(part),
            "{part}: {}",
            answered.text()
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_is_looked_into_and_no_secret_is_in_the_log() {
    for (kind, with_key) in [
        (Kind::Vertex, false),
        (Kind::Foundry, false),
        (Kind::Foundry, true),
    ] {
        let cloud = Cloud::start(kind).await;
        let file = cloud.write("key.json", &cloud.tokens.service_account().to_string());
        let url = cloud.tokens.endpoint.url();
        let variables: Vec<(&str, &str)> = match (kind, with_key) {
            (Kind::Vertex, _) => vec![
                ("GOOGLE_APPLICATION_CREDENTIALS", &file),
                ("ANTHROPIC_VERTEX_PROJECT_ID", PROJECT),
                ("CLOUD_ML_REGION", LOCATION),
            ],
            (Kind::Foundry, true) => vec![("ANTHROPIC_FOUNDRY_API_KEY", super::foundry::KEY)],
            (Kind::Foundry, false) => vec![
                ("AZURE_TENANT_ID", "tenant-1"),
                ("AZURE_CLIENT_ID", "client-1"),
                ("AZURE_CLIENT_SECRET", CLIENT_SECRET),
                ("AZURE_AUTHORITY_HOST", &url),
            ],
        };
        let table = format!(
            "[upstreams.cloud]\nkind = \"{}\"\nendpoint = \"{}\"\n",
            kind.code(),
            cloud.upstream.url()
        );
        let builder = GatewayBuilder::bare().top("default_upstream = \"cloud\"");
        let installation = Installation::new(&builder.extra(&table));
        let process = installation.start_with(&variables).await;
        let mut client = process.client().await;
        let answered = client.ask(&installation.messages(&body())).await;
        assert_eq!(answered.status, 200, "{kind:?}: {}", answered.text());
        let log = process.log();
        for secret in [TOKEN, CLIENT_SECRET, "PRIVATE KEY", super::foundry::KEY] {
            assert!(!log.contains(secret), "{kind:?}: {log}");
        }
    }
}
