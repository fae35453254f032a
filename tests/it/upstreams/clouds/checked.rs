//! `witgate check`: what is used and what is wrong; and with `--upstreams` a count of tokens, which proves the address, the credential
//! and a model.

use super::tokens::CLIENT_SECRET;
use super::{BOTH, Cloud, Kind, vertex};
use crate::harness::{printed, witgate};
use crate::upstreams::asked::checked;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_counts_tokens_with_a_model_of_the_configuration() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        let own = match kind {
            Kind::Vertex => "claude-ours",
            Kind::Foundry => "ours",
        };
        let more = format!("models = {{ mine = \"{own}\" }}");
        let (code, lines) = checked(&[cloud.table("a", &more)]).await;
        assert_eq!(
            lines,
            ["upstream a: it counts tokens with mine"],
            "{kind:?}"
        );
        assert_eq!(code, Some(0), "{kind:?}");
        assert_eq!(cloud.upstream.requests().len(), 1, "{kind:?}: one question");
        assert_eq!(cloud.tokens.given(), 1, "{kind:?}: with one token");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_wrong_with_a_cloud_is_told_with_its_cure() {
    for kind in BOTH {
        let cloud = Cloud::start(kind).await;
        cloud.expire_before(100);
        let (code, lines) = checked(&[cloud.table("a", "")]).await;
        let source = match kind {
            Kind::Vertex => "the service account's key in",
            Kind::Foundry => "client client-1 of tenant tenant-1",
        };
        let told = &lines[0];
        assert!(
            told.contains("it refuses the credential (401") && told.contains(source),
            "{told}"
        );
        assert_eq!(code, Some(1), "{kind:?}");

        let secret = cloud.write("secret", "an-old-secret");
        let wrong = match kind {
            Kind::Vertex => {
                let table = cloud.table("a", "");
                let mut file = cloud.tokens.user();
                file["refresh_token"] = "an-old-secret".into();
                cloud.write("key.json", &file.to_string());
                table
            }
            Kind::Foundry => {
                let table = cloud.table("a", "");
                cloud.write("secret", "an-old-secret");
                table
            }
        };
        let (code, lines) = checked(&[wrong]).await;
        let told = &lines[0];
        assert!(
            told.contains("gives") && told.contains("no token"),
            "{told} {secret}"
        );
        assert!(!told.contains("an-old-secret"), "{told}");
        assert_eq!(code, Some(1), "{kind:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_model_that_nobody_named_is_no_fault_of_the_upstream() {
    for (more, code, said) in [
        ("", 0, "it answers, and not for claude-haiku-4-5"),
        (
            "models = { mine = \"claude-ours\" }",
            1,
            "it does not let the credential use mine",
        ),
    ] {
        let cloud = Cloud::start_with(Kind::Vertex, |_, _| {
            vertex::error(403, "PERMISSION_DENIED", "", "Permission denied")
        })
        .await;
        let (exit, lines) = checked(&[cloud.table("a", more)]).await;
        assert!(lines[0].contains(said), "{lines:?}");
        assert!(lines[0].contains("roles/aiplatform.user"), "{lines:?}");
        assert_eq!(exit, Some(code), "{lines:?}");
    }
}

#[test]
fn a_check_says_what_is_used_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    std::fs::write(folder.path().join("secret"), CLIENT_SECRET).unwrap();
    std::fs::write(
        folder.path().join("key.json"),
        "{\"type\": \"gdch_service_account\"}",
    )
    .unwrap();
    let check = |upstream: &str| {
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[keys]\ninsecure_open = true\n[plugins]\ndirectory = \"policies\"\n[upstreams.cloud]\n{upstream}"
        );
        std::fs::write(folder.path().join("witgate.toml"), text).unwrap();
        printed(&witgate(
            folder.path(),
            &["check", "--config", "witgate.toml"],
        ))
    };
    let google = "kind = \"vertex\"\nproject = \"my-project\"\nlocation = \"global\"\n";
    let machine = "[upstreams.cloud.google]\nsource = \"machine\"\n";
    let azure = "kind = \"foundry\"\nresource = \"my-resource\"\n";
    let client = "[upstreams.cloud.entra]\ntenant_id = \"t\"\nclient_id = \"c\"\nclient_secret_file = \"secret\"\n";
    for (upstream, said) in [
        (
            format!("{google}{machine}"),
            "cloud: Vertex AI in global of project my-project; tokens by the machine's service account; what it refuses: strip",
        ),
        (
            format!("{azure}on_unsupported = \"skip\"\n{client}"),
            "cloud: Microsoft Foundry, resource my-resource; let in by client c of tenant t; what it refuses: skip",
        ),
    ] {
        let text = check(&upstream);
        assert!(
            text.contains(said) && text.contains("no problems found"),
            "{text}"
        );
    }
    for (upstream, wrong) in [
        (
            format!("{}{machine}", google.replace("global", "Moon")),
            "`Moon` is no location of Google Cloud",
        ),
        (
            format!("kind = \"vertex\"\nlocation = \"us\"\n{machine}"),
            "is missing, and neither ANTHROPIC_VERTEX_PROJECT_ID",
        ),
        (
            format!("kind = \"vertex\"\nproject = \"p\"\n{machine}"),
            "CLOUD_ML_REGION is not set",
        ),
        (
            format!("{google}region = \"us-east-1\"\n{machine}"),
            "needs `kind = \"bedrock\"`",
        ),
        (
            format!("{google}base_url = \"https://x\"\n{machine}"),
            "another one is an `endpoint`",
        ),
        (
            format!("{google}models = {{ a = \"..\" }}\n{machine}"),
            "no id of a model on Vertex AI",
        ),
        (
            format!("{google}credential = \"client\"\n"),
            "must be a token of Google's",
        ),
        (
            format!("{google}[upstreams.cloud.google]\nfile = \"key.json\"\n"),
            "the type `gdch_service_account`, which is not supported",
        ),
        (
            format!(
                "{google}[upstreams.cloud.google]\nsource = \"machine\"\nfile = \"key.json\"\n"
            ),
            "is not read with `source = \"machine\"`",
        ),
        (
            format!("kind = \"foundry\"\n{client}"),
            "ANTHROPIC_FOUNDRY_RESOURCE is not set",
        ),
        (
            format!("kind = \"foundry\"\nresource = \"a.b\"\n{client}"),
            "no name of a Foundry resource",
        ),
        (
            format!("{azure}models = {{ a = \"b/c\" }}\n{client}"),
            "no deployment of Foundry",
        ),
        (
            format!("{azure}project = \"p\"\n{client}"),
            "needs `kind = \"vertex\"`",
        ),
        (
            format!(
                "{azure}[upstreams.cloud.entra]\nsource = \"client\"\ntenant_id = \"t\"\nclient_id = \"c\"\n"
            ),
            "AZURE_CLIENT_SECRET is not set",
        ),
        (
            format!("{azure}[upstreams.cloud.entra]\nfederated_token_file = \"gone\"\n"),
            "gone",
        ),
        (
            format!("{azure}{}", client.replace("\"t\"", "\"t/x\"")),
            "no tenant of Microsoft Entra",
        ),
    ] {
        let text = check(&upstream);
        assert!(
            text.contains(wrong) && text.contains("problems found"),
            "{wrong}: {text}"
        );
        assert!(!text.contains(CLIENT_SECRET), "{text}");
    }
}
