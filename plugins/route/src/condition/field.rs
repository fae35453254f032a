//! The fields that conditions may name.

use std::borrow::Cow;

use crate::facts::{Facts, Model};

/// A fact of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
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
    Metadata(String),
    Label(String),
    Attribute(String),
    MaxTokens,
    MessageCount,
    ToolCount,
    PromptTokens,
    BodyBytes,
    Share,
    ErrorPercent(String),
    InFlight(String),
}

/// List of all fields, for the message about an unknown one.
pub(super) const KNOWN: &str = "known are model, resource, stream, endpoint, tools, tenant, user, tier, session, \
    agent, request_class, workspace, environment, address, metadata.NAME, labels.NAME, attributes.NAME, max_tokens, message_count, tool_count, \
    prompt_tokens, body_bytes, share, upstreams.NAME.error_percent and upstreams.NAME.in_flight";

// === impl Field ===

impl Field {
    /// Returns the field named `name`, or `None` if there is none.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "model" => Self::Model,
            "resource" => Self::Resource,
            "stream" => Self::Stream,
            "endpoint" => Self::Endpoint,
            "tools" => Self::Tools,
            "tenant" => Self::Tenant,
            "user" => Self::User,
            "tier" => Self::Tier,
            "session" => Self::Session,
            "agent" => Self::Agent,
            "request_class" => Self::RequestClass,
            "workspace" => Self::Workspace,
            "environment" => Self::Environment,
            "address" => Self::Address,
            "max_tokens" => Self::MaxTokens,
            "message_count" => Self::MessageCount,
            "tool_count" => Self::ToolCount,
            "prompt_tokens" => Self::PromptTokens,
            "body_bytes" => Self::BodyBytes,
            "share" => Self::Share,
            _ => {
                let (group, rest) = name.split_once('.').filter(|(_, rest)| !rest.is_empty())?;
                match (group, rest.rsplit_once('.')) {
                    ("metadata", _) => Self::Metadata(rest.to_owned()),
                    ("labels", _) => Self::Label(rest.to_owned()),
                    ("attributes", _) => Self::Attribute(rest.to_owned()),
                    ("upstreams", Some((upstream, "error_percent"))) => {
                        Self::ErrorPercent(upstream.to_owned())
                    }
                    ("upstreams", Some((upstream, "in_flight"))) => {
                        Self::InFlight(upstream.to_owned())
                    }
                    _ => return None,
                }
            }
        })
    }

    /// Returns whether the field is a number, tested with `at_least` and `below`. Other fields are texts, tested with `is`.
    pub(super) const fn is_number(&self) -> bool {
        matches!(
            self,
            Self::MaxTokens
                | Self::MessageCount
                | Self::ToolCount
                | Self::PromptTokens
                | Self::BodyBytes
                | Self::Share
                | Self::ErrorPercent(_)
                | Self::InFlight(_)
        )
    }

    /// Returns the top-level member of the body that the field is read from, or `None` if it is read elsewhere.
    pub(super) const fn member(&self) -> Option<&'static str> {
        match self {
            Self::Model | Self::Resource => Some("model"),
            Self::Stream => Some("stream"),
            Self::Tools | Self::ToolCount => Some("tools"),
            Self::MaxTokens => Some("max_tokens"),
            Self::MessageCount => Some("messages"),
            _ => None,
        }
    }

    /// Returns the value of a text field, or `None` if the request lacks it. Tools are a list, which the caller tests itself.
    pub(super) fn text<'a>(&self, facts: &'a Facts<'_>, model: Model<'a>) -> Option<Cow<'a, str>> {
        let (context, caller) = (facts.context(), facts.request().caller());
        let borrowed = match self {
            Self::Stream => Some(if facts.head().stream { "true" } else { "false" }),
            Self::Endpoint => return Some(facts.request().endpoint().code().to_owned().into()),
            Self::Label(name) => caller.label(name),
            Self::Model => match model {
                Model::Asked => facts.model(),
                Model::Planned(model) => Some(model),
            },
            Self::Resource => context.resource().or_else(|| facts.model()),
            Self::Tenant => context.tenant(),
            Self::User => context.user(),
            Self::Tier => caller.tier(),
            Self::Session => context.session(),
            Self::Agent => context.agent(),
            Self::RequestClass => context.attribute("request.class"),
            Self::Workspace => context.attribute("workspace"),
            Self::Environment => context.attribute("environment"),
            Self::Address => context.attribute("client.address"),
            Self::Metadata(name) => context.metadata(name),
            Self::Attribute(name) => context.attribute(name),
            Self::Tools
            | Self::MaxTokens
            | Self::MessageCount
            | Self::ToolCount
            | Self::PromptTokens
            | Self::BodyBytes
            | Self::Share
            | Self::ErrorPercent(_)
            | Self::InFlight(_) => None,
        };
        borrowed.map(Cow::Borrowed)
    }

    /// Returns the value of a number field, or `None` if the request lacks it.
    pub(super) fn number(&self, facts: &Facts<'_>) -> Option<u64> {
        match self {
            Self::MaxTokens => facts.head().max_tokens,
            Self::MessageCount => Some(facts.head().message_count.into()),
            Self::ToolCount => Some(facts.head().tool_count.into()),
            Self::PromptTokens => Some(facts.head().prompt_tokens),
            Self::BodyBytes => Some(facts.head().body_bytes),
            Self::Share => Some(facts.lot() % 100),
            Self::ErrorPercent(name) => {
                let stats = facts.upstream(name)?;
                Some(
                    stats
                        .errors
                        .saturating_mul(100)
                        .checked_div(stats.requests)
                        .unwrap_or_default(),
                )
            }
            Self::InFlight(name) => Some(facts.upstream(name)?.in_flight.into()),
            Self::Model
            | Self::Resource
            | Self::Stream
            | Self::Endpoint
            | Self::Tools
            | Self::Tenant
            | Self::User
            | Self::Tier
            | Self::Session
            | Self::Agent
            | Self::RequestClass
            | Self::Workspace
            | Self::Environment
            | Self::Address
            | Self::Metadata(_)
            | Self::Label(_)
            | Self::Attribute(_) => None,
        }
    }
}
