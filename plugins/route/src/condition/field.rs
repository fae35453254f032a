//! The fields that conditions may name.

use std::borrow::Cow;

use crate::facts::{Facts, Model};

/// A fact of a request.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(super) kind: Kind,
    /// Name of the entry, or of the upstream, for the kinds that have one.
    name: String,
}

/// A kind of fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Model,
    Resource,
    Stream,
    Endpoint,
    Tools,
    Tenant,
    User,
    Tier,
    Session,
    Agent,
    RequestClass,
    Workspace,
    Environment,
    Address,
    Metadata,
    Label,
    Attribute,
    MaxTokens,
    MessageCount,
    ToolCount,
    PromptTokens,
    BodyBytes,
    Share,
    ErrorPercent,
    InFlight,
}

/// The fields that have one name each.
const PLAIN: [(&str, Kind); 20] = [
    ("model", Kind::Model),
    ("resource", Kind::Resource),
    ("stream", Kind::Stream),
    ("endpoint", Kind::Endpoint),
    ("tools", Kind::Tools),
    ("tenant", Kind::Tenant),
    ("user", Kind::User),
    ("tier", Kind::Tier),
    ("session", Kind::Session),
    ("agent", Kind::Agent),
    ("request_class", Kind::RequestClass),
    ("workspace", Kind::Workspace),
    ("environment", Kind::Environment),
    ("address", Kind::Address),
    ("max_tokens", Kind::MaxTokens),
    ("message_count", Kind::MessageCount),
    ("tool_count", Kind::ToolCount),
    ("prompt_tokens", Kind::PromptTokens),
    ("body_bytes", Kind::BodyBytes),
    ("share", Kind::Share),
];

/// The fields with names of their own, by their beginning and end.
const NAMED: [(&str, &str, Kind); 5] = [
    ("metadata.", "", Kind::Metadata),
    ("labels.", "", Kind::Label),
    ("attributes.", "", Kind::Attribute),
    ("upstreams.", ".error_percent", Kind::ErrorPercent),
    ("upstreams.", ".in_flight", Kind::InFlight),
];

/// The attribute of the context with the client's address.
pub(super) const ADDRESS: &str = "client.address";

/// List of all fields, for the message about an unknown one.
pub(super) const KNOWN: &str = "known are model, resource, stream, endpoint, tools, tenant, user, tier, session, \
    agent, request_class, workspace, environment, address, metadata.NAME, labels.NAME, attributes.NAME, max_tokens, message_count, tool_count, \
    prompt_tokens, body_bytes, share, upstreams.NAME.error_percent and upstreams.NAME.in_flight";

// === impl Field ===

impl Field {
    /// Returns the field named `name`, or `None` if there is none.
    pub(super) fn named(name: &str) -> Option<Self> {
        let plain = PLAIN.iter().find(|(known, _)| *known == name);
        if let Some((_, kind)) = plain {
            return Some(Self {
                kind: *kind,
                name: String::new(),
            });
        }
        NAMED.iter().find_map(|(beginning, end, kind)| {
            let name = name.strip_prefix(beginning)?.strip_suffix(end)?;
            (!name.is_empty()).then(|| Self {
                kind: *kind,
                name: name.to_owned(),
            })
        })
    }

    /// Returns whether the field is a number, tested with `at_least` and `below`. Other fields are texts, tested with `is`.
    pub(super) const fn is_number(&self) -> bool {
        matches!(
            self.kind,
            Kind::MaxTokens
                | Kind::MessageCount
                | Kind::ToolCount
                | Kind::PromptTokens
                | Kind::BodyBytes
                | Kind::Share
                | Kind::ErrorPercent
                | Kind::InFlight
        )
    }

    /// Returns the top-level member of the body that the field is read from, or `None` if it is read elsewhere.
    pub(super) const fn member(&self) -> Option<&'static str> {
        match self.kind {
            Kind::Model | Kind::Resource => Some("model"),
            Kind::Stream => Some("stream"),
            Kind::Tools | Kind::ToolCount => Some("tools"),
            Kind::MaxTokens => Some("max_tokens"),
            Kind::MessageCount => Some("messages"),
            _ => None,
        }
    }

    /// Returns the value of a text field, or `None` if the request lacks it. Tools are a list, which the caller tests itself.
    pub(super) fn text<'a>(&self, facts: &'a Facts<'_>, model: Model<'a>) -> Option<Cow<'a, str>> {
        let (context, caller) = (facts.context(), facts.request().caller());
        let borrowed = match self.kind {
            Kind::Stream => Some(if facts.head().stream { "true" } else { "false" }),
            Kind::Endpoint => return Some(facts.request().endpoint().code().to_owned().into()),
            Kind::Label => caller.label(&self.name),
            Kind::Model => match model {
                Model::Asked => facts.model(),
                Model::Planned(model) => Some(model),
            },
            Kind::Resource => context.resource().or_else(|| facts.model()),
            Kind::Tenant => context.tenant(),
            Kind::User => context.user(),
            Kind::Tier => caller.tier(),
            Kind::Session => context.session(),
            Kind::Agent => context.agent(),
            Kind::RequestClass => context.attribute("request.class"),
            Kind::Workspace => context.attribute("workspace"),
            Kind::Environment => context.attribute("environment"),
            Kind::Address => context.attribute(ADDRESS),
            Kind::Metadata => context.metadata(&self.name),
            Kind::Attribute => context.attribute(&self.name),
            Kind::Tools
            | Kind::MaxTokens
            | Kind::MessageCount
            | Kind::ToolCount
            | Kind::PromptTokens
            | Kind::BodyBytes
            | Kind::Share
            | Kind::ErrorPercent
            | Kind::InFlight => None,
        };
        borrowed.map(Cow::Borrowed)
    }

    /// Returns the value of a number field, or `None` if the request lacks it.
    pub(super) fn number(&self, facts: &Facts<'_>) -> Option<u64> {
        match self.kind {
            Kind::MaxTokens => facts.head().max_tokens,
            Kind::MessageCount => Some(facts.head().message_count.into()),
            Kind::ToolCount => Some(facts.head().tool_count.into()),
            Kind::PromptTokens => Some(facts.head().prompt_tokens),
            Kind::BodyBytes => Some(facts.head().body_bytes),
            Kind::Share => Some(facts.lot() % 100),
            Kind::ErrorPercent => {
                let stats = facts.upstream(&self.name)?;
                Some(
                    stats
                        .errors
                        .saturating_mul(100)
                        .checked_div(stats.requests)
                        .unwrap_or_default(),
                )
            }
            Kind::InFlight => Some(facts.upstream(&self.name)?.in_flight.into()),
            Kind::Model
            | Kind::Resource
            | Kind::Stream
            | Kind::Endpoint
            | Kind::Tools
            | Kind::Tenant
            | Kind::User
            | Kind::Tier
            | Kind::Session
            | Kind::Agent
            | Kind::RequestClass
            | Kind::Workspace
            | Kind::Environment
            | Kind::Address
            | Kind::Metadata
            | Kind::Label
            | Kind::Attribute => None,
        }
    }
}
