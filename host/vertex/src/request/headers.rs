//! Headers.

/// Returns the headers of a request, as Anthropic's SDKs send them, for streams, too.
pub(super) fn of(betas: &[String]) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json".to_owned()),
    ];
    if !betas.is_empty() {
        headers.push(("anthropic-beta", betas.join(",")));
    }
    headers
}

/// Returns true for a client's header that may go on to Vertex AI, by its lowercase name.
///
/// Headers of the API do not: their betas are set anew, and the version is in the body. Nor do credentials and Google's own headers, by
/// which a client would choose the project that pays, labels and tiers past the operator.
pub fn passes(name: &str) -> bool {
    witgate_dialect::request::passes(name, &["anthropic-", "x-goog-", "x-vertex-"], &[])
}
