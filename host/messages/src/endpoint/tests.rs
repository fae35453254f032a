use super::{Endpoint, Scope};

#[test]
fn every_operation_is_found_under_its_path_with_any_query() {
    let table = [
        ("POST", "/v1/messages", Endpoint::Messages),
        ("POST", "/v1/messages?beta=true", Endpoint::Messages),
        ("POST", "/v1/messages?x=/count_tokens", Endpoint::Messages),
        (
            "POST",
            "/v1/messages/count_tokens?beta=true",
            Endpoint::CountTokens,
        ),
        ("GET", "/v1/messages/batches?limit=2", Endpoint::Batches),
        ("GET", "/v1/messages/batches/msgbatch_01", Endpoint::Batch),
        (
            "POST",
            "/v1/messages/batches/msgbatch_01/cancel",
            Endpoint::BatchCancel,
        ),
        (
            "GET",
            "/v1/messages/batches/msgbatch_01/results",
            Endpoint::BatchResults,
        ),
        ("GET", "/v1/models?limit=1000", Endpoint::Models),
        ("GET", "/v1/models/claude-opus-5-5", Endpoint::Model),
        ("POST", "/v1/files", Endpoint::Files),
        ("DELETE", "/v1/files/file_01", Endpoint::File),
        ("GET", "/v1/files/file_01/content", Endpoint::FileContent),
        ("POST", "/v1/skills?beta=true", Endpoint::Skills),
        ("DELETE", "/v1/skills/skill_01", Endpoint::Skill),
        (
            "GET",
            "/v1/skills/skill_01/versions",
            Endpoint::SkillVersions,
        ),
        (
            "POST",
            "/v1/skills/skill_01/versions",
            Endpoint::SkillVersions,
        ),
        (
            "DELETE",
            "/v1/skills/skill_01/versions/2",
            Endpoint::SkillVersion,
        ),
        (
            "GET",
            "/v1/skills/skill_01/versions/2/content",
            Endpoint::SkillContent,
        ),
        ("GET", "/v1/skills/skill_01/other", Endpoint::Other),
        ("GET", "/v1/skills/s/versions/2/content/x", Endpoint::Other),
        ("POST", "/v1/skills/skill_01", Endpoint::Other),
        ("HEAD", "/api/hello", Endpoint::Hello),
        ("GET", "/api/hello", Endpoint::Hello),
        ("GET", "/", Endpoint::Hello),
        ("HEAD", "/v1/models", Endpoint::Models),
        ("HEAD", "/v1/files/file_01", Endpoint::File),
    ];
    for (method, path, wanted) in table {
        assert_eq!(Endpoint::of(method, path), wanted, "{method} {path}");
    }
}

#[test]
fn aliases_mean_the_same_and_lead_to_the_upstreams_path() {
    for root in [
        "/v1",
        "",
        "/anthropic/v1",
        "/anthropic",
        "/api/v1/completion/acme/prod/anthropic",
        "/api/v1/completion/acme/prod/anthropic/v1",
    ] {
        let messages = format!("{root}/messages?beta=true&x=%20a");
        let endpoint = Endpoint::of("POST", &messages);
        assert_eq!(endpoint, Endpoint::Messages, "{messages}");
        assert_eq!(
            endpoint.upstream_path(&messages),
            "/v1/messages?beta=true&x=%20a",
            "{messages}"
        );
        let count = format!("{root}/messages/count_tokens");
        let endpoint = Endpoint::of("POST", &count);
        assert_eq!(endpoint, Endpoint::CountTokens, "{count}");
        assert_eq!(
            endpoint.upstream_path(&count),
            "/v1/messages/count_tokens",
            "{count}"
        );
    }
}

#[test]
fn what_only_looks_like_an_operation_is_none() {
    for path in [
        "/v1/messagesfoo",
        "/v1/messages/",
        "/v1//messages",
        "//v1/messages",
        "/v1/./messages",
        "/v1/models/..",
        "/v1/models/../messages",
        "/v1/%6dessages",
        "/v1/messages%2fcount_tokens",
        "/v1/messages;x",
        "/v1/messages.",
        "/v1/models/claude-opus-5-5.",
        "/v1/messages#x",
        "/v1/messages/count_tokens/x",
        "/V1/messages",
        "/v1",
        "",
        "v1/messages",
        "http://host/v1/messages",
        "/x/anthropic/v1/messages",
        "/anthropic/v1/v1/messages",
        "/anthropic/anthropic/messages",
        "/api/v1/completion/acme/anthropic/messages",
        "/api/v1/completion/acme//anthropic/messages",
        "/api/v1/completion/../prod/anthropic/messages",
        "/v1/files/a/content/b",
        "/messages/",
        "//messages",
        "/messagesfoo",
        "/skills",
        "/organizations",
    ] {
        for method in ["POST", "GET"] {
            assert_eq!(
                Endpoint::of(method, path),
                Endpoint::Other,
                "{method} {path}"
            );
        }
        assert_eq!(
            Endpoint::Other.upstream_path(path),
            path,
            "and its path stays"
        );
    }
    for (method, path) in [
        ("GET", "/v1/messages"),
        ("post", "/v1/messages"),
        ("POST", "/v1/models"),
        ("POST", "/api/hello"),
        ("POST", "/"),
        ("HEAD", "/v1/messages"),
    ] {
        assert_eq!(
            Endpoint::of(method, path),
            Endpoint::Other,
            "{method} {path}"
        );
    }
}

#[test]
fn the_id_in_a_path_is_found_under_every_alias() {
    for (method, path, id) in [
        ("GET", "/v1/files/file_1?x=y", Some("file_1")),
        ("GET", "/anthropic/files/file_1/content", Some("file_1")),
        ("GET", "/v1/messages/batches/b_1", Some("b_1")),
        (
            "POST",
            "/anthropic/messages/batches/b_1/cancel",
            Some("b_1"),
        ),
        ("GET", "/v1/messages/batches/b_1/results", Some("b_1")),
        ("GET", "/v1/models/claude-opus-5-5", Some("claude-opus-5-5")),
        ("GET", "/v1/files", None),
        ("POST", "/v1/messages", None),
    ] {
        assert_eq!(Endpoint::of(method, path).id(path), id, "{method} {path}");
    }
}

#[test]
fn workspace_and_environment_are_those_of_the_path() {
    for (path, wanted) in [
        (
            "/api/v1/completion/acme/prod/anthropic/v1/messages?x=/y",
            Some(("acme", "prod")),
        ),
        (
            "/api/v1/completion/acme/prod/anthropic/skills",
            Some(("acme", "prod")),
        ),
        ("/api/v1/completion/acme/prod/openai/v1/messages", None),
        ("/api/v1/completion/acme/../anthropic/v1/messages", None),
        ("/api/v1/completion/ac%6de/prod/anthropic/v1/messages", None),
        (
            "/v1/messages?/api/v1/completion/acme/prod/anthropic/x",
            None,
        ),
        ("/anthropic/v1/messages", None),
        ("/messages", None),
    ] {
        let scope = Scope::of(path).map(|scope| (scope.workspace, scope.environment));
        assert_eq!(scope, wanted, "{path}");
    }
}
