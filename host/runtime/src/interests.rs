//! The conditions under which a plugin's hooks are called and the texts that it inspects, as `lifecycle.configure` stated them.
//!
//! A hook that the conditions leave out is not called at all, which is the cheapest call. Where a condition can't be decided,
//! the hook is called.

mod dialect;
mod finished;
mod subscription;

pub(crate) use dialect::{Claim, Dialect};
pub use finished::ExchangeFacts;

use crate::content::ContentKinds;
use crate::contract::lifecycle::{self, Configured, Interest};
use crate::contract::{Endpoint, Envelope, SettingsProblem};
use crate::grants::{BodyGrant, Grants, HeaderGrant};
use crate::hook::{Hook, PerHook};
use crate::pattern::Pattern;
use crate::request::Request;

/// The maximum number of conditions and of the values in them, all hooks together.
const MAX_ITEMS: usize = 1_024;

/// The conditions of all hooks of a plugin, and the kinds of texts that it inspects.
#[derive(Debug, Default)]
pub(crate) struct Interests {
    hooks: PerHook<Conditions>,
    content: ContentKinds,
    correlation_header: Option<Box<str>>,
    dialect: Dialect,
}

/// The conditions of a hook, of which one has to hold. Without any, the hook is always called.
type Conditions = Option<Box<[Condition]>>;

/// A condition, all of whose parts have to hold. A part that is `None` always holds.
#[derive(Debug)]
struct Condition {
    endpoints: Option<Box<[Box<str>]>>,
    except_endpoints: Box<[Box<str>]>,
    models: Option<Box<[Pattern]>>,
    headers: Option<Box<[HeaderGrant]>>,
    tiers: Option<Box<[Box<str>]>>,
    attributes: Option<Box<[Box<str>]>>,
    secondary_index: bool,
    members: Option<Box<[Box<str>]>>,
}

// === impl Interests ===

