//! Credentials: from where AWS's own tools find them, renewed in time, shown by their source and never by their secret.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::signature::Keys;
use super::standin::{Takes, rfc3339, start, start_changing};
use super::{Account, ID, SECRET, bedrock, body, keys};
use crate::harness::{
    Answer, GatewayBuilder, Installation, Recorded, TestGateway, Upstream, printed, witgate,
};
use crate::upstreams::asked::checked;
use crate::upstreams::shown;

const SESSION: &str = "session-secret-of-the-test";

fn session(number: usize) -> Keys {
    Keys::of_session(
        &format!("ASIA{number}"),
        &format!("secret-of-role-{number}"),
        &format!("{SESSION}-{number}"),
    )
}

/// Returns the endpoint's answer with keys that last so long.
fn answer(number: usize, lasts: Duration) -> Answer {
    let keys = session(number);
    Answer::json(
        200,
        &[],
        &json!({
            "Code": "Success", "AccessKeyId": keys.id, "SecretAccessKey": keys.secret, "Token": keys.session,
            "Expiration": rfc3339(SystemTime::now() + lasts),
        }),
    )
}

/// Starts the endpoint of an instance. Its keys are counted from 1, and `lasts` says how long each lasts.
async fn instance(
    lasts: impl Fn(usize) -> Duration + Send + 'static,
) -> (Upstream, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&given);
    let endpoint = Upstream::start_with(move |request: &Recorded| {
        let roles = "/latest/meta-data/iam/security-credentials/";
        let token = request.headers.get("x-aws-ec2-metadata-token");
        match (request.method(), request.target()) {
            ("PUT", "/latest/api/token") => {
                let lifetime = request.headers.get("x-aws-ec2-metadata-token-ttl-seconds");
                assert_eq!(lifetime, Some("300"), "as IMDSv2 wants it");
                Answer::bytes(200, &[], "imds-token")
            }
            _ if token != Some("imds-token") => Answer::bytes(401, &[], ""),
            ("GET", path) if path == roles => Answer::bytes(200, &[], "a-role"),
            ("GET", path) if path == format!("{roles}a-role") => {
                let number = count.fetch_add(1, Ordering::SeqCst) + 1;
                answer(number, lasts(number))
            }
            _ => Answer::bytes(404, &[], ""),
        }
    })
    .await;
    (endpoint, given)
}

