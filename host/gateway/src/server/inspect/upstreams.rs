//! Questions to the upstreams of a configuration: does each answer, and with its models?

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::Deserialize;
use tokio::task::JoinSet;
use witgate_upstream::config::{Credential, UpstreamKind};
use witgate_upstream::{Answered, Counted, Skew, Upstream, Upstreams, system_resolver};

use crate::config::Config;
use crate::prices::Prices;

/// The question: all models of an upstream (`/v1/models`, at most 1,000 a page).
const MODELS: &str = "/v1/models?limit=1000";

/// The time that an upstream has to answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// The difference of clocks from which it is told. Signed requests and tokens are refused from about five minutes on.
const SKEW: Duration = Duration::from_secs(60);

/// The most names of models that a line lists.
const MOST_NAMES: usize = 10;

/// Longest part of an upstream's own words that is told, in characters.
const MOST_WORDS: usize = 200;

/// The same where a cure and the source of the credential follow the words.
const MOST_WORDS_AND_CURES: usize = 600;

/// The result of a question to one upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The name of the upstream.
    pub upstream: String,
    /// True if requests can be expected to succeed.
    pub is_fine: bool,
    /// Sentences about it, of which the first says what happened.
    pub said: Vec<String>,
}

/// A page of a list of models, as far as it is read.
#[derive(Deserialize)]
struct Page {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

/// An error of the API, or of a server that has errors of the same shape.
#[derive(Deserialize)]
struct Failure {
    error: Reason,
}

#[derive(Deserialize)]
struct Reason {
    message: String,
}

/// Asks each upstream of a configuration for its models, or for a count of tokens where there is no list, all at once. Each costs at most 15 s, no money, and a request of its rate limit. Returns
/// the verdicts in the order of the configuration.
pub async fn upstreams(config: &Config) -> Vec<Verdict> {
    let resolver = system_resolver();
    let prices = Prices::read(config).ok().map(Arc::new);
    let mut asking = JoinSet::new();
    for (place, upstream) in config.upstreams.iter().enumerate() {
        let alone = std::slice::from_ref(upstream);
        let made = Upstreams::try_new(alone, &[], &upstream.name, &resolver, None);
        let name = upstream.name.clone();
        let prices = prices.clone();
        asking.spawn(async move {
            let verdict = match made.map(|made| made.get(&name).map(Arc::clone)) {
                Ok(Some(upstream)) => ask(&upstream, prices.as_deref()).await,
                Ok(None) => Verdict::bad(&name, "it could not be prepared".to_owned()),
                Err(problem) => Verdict::bad(&name, problem),
            };
            (place, verdict)
        });
    }
    let mut verdicts = asking.join_all().await;
    verdicts.sort_by_key(|(place, _)| *place);
    verdicts.into_iter().map(|(_, verdict)| verdict).collect()
}

async fn ask(upstream: &Arc<Upstream>, prices: Option<&Prices>) -> Verdict {
    let name = &upstream.config.name;
    if let Some(counted) = upstream.count(PATIENCE).await {
        return match counted {
            Ok(counted) => judge_count(name, &counted),
            Err(why) => Verdict::bad(name, why),
        };
    }
    let answered = match upstream.ask(MODELS, PATIENCE).await {
        Ok(answered) => answered,
        Err(why) => return Verdict::bad(name, why),
    };
    let mut verdict = judge(upstream, &answered, prices);
    verdict
        .said
        .extend(skew(answered.date.as_deref(), SystemTime::now()));
    verdict
}

fn judge(upstream: &Upstream, answered: &Answered, prices: Option<&Prices>) -> Verdict {
    let config = &upstream.config;
    let name = &config.name;
    let status = answered.status;
    let told = told(&answered.body, MOST_WORDS);
    match status {
        200 => match serde_json::from_slice::<Page>(&answered.body) {
            Ok(page) => Verdict::fine(name, models(name, &page, prices)),
            Err(_) if config.kind == UpstreamKind::Messages => Verdict::fine(
                name,
                "it answers, but not with a list of models".to_owned(),
            ),
            Err(_) => Verdict::bad(
                name,
                "it answers /v1/models with something else than a list of models: `base_url` names another server, or a proxy in between answers".to_owned(),
            ),
        },
        401 | 403 if upstream.takes_callers_credential() => Verdict::fine(
            name,
            "it answers; it is sent the callers' own credentials, which were not tried".to_owned(),
        ),
        401 | 403 => Verdict::bad(name, refused(config.credential.as_ref(), status, &told)),
        404 | 405 | 501 if config.kind == UpstreamKind::Messages => Verdict::fine(
            name,
            format!("it answers, and has no list of models ({status}); its credential was not tried"),
        ),
        404 => Verdict::bad(
            name,
            format!("it has nothing at /v1/models (404{told}): `base_url` must be the part of the URL before /v1"),
        ),
        429 => Verdict::fine(
            name,
            format!("it accepts the credential, whose limits are used up now (429{told})"),
        ),
        300..=399 => Verdict::bad(
            name,
            format!("it redirects ({status}), which is not followed: set `base_url` to where it leads"),
        ),
        500.. => Verdict::bad(name, format!("it fails or is overloaded ({status}{told})")),
        _ => Verdict::bad(name, format!("it refuses the question for its models ({status}{told})")),
    }
}

/// Judges the answer to a count of tokens, by an upstream of another dialect. Its message has the cure.
fn judge_count(name: &str, counted: &Counted) -> Verdict {
    let Counted {
        model,
        is_configured,
        answered,
    } = counted;
    let status = answered.status;
    let told = told(&answered.body, MOST_WORDS_AND_CURES);
    let mut verdict = match status {
        200 => Verdict::fine(name, format!("it counts tokens with {model}")),
        401 => Verdict::bad(name, format!("it refuses the credential ({status}{told})")),
        429 => Verdict::fine(
            name,
            format!("it accepts the credential, whose limits are used up now (429{told})"),
        ),
        400 | 403 | 404 if !is_configured => Verdict::fine(
            name,
            format!(
                "it answers, and not for {model} ({status}{told}); name a model that it serves in `models`, and that one is asked for"
            ),
        ),
        403 => Verdict::bad(
            name,
            format!("it does not let the credential use {model} (403{told})"),
        ),
        500.. => Verdict::bad(name, format!("it fails or is overloaded ({status}{told})")),
        _ => Verdict::bad(
            name,
            format!("it refuses to count tokens with {model} ({status}{told})"),
        ),
    };
    verdict
        .said
        .extend(skew(answered.date.as_deref(), SystemTime::now()));
    verdict
}

/// Returns the sentence about a credential that was refused.
fn refused(credential: Option<&Credential>, status: u16, told: &str) -> String {
    match credential {
        Some(Credential::Own(own)) => format!(
            "it refuses the credential ({status}{told}): see what is in {}",
            own.source
        ),
        Some(Credential::Client) | None => {
            format!("it wants a credential ({status}{told}): set `credential` of the upstream")
        }
    }
}

/// Returns the sentence about a list of models.
fn models(upstream: &str, page: &Page, prices: Option<&Prices>) -> String {
    let count = page.data.len();
    let noun = if count == 1 { "model" } else { "models" };
    let Some(prices) = prices else {
        return format!("it answers with {count} {noun}");
    };
    let book = prices.of(Some(upstream));
    let unpriced: Vec<_> = page
        .data
        .iter()
        .map(|model| &*model.id)
        .filter(|id| !book.has_price(id))
        .collect();
    match unpriced.as_slice() {
        [] => format!("it answers with {count} {noun}, all of which have prices"),
        names => {
            let listed = names
                .iter()
                .take(MOST_NAMES)
                .map(|name| clean(name, MOST_WORDS));
            let mut listed = listed.collect::<Vec<_>>().join(", ");
            if names.len() > MOST_NAMES {
                listed = format!("{listed} and {} more", names.len() - MOST_NAMES);
            }
            format!("it answers with {count} {noun}; without a price: {listed}")
        }
    }
}

/// Returns the sentence about an upstream's clock that differs from this machine's.
fn skew(date: Option<&str>, now: SystemTime) -> Option<String> {
    let skew = Skew::between(date, now, SKEW)?;
    Some(format!(
        "{}: set it (timedatectl), or tokens and signatures are refused and limits reset at the wrong time",
        skew.said("the upstream")
    ))
}

/// Returns an upstream's own words about an error, to follow its status, or nothing.
fn told(body: &[u8], most: usize) -> String {
    let failure = serde_json::from_slice::<Failure>(body);
    failure.map_or_else(
        |_| String::new(),
        |failure| format!(": {}", clean(&failure.error.message, most)),
    )
}

/// Returns another server's words without what a terminal would act on.
fn clean(words: &str, most: usize) -> String {
    let printable = |letter: &char| !letter.is_control();
    words.chars().filter(printable).take(most).collect()
}

// === impl Verdict ===

impl Verdict {
    fn fine(upstream: &str, said: String) -> Self {
        Self {
            upstream: upstream.to_owned(),
            is_fine: true,
            said: vec![said],
        }
    }

    fn bad(upstream: &str, said: String) -> Self {
        Self {
            is_fine: false,
            ..Self::fine(upstream, said)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_spoken_of_only_if_it_is_a_minute_off() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:50:00 GMT").unwrap();
        let said = |date| skew(Some(date), now);
        assert_eq!(said("Sun, 06 Nov 1994 08:49:01 GMT"), None);
        assert_eq!(said("no date"), None);
        let ahead = said("Sun, 06 Nov 1994 08:44:00 GMT").unwrap();
        assert!(ahead.contains("is 360 s ahead of"), "{ahead}");
        let behind = said("Sun, 06 Nov 1994 08:51:00 GMT").unwrap();
        assert!(behind.contains("is 60 s behind"), "{behind}");
    }
}