impl Interests {
    /// Prepares the conditions and the subscription of a plugin.
    ///
    /// # Errors
    ///
    /// All headers, models, members and texts that the plugin may not read, unknown kinds of texts, and too many conditions.
    pub(crate) fn new(given: &Configured, grants: &Grants) -> Result<Self, Vec<SettingsProblem>> {
        let content = subscription::kinds(&given.content, grants);
        let correlation_header = given.correlation_header.as_deref().map(Into::into);
        let dialect = dialect::read(given.dialect.as_ref(), grants);
        let given = &*given.interests;
        // Receipts have the model whatever the plugin may read of a request.
        let of_requests = || {
            let requests = given.iter();
            requests.filter(|interest| hook_of(interest.hook) != Hook::Audit)
        };
        let headers = of_requests().flat_map(|interest| interest.headers.iter().flatten());
        let unread = headers
            .filter(|name| match name.strip_suffix('*') {
                Some(prefix) => !grants.has_headers(prefix),
                None => !grants.has_header(name),
            })
            .map(|name| SettingsProblem {
                path: String::new(),
                message: format!(
                    "the plugin is interested in the header `{name}`, which is not granted; set `headers = [\"{name}\"]` in [grants] of the sidecar to grant it"
                ),
            });
        let models = of_requests().any(|interest| interest.models.is_some());
        let members = of_requests().any(|interest| interest.members.is_some());
        let ungranted = [
            ("models", models, BodyGrant::Head),
            ("members of the body", members, BodyGrant::Read),
        ]
        .into_iter()
        .filter(|(_, are_stated, needed)| *are_stated && grants.body < *needed)
        .map(|(what, _, needed)| SettingsProblem {
            path: String::new(),
            message: format!(
                "the plugin is interested in {what}, which are not granted; set `body = \"{}\"` in [grants] of the sidecar to grant them",
                needed.name()
            ),
        });
        let unknown = finished::unknown(given);
        let mut problems: Vec<_> = unread
            .chain(ungranted)
            .chain(unknown)
            .chain(excess(given))
            .collect();
        let content = content.unwrap_or_else(|found| {
            problems.extend(found);
            ContentKinds::default()
        });
        let dialect = dialect.unwrap_or_else(|found| {
            problems.extend(found);
            Dialect::default()
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let hooks = PerHook::from_fn(|hook| {
            let of_hook = given
                .iter()
                .filter(|interest| hook_of(interest.hook) == hook);
            let conditions: Box<[_]> = of_hook.map(Condition::new).collect();
            (!conditions.is_empty()).then_some(conditions)
        });
        Ok(Self {
            hooks,
            content,
            correlation_header,
            dialect,
        })
    }

    /// Forgets the response header for the correlation id.
    pub(crate) fn without_correlation_header(&mut self) {
        self.correlation_header = None;
    }

    /// Returns the response header for the correlation id, or `None` if the plugin states none that it may set.
    pub(crate) fn correlation_header(&self) -> Option<&str> {
        self.correlation_header.as_deref()
    }

    /// Returns the dialect that the plugin translates.
    pub(crate) fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    /// Returns the kinds of texts that the plugin inspects.
    pub(crate) fn content(&self) -> ContentKinds {
        self.content
    }

    /// Returns whether a hook is to be called for a request. `context` is `None` before the envelope hooks have run.
    pub(crate) fn include(
        &self,
        hook: Hook,
        request: &dyn Request,
        context: Option<&Envelope>,
    ) -> bool {
        match self.hooks.of(hook) {
            None => true,
            Some(conditions) => conditions
                .iter()
                .any(|condition| condition.holds(request, context)),
        }
    }

    /// Returns whether the audit hook is to be called for the receipt of an exchange.
    pub(crate) fn include_receipt(&self, exchange: &ExchangeFacts<'_>) -> bool {
        match self.hooks.of(Hook::Audit) {
            None => true,
            Some(conditions) => conditions
                .iter()
                .any(|condition| condition.holds_after(exchange)),
        }
    }
}

/// Returns the problem of interests that would take long to decide for each request.
fn excess(given: &[Interest]) -> Option<SettingsProblem> {
    let texts = |list: &Option<Vec<String>>| list.as_ref().map_or(0, Vec::len);
    let items = given.iter().map(|it| {
        let endpoints = [&it.endpoints, &it.except_endpoints];
        let endpoints = endpoints.into_iter().flatten().map(Vec::len).sum::<usize>();
        let lists = [
            &it.models,
            &it.headers,
            &it.tiers,
            &it.attributes,
            &it.members,
        ];
        1 + endpoints + lists.into_iter().map(texts).sum::<usize>()
    });
    let items: usize = items.sum();
    (items > MAX_ITEMS).then(|| SettingsProblem {
        path: String::new(),
        message: format!(
            "the plugin states {items} conditions with their values, and the limit is {MAX_ITEMS}; state fewer, or none to be called for every request"
        ),
    })
}

fn hook_of(hook: lifecycle::Hook) -> Hook {
    match hook {
        lifecycle::Hook::Envelope => Hook::Envelope,
        lifecycle::Hook::Route => Hook::Route,
        lifecycle::Hook::Budget => Hook::Budget,
        lifecycle::Hook::Guard => Hook::Guard,
        lifecycle::Hook::Audit => Hook::Audit,
    }
}

// === impl Condition ===

impl Condition {
    fn new(interest: &Interest) -> Self {
        let codes = |list: &Vec<Endpoint>| list.iter().map(|it| it.code().into()).collect();
        let texts = |list: &Vec<String>| list.iter().map(|text| text.as_str().into()).collect();
        let models = |list: &Vec<String>| list.iter().map(|it| Pattern::new(it)).collect();
        // A text that is no header name is the name of no header.
        let headers = |list: &Vec<String>| {
            let named = list.iter().map(|it| HeaderGrant::parse(it));
            named.filter_map(Result::ok).collect()
        };
        Self {
            endpoints: interest.endpoints.as_ref().map(codes),
            except_endpoints: interest
                .except_endpoints
                .as_ref()
                .map(codes)
                .unwrap_or_default(),
            models: interest.models.as_ref().map(models),
            headers: interest.headers.as_ref().map(headers),
            tiers: interest.tiers.as_ref().map(texts),
            attributes: interest.attributes.as_ref().map(texts),
            secondary_index: interest.secondary_index,
            members: interest.members.as_ref().map(texts),
        }
    }

    fn holds(&self, request: &dyn Request, context: Option<&Envelope>) -> bool {
        let endpoint = request.endpoint();
        self.endpoints
            .as_ref()
            .is_none_or(|list| has(list, endpoint))
            && !has(&self.except_endpoints, endpoint)
            && self.has_tier(request)
            && self.has_secondary_index(context)
            && self.has_attribute(context)
            && self.has_member(request)
            && self.has_header(request)
            && self.has_model(request, context)
    }

    fn has_tier(&self, request: &dyn Request) -> bool {
        self.tiers.as_ref().is_none_or(|tiers| {
            let tier = request.caller().tier.as_deref();
            tier.is_some_and(|tier| has(tiers, tier))
        })
    }

    fn has_attribute(&self, context: Option<&Envelope>) -> bool {
        self.attributes.as_ref().is_none_or(|names| {
            let attributes = context.into_iter().flat_map(|context| &context.attributes);
            attributes.into_iter().any(|(name, _)| has(names, name))
        })
    }

    fn has_secondary_index(&self, context: Option<&Envelope>) -> bool {
        !self.secondary_index || context.is_some_and(|it| it.secondary_index.is_some())
    }

    fn has_header(&self, request: &dyn Request) -> bool {
        self.headers.as_ref().is_none_or(|wanted| {
            request.has_header_like(&|name| wanted.iter().any(|header| header.has(name)))
        })
    }

    fn has_member(&self, request: &dyn Request) -> bool {
        self.members
            .as_ref()
            .is_none_or(|names| names.iter().any(|name| request.member(name).is_some()))
    }

    fn has_model(&self, request: &dyn Request, context: Option<&Envelope>) -> bool {
        let Some(patterns) = &self.models else {
            return true;
        };
        let matches = |name: &str| patterns.iter().any(|pattern| pattern.matches(name));
        // Models in other places than `model` are rare, and one of them may match.
        context
            .and_then(|context| context.resource.as_deref())
            .is_some_and(matches)
            || match request.model() {
                Some(model) => matches(&model),
                None => patterns.iter().any(Pattern::is_any),
            }
            || request.names_other_models()
    }
}

fn has(list: &[Box<str>], name: &str) -> bool {
    list.iter().any(|known| **known == *name)
}
