//! Questions for credentials to the endpoints of clouds, over this crate's own connections.

mod aws;
mod entra;
mod google;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Uri};
use witgate_dialect::{Question, Reach};
use witgate_http::Headers;

use crate::Upstream;
use crate::config::{BaseUrl, UpstreamConfig};
use crate::credential::leased::found::{Access, Place};
use crate::dns::resolver::system_resolver;
use crate::question::{Answered, Asking};

/// Longest time of a question to the machine's own service.
const NEAR: Duration = Duration::from_secs(2);

/// Longest time of a question to a server on the internet.
const FAR: Duration = Duration::from_secs(10);

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The way to an endpoint, where it is another one than the question names.
#[derive(Clone, Copy, Default)]
struct Way<'a> {
    /// Another server.
    at: Option<&'a BaseUrl>,
    /// CA certificates to trust, in place of the system's.
    ca_file: Option<&'a Path>,
}

/// Asks an endpoint for a credential. Returns it with its place in words.
///
/// # Errors
///
/// There is none, and the reason. It never quotes a secret.
pub(crate) async fn ask(place: Place) -> Result<(Access, String), String> {
    match place {
        Place::Container(container) => aws::container(&container).await,
        Place::Instance(at) => aws::instance(at.as_ref()).await,
        Place::Google(place) => google::token(*place).await,
        Place::Entra(place) => entra::token(*place).await,
    }
}

/// Reads a file that is read anew for each question.
async fn read(path: &str) -> Result<String, String> {
    let path = path.to_owned();
    let read = tokio::task::spawn_blocking(move || {
        std::fs::read_to_string(&path).map_err(|error| format!("{path} cannot be read: {error}"))
    });
    read.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// Sends a question and reads its answer whole.
async fn send(question: &Question, way: Way<'_>) -> Result<Answered, String> {
    let url = &question.url;
    let uri: Uri = url
        .parse()
        .map_err(|_| format!("`{url}` is no address to ask for a credential"))?;
    let base = match way.at {
        Some(base) => base.clone(),
        None => origin(&uri)?,
    };
    let within = match question.reach {
        Reach::Machine => NEAR,
        Reach::Internet => FAR,
    };
    let wrong = || "a question for a credential has a header that cannot be sent".to_owned();
    let mut headers = Headers::with_capacity(question.headers.len());
    for (name, value) in &question.headers {
        let name: HeaderName = name.parse().map_err(|_| wrong())?;
        let mut value = HeaderValue::from_str(value.reveal()).map_err(|_| wrong())?;
        value.set_sensitive(true);
        headers.push(&name, &value);
    }
    let asking = Asking {
        method: match question.method {
            "PUT" => Method::PUT,
            "POST" => Method::POST,
            _ => Method::GET,
        },
        path: uri.path_and_query().map_or("/", |path| path.as_str()),
        headers,
        body: question
            .body
            .as_ref()
            .map(|body| Bytes::copy_from_slice(body.reveal().as_bytes())),
        within,
        most: MAX_ANSWER_BYTES,
    };
    // Renewals are hours apart, so no connection waits for the next one.
    let server = UpstreamConfig::of_endpoint(base, within, way.ca_file);
    let server = Arc::new(Upstream::try_new(server, system_resolver(), None)?);
    let authority = &server.authority;
    let answered = server.question(asking).await;
    let answered = answered
        .map_err(|why| format!("{authority}, which gives the credential, did not answer: {why}"))?;
    if !answered.is_whole {
        return Err(format!(
            "{authority}, which gives the credential, broke off its answer, or gave one that is too long"
        ));
    }
    Ok(answered)
}

/// Returns the server that an address names.
fn origin(uri: &Uri) -> Result<BaseUrl, String> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    BaseUrl::parse(&format!("{scheme}://{authority}"))
}
