//! Requests of clients that speak to Vertex AI themselves.

use serde_json::Value;
use witgate_vertex::request::{Asked, VERSION};
use witgate_vertex::{OnRefused, Place};

use super::{fixture, translated};

#[test]
fn a_request_is_that_of_anthropics_sdks_but_for_the_version() {
    let rows = fixture("clients.json");
    let rows = rows.as_array().unwrap();
    assert_eq!(rows.len(), 12, "all cases of both clients are compared");
    for row in rows {
        let name = format!("{} {}", row["client"], row["name"]);
        let location = row["location"].as_str().unwrap();
        let betas: Vec<_> = row["betas"].as_str().into_iter().collect();
        let asked = match row["count"].as_bool() {
            Some(true) => Asked::CountTokens,
            _ => Asked::Messages,
        };
        let given = row["given"].as_str().unwrap().as_bytes();
        let request = translated(asked, location, given, &betas, OnRefused::Fail).unwrap();
        assert_eq!(row["method"], "POST", "{name}: the method of each request");
        let host = Place::try_new("my-project", location).unwrap().host();
        let url = format!("https://{host}{}", request.path);
        assert_eq!(row["url"], url, "{name}: host and path");
        for (header, value) in &request.headers {
            assert_eq!(row["headers"][header], *value, "{name}: {header}");
        }
        let of_dialect = ["accept", "content-type", "anthropic-beta"];
        let theirs = row["headers"].as_object().unwrap().keys();
        let theirs = theirs.filter(|header| of_dialect.contains(&header.as_str()));
        assert_eq!(theirs.count(), request.headers.len(), "{name}: no other");
        let ours: Value = serde_json::from_slice(&request.body.concat()).unwrap();
        let mut theirs: Value = serde_json::from_str(row["body"].as_str().unwrap()).unwrap();
        // The SDKs send their own version; Google's documentation and Claude Code have this one.
        theirs["anthropic_version"] = VERSION.into();
        assert_eq!(ours, theirs, "{name}: the body");
    }
}

#[test]
fn nothing_that_claude_code_sends_to_vertex_counts_as_refused() {
    let rows = fixture("claude_code.json");
    let rows = rows.as_array().unwrap();
    assert!(
        rows.len() >= 15,
        "models of each generation: {}",
        rows.len()
    );
    for row in rows {
        let model = row["model"].as_str().unwrap();
        let mut body = row["body"].clone();
        // The API's name, and no version, as a client of the gateway has it.
        body["model"] = model.replace('@', "-").into();
        body.as_object_mut().unwrap().remove("anthropic_version");
        let betas: Vec<_> = row["headers"]["anthropic-beta"]
            .as_str()
            .into_iter()
            .collect();
        let text = body.to_string();
        let request = translated(
            Asked::Messages,
            "global",
            text.as_bytes(),
            &betas,
            OnRefused::Fail,
        )
        .unwrap();
        assert_eq!(request.path, row["path"], "{model}: the path");
        let sent: Value = serde_json::from_slice(&request.body.concat()).unwrap();
        assert_eq!(sent, row["body"], "{model}: the body, with its version");
        let ours = request
            .headers
            .iter()
            .find(|(name, _)| *name == "anthropic-beta");
        let ours: Vec<_> = ours.map_or(Vec::new(), |(_, betas)| betas.split(',').collect());
        // The client's own name is left out.
        let theirs = betas.iter().flat_map(|line| line.split(','));
        let theirs: Vec<_> = theirs
            .filter(|beta| *beta != "claude-code-20250219")
            .collect();
        assert_eq!(ours, theirs, "{model}: the betas");
    }
}
