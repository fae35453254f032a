//! Questions to the endpoints of containers and instances, over this crate's own connections.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri};
use tokio::time::timeout;
use witgate_bedrock::Access;
use witgate_bedrock::credentials::container::Container;
use witgate_bedrock::credentials::{Ask, instance};
use witgate_http::Headers;

use crate::Upstream;
use crate::admission::Admission;
use crate::config::{
    BaseUrl, HttpVersion, ProviderChange, Resilience, RetryPolicy, Scheme, UpstreamConfig,
    UpstreamKind, VmxHeaders,
};
use crate::connection::departure::Departure;
use crate::connection::response::Response;
use crate::credential::aws::find::{Origin, Place};
use crate::dns::resolver::system_resolver;
use crate::limit::Limit;
use crate::request::{Framing, HeadersOf, Request};

/// Longest time of one question. The endpoint is on the same machine.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Largest answer that is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Asks an endpoint for keys.
///
/// # Errors
///
/// There are none, and the reason. It never quotes an answer.
pub(crate) async fn ask(place: Place) -> Result<(Access, Origin), String> {
    match place {
        Place::Container(container) => {
            let proof = match container.token_file() {
                Some(path) => Some(read(path.to_owned()).await?),
                None => None,
            };
            let question = container
                .ask(proof.as_deref())
                .map_err(|error| error.to_string())?;
            let (status, body) = send(&question, None).await?;
            let keys = Container::answer(status, &body).map_err(|error| error.to_string())?;
            Ok((Access::Keys(keys), Origin::Container))
        }
        Place::Instance(at) => {
            let at = at.as_ref();
            let wrong = |error: witgate_bedrock::credentials::BadAnswer| error.to_string();
            let nowhere = |error| {
                format!(
                    "there are no AWS credentials in the environment, a profile or a container, and the instance's endpoint gives none: {error}"
                )
            };
            let (status, body) = send(&instance::ask_token(), at).await.map_err(nowhere)?;
            let token = instance::Token::answer(status, &body).map_err(wrong)?;
            let (status, body) = send(&token.ask_role(), at).await?;
            let role = instance::Role::answer(status, &body).map_err(wrong)?;
            let (status, body) = send(&token.ask_keys(&role), at).await?;
            let keys = instance::answer_keys(status, &body).map_err(wrong)?;
            Ok((Access::Keys(keys), Origin::Instance))
        }
    }
}

async fn read(path: String) -> Result<String, String> {
    let read = tokio::task::spawn_blocking(move || {
        std::fs::read_to_string(&path).map_err(|error| format!("{path} cannot be read: {error}"))
    });
    read.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// Sends a question, to another server than it names if `at` says so, and returns the status and the body of its answer.
async fn send(question: &Ask, at: Option<&BaseUrl>) -> Result<(u16, Vec<u8>), String> {
    let uri: Uri = question
        .url
        .parse()
        .map_err(|_| "the address of the endpoint for AWS credentials is no URL".to_owned())?;
    let base = match at {
        Some(base) => base.clone(),
        None => origin(&uri)?,
    };
    let mut headers = Headers::with_capacity(question.headers.len());
    for (name, value) in &question.headers {
        let value = HeaderValue::from_str(value.reveal()).map_err(|_| {
            "the token for AWS credentials contains characters that a header can't carry".to_owned()
        })?;
        headers.push(&HeaderName::from_static(name), &value);
    }
    let method = match question.method {
        "PUT" => Method::PUT,
        _ => Method::GET,
    };
    let request = Request {
        framing: match method {
            Method::PUT => Framing::Length(0),
            _ => Framing::None,
        },
        method: &method,
        path: uri.path_and_query().map_or("/", |path| path.as_str()),
        headers,
        headers_of: HeadersOf::Gateway,
        body: &[],
    };
    // Renewals are hours apart, so no connection waits for the next one.
    let server = Arc::new(Upstream::try_new(server(base), system_resolver(), None)?);
    let answered = timeout(TIMEOUT, async {
        let mut attempt = server
            .attempt(Admission::HealthCheck)
            .map_err(|closed| closed.to_string())?;
        let departure = Departure::default();
        let sent = attempt.send(&request, Limit::of_upstream(TIMEOUT), &departure);
        let mut response = Box::pin(sent).await.map_err(|error| error.to_string())?;
        let body = whole(&mut response).await?;
        Ok((response.status(), body))
    });
    answered.await.unwrap_or_else(|_| {
        let authority = &server.authority;
        Err(format!("{authority} gave no answer within {TIMEOUT:?}"))
    })
}

async fn whole(response: &mut Response) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    while !response.is_done() {
        match response.read().await {
            Ok(Some(chunk)) if body.len() + chunk.len() <= MAX_ANSWER_BYTES => {
                body.extend_from_slice(&chunk);
            }
            Ok(Some(_)) => return Err("its answer is too long for keys".to_owned()),
            Ok(None) => {}
            Err(_) => return Err("its answer broke off".to_owned()),
        }
    }
    Ok(body)
}

/// Returns the server that an address names.
fn origin(uri: &Uri) -> Result<BaseUrl, String> {
    let scheme = uri.scheme_str().unwrap_or_default();
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    BaseUrl::parse(&format!("{scheme}://{authority}"))
}

/// Returns the configuration of connections to the endpoint.
fn server(base: BaseUrl) -> UpstreamConfig {
    UpstreamConfig {
        name: base.authority(),
        credential: None,
        credentials: Vec::new(),
        connect_timeout: TIMEOUT,
        head_timeout: TIMEOUT,
        idle_timeout: TIMEOUT,
        ca_file: None,
        sni: base.host.clone(),
        kind: UpstreamKind::Messages,
        bedrock: None,
        provider: String::new(),
        provider_change: ProviderChange::Refused,
        resilience: Resilience {
            retry: RetryPolicy::default(),
            breaker: None,
            max_in_flight: None,
            health: None,
        },
        capacity: None,
        http: match base.scheme {
            Scheme::Http => HttpVersion::Http1,
            Scheme::Https => HttpVersion::Negotiated,
        },
        vmx_headers: VmxHeaders::EndHere,
        base,
    }
}