async fn gate(bedrock_at: &Upstream, endpoint: &Upstream) -> TestGateway {
    let aws = format!(
        "[upstreams.aws.aws]\nsource = \"instance\"\ninstance_endpoint = \"{}\"\n",
        endpoint.url()
    );
    GatewayBuilder::bare()
        .top("default_upstream = \"aws\"")
        .extra(&(bedrock("aws", bedrock_at, "") + &aws))
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_keys_of_an_instance_are_asked_for_once_for_all_requests() {
    let bedrock = start(Takes::Keys(session(1))).await;
    let (endpoint, given) = instance(|_| Duration::from_secs(3_600)).await;
    let gate = gate(&bedrock, &endpoint).await;
    let asking = gate.messages(&body());
    let asked = (0..8).map(|_| gate.ask(&asking));
    for answered in futures_of(asked).await {
        assert_eq!(answered, 200, "served");
    }
    assert_eq!(given.load(Ordering::SeqCst), 1, "one question");
    let shown = shown(&gate, "aws").await;
    assert_eq!(shown["kind"], "bedrock", "{shown}");
    assert_eq!(shown["region"], "us-east-1", "{shown}");
    assert_eq!(
        shown["credential"]["from"], "the instance's role",
        "{shown}"
    );
    assert_eq!(shown["credential"]["id"], "ASIA1", "{shown}");
    assert!(
        shown["credential"]["expires_unix_ms"].as_u64().is_some(),
        "{shown}"
    );
    assert!(!shown.to_string().contains("secret"), "{shown}");
}

/// Waits for all requests at once, and returns their statuses.
async fn futures_of(
    asked: impl Iterator<Item = impl Future<Output = crate::harness::Response>>,
) -> Vec<u16> {
    let mut asked: Vec<_> = asked.map(Box::pin).collect();
    let mut statuses = vec![None; asked.len()];
    std::future::poll_fn(|cx| {
        for (request, status) in asked.iter_mut().zip(&mut statuses) {
            if status.is_none()
                && let std::task::Poll::Ready(response) = request.as_mut().poll(cx)
            {
                *status = Some(response.status);
            }
        }
        if statuses.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    statuses.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_bedrock_calls_expired_are_renewed_once_and_the_request_asked_again() {
    let bedrock = start_changing(vec![Takes::Keys(session(1)), Takes::Keys(session(2))]).await;
    let (endpoint, given) = instance(|_| Duration::from_secs(3_600)).await;
    let gate = gate(&bedrock, &endpoint).await;
    let asking = gate.messages(&body());
    assert_eq!(gate.ask(&asking).await.status, 200, "with the first keys");
    let answered = gate.ask(&asking).await;
    assert_eq!(answered.status, 200, "with the second: {}", answered.text());
    assert_eq!(given.load(Ordering::SeqCst), 2, "one renewal");
    let receipts = gate.receipts_when(2).await;
    let attempts = &receipts[1]["attempts"];
    assert_eq!(
        (
            attempts["0"]["status"].as_u64(),
            attempts["1"]["status"].as_u64()
        ),
        (Some(401), Some(200)),
        "{attempts}"
    );
    assert!(!receipts[1].to_string().contains(SESSION), "no secret");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_renewed_before_they_end_without_a_request() {
    let bedrock = start(Takes::Keys(session(2))).await;
    let (endpoint, _) =
        instance(|number| Duration::from_secs(if number == 1 { 3 } else { 3_600 })).await;
    let gate = gate(&bedrock, &endpoint).await;
    // Three questions for each keys.
    for _ in 0..6 {
        endpoint.next_request().await;
    }
    assert_eq!(
        gate.ask(&gate.messages(&body())).await.status,
        200,
        "with the second keys"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_that_changed_is_read_again_when_its_keys_are_refused() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let lines =
        |secret: &str| format!("aws_access_key_id = {ID}\naws_secret_access_key = {secret}\n");
    account.write(&lines("an-old-secret"));
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"aws\"")
        .extra(&account.table("aws", &bedrock, ""))
        .start()
        .await;
    account.write(&lines(SECRET));
    let answered = gate.ask(&gate.messages(&body())).await;
    assert_eq!(answered.status, 200, "the new keys: {}", answered.text());
    assert_eq!(bedrock.requests().len(), 2, "one refusal before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_are_wrong_are_an_error_that_names_their_source_and_not_the_keys() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    account.write(&format!(
        "aws_access_key_id = {ID}\naws_secret_access_key = an-old-secret\n"
    ));
    let gate = GatewayBuilder::bare()
        .top("default_upstream = \"aws\"")
        .extra(&account.table("aws", &bedrock, ""))
        .start()
        .await;
    let refused = gate.ask(&gate.messages(&body())).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    for part in ["upstream aws", "the profile test", "renew it there"] {
        assert!(refused.text().contains(part), "{part}: {}", refused.text());
    }
    let receipt = gate.only_receipt().await.to_string();
    for text in [refused.text(), receipt.as_str()] {
        assert!(!text.contains("an-old-secret"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instance_without_a_role_is_an_error_that_says_so() {
    let bedrock = start(keys()).await;
    let endpoint = Upstream::always(Answer::bytes(404, &[], "")).await;
    let gate = gate(&bedrock, &endpoint).await;
    let answered = gate.ask(&gate.messages(&body())).await;
    assert_eq!(answered.status, 503, "{}", answered.text());
    for part in ["the upstream aws", "no credential", "404", "IMDSv2"] {
        assert!(
            answered.text().contains(part),
            "{part}: {}",
            answered.text()
        );
    }
    let shown = shown(&gate, "aws").await;
    let error = shown["credential"]["error"].as_str().unwrap_or_default();
    assert!(error.contains("IMDSv2"), "{shown}");
    assert_eq!(bedrock.requests().len(), 0, "not asked");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_environment_and_a_container_are_looked_into_and_no_secret_is_in_the_log() {
    let container = Upstream::start_with(|request: &Recorded| {
        assert_eq!(
            request.headers.get("authorization"),
            Some("proof-secret"),
            "the proof"
        );
        answer(1, Duration::from_secs(3_600))
    })
    .await;
    let url = format!("{}/credentials", container.url());
    let nowhere = ("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent/credentials");
    let environment = [
        ("AWS_ACCESS_KEY_ID", ID),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
        nowhere,
    ];
    let of_container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "proof-secret"),
        nowhere,
    ];
    for (variables, takes) in [
        (environment, keys()),
        (of_container, Takes::Keys(session(1))),
    ] {
        let bedrock_at = start(takes).await;
        let installation = Installation::new(
            &GatewayBuilder::bare()
                .top("default_upstream = \"aws\"")
                .extra(&bedrock("aws", &bedrock_at, "")),
        );
        let process = installation.start_with(&variables).await;
        let mut client = process.client().await;
        let answered = client.ask(&installation.messages(&body())).await;
        assert_eq!(answered.status, 200, "served: {}", answered.text());
        assert!(!process.log().contains("secret"), "{}", process.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_has_bedrock_count_tokens_and_says_what_is_wrong() {
    let account = Account::new();
    let bedrock = start(keys()).await;
    let table = account.table("a", &bedrock, "");
    let (code, lines) = checked(std::slice::from_ref(&table)).await;
    assert_eq!(
        lines,
        ["upstream a: it counts tokens with claude-haiku-4-5"]
    );
    assert_eq!(code, Some(0));
    account.write(&format!(
        "aws_access_key_id = {ID}\naws_secret_access_key = an-old-secret\n"
    ));
    let (code, lines) = checked(&[table]).await;
    assert!(
        lines[0].contains("it refuses the credential (401"),
        "{lines:?}"
    );
    assert!(lines[0].contains("the profile test"), "{lines:?}");
    assert_eq!(code, Some(1), "{lines:?}");
}

#[test]
fn a_check_says_what_is_used_and_what_is_wrong() {
    let account = Account::new();
    let folder = tempfile::tempdir().unwrap();
    let policies = folder.path().join("policies");
    std::fs::create_dir(policies).unwrap();
    let check = |upstream: &str| {
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \"policies\"\n[upstreams.aws]\nkind = \"bedrock\"\n{upstream}"
        );
        std::fs::write(folder.path().join("witgate.toml"), text).unwrap();
        printed(&witgate(
            folder.path(),
            &["check", "--config", "witgate.toml"],
        ))
    };
    let aws = format!(
        "[upstreams.aws.aws]\nprofile = \"test\"\ncredentials_file = \"{}\"\n",
        account.file("credentials").display()
    );
    let said = check(&format!("region = \"eu-central-1\"\n{aws}"));
    assert!(
        said.contains("aws: Amazon Bedrock in eu-central-1, with inference profiles eu.*; keys from the profile test; what it refuses: strip"),
        "{said}"
    );
    for (upstream, wrong) in [
        (
            format!("region = \"moon\"\n{aws}"),
            "`moon` is no region of AWS",
        ),
        (format!("region = \"ap-south-1\"\n{aws}"), "leaves a choice"),
        (
            format!("region = \"us-east-1\"\nbase_url = \"https://x\"\n{aws}"),
            "another one is an `endpoint`",
        ),
        (
            format!("region = \"us-east-1\"\nmodels = {{ a = \"..\" }}\n{aws}"),
            "no id of a Bedrock model",
        ),
        (
            format!(
                "region = \"us-east-1\"\n{}",
                aws.replace("\"test\"", "\"prod\"")
            ),
            "a profile `prod`",
        ),
        (
            format!("region = \"us-east-1\"\non_unsuported = \"skip\"\n{aws}"),
            "on_unsuported",
        ),
        (
            "region = \"us-east-1\"\ncredential = \"client\"\n".to_owned(),
            "must be an API key of Amazon Bedrock",
        ),
    ] {
        let said = check(&upstream);
        assert!(
            said.contains(wrong) && said.contains("problems found"),
            "{wrong}: {said}"
        );
        assert!(!said.contains(SECRET), "{said}");
    }
}
