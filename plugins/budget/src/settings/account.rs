//! Accounts: the parts of a request that a limit is for.

use witgate_plugin::json::Json;
use witgate_plugin::settings::Setting;
use witgate_plugin::{Problems, Request};

/// The owner of a limit: one dimension of requests, or several joined with `+`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    /// The account as in the settings, without a name.
    pub(crate) kind: String,
    /// The name after a colon, if only one account is meant.
    pub(crate) name: Option<String>,
    dimensions: Vec<(Dimension, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Dimension {
    Key,
    Organization,
    Tenant,
    User,
    Session,
    Agent,
    Workspace,
    Environment,
    Address,
    Upstream,
    Resource,
    Model,
    Label,
    Metadata,
}

const PLAIN: [(&str, Dimension); 12] = [
    ("key", Dimension::Key),
    ("organization", Dimension::Organization),
    ("tenant", Dimension::Tenant),
    ("user", Dimension::User),
    ("session", Dimension::Session),
    ("agent", Dimension::Agent),
    ("workspace", Dimension::Workspace),
    ("environment", Dimension::Environment),
    ("address", Dimension::Address),
    ("upstream", Dimension::Upstream),
    ("resource", Dimension::Resource),
    ("model", Dimension::Model),
];

/// The dimensions with a name of their own.
const NAMED: [(&str, Dimension); 2] = [
    ("label.", Dimension::Label),
    ("metadata.", Dimension::Metadata),
];

// === impl Account ===

impl Account {
    /// Returns the account of a request: `KIND:NAME`, or for several dimensions `KIND+KIND:NAME+NAME`. What a name could be mistaken for
    /// is written as `%` and its number.
    ///
    /// If the request does not name a user, session and so on, its key stands in: leaving the name out evades no limit, and no key
    /// pays for another one.
    pub(crate) fn of(&self, request: &Request<'_>) -> String {
        // With room for a name and its parent, so that it rarely grows.
        let mut account = String::with_capacity(self.kind.len() + 96);
        account.push_str(&self.kind);
        account.push(':');
        for (index, (dimension, name)) in self.dimensions.iter().enumerate() {
            if index > 0 {
                account.push('+');
            }
            let (parent, value) = dimension.of(name, request);
            if let Some(parent) = parent {
                self.push(&mut account, parent, true);
                account.push('/');
            }
            match value {
                Some(value) => self.push(&mut account, value, false),
                None => {
                    account.push(':');
                    account.push_str(request.caller().key_id());
                }
            }
        }
        account
    }

    /// Appends a name, with all that has a meaning in its place escaped: the colon of a key that stands in, the slash after a parent,
    /// and the plus between dimensions.
    fn push(&self, account: &mut String, name: &str, is_parent: bool) {
        if !name.bytes().any(|byte| b":/+%".contains(&byte)) {
            account.push_str(name);
            return;
        }
        let joined = self.dimensions.len() > 1;
        for (index, character) in name.char_indices() {
            match character {
                ':' if index == 0 => account.push_str("%3A"),
                '/' if is_parent => account.push_str("%2F"),
                '+' if joined => account.push_str("%2B"),
                '%' if joined || is_parent => account.push_str("%25"),
                _ => account.push(character),
            }
        }
    }
}

impl PartialEq for Account {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.name == other.name
    }
}

impl Setting for Account {
    fn read(value: &Json<'_>, path: &str, problems: &mut Problems) -> Option<Self> {
        let text = String::read(value, path, problems)?;
        let (kind, name) = match text.split_once(':') {
            Some((kind, name)) => (kind.to_owned(), Some(name.to_owned())),
            None => (text, None),
        };
        let dimensions: Option<Vec<_>> = kind.split('+').map(Dimension::parse).collect();
        let Some(dimensions) = dimensions else {
            problems.wrong(
                path,
                "must be `key`, `organization`, `tenant`, `user`, `session`, `agent`, `workspace`, `environment`, `address`, `upstream`, `resource`, `model`, `label.NAME` or `metadata.NAME`, or several of them joined with `+`",
            );
            return None;
        };
        Some(Self {
            kind,
            name,
            dimensions,
        })
    }
}

// === impl Dimension ===

impl Dimension {
    fn parse(text: &str) -> Option<(Self, String)> {
        let plain = PLAIN.iter().find(|(name, _)| *name == text);
        if let Some((_, dimension)) = plain {
            return Some((*dimension, String::new()));
        }
        NAMED.iter().find_map(|(prefix, dimension)| {
            let name = text.strip_prefix(prefix)?;
            (!name.is_empty()).then(|| (*dimension, name.to_owned()))
        })
    }

    /// Returns the name that the request has in this dimension, and the parent within which the name means something.
    fn of<'a>(self, name: &str, request: &'a Request<'_>) -> (Option<&'a str>, Option<&'a str>) {
        let (caller, context) = (request.caller(), request.context());
        match self {
            Self::Key => (None, Some(caller.key_id())),
            Self::Organization => (None, caller.label("organization")),
            Self::Label => (None, caller.label(name)),
            Self::Tenant => (None, context.tenant()),
            // Users of keys without a tenant are the operator's own.
            Self::User => match context.user() {
                None => (None, None),
                user => (context.tenant(), user),
            },
            // Callers make these up, so they mean something within their tenant or key only.
            Self::Session | Self::Agent => {
                let named = match self {
                    Self::Session => context.session(),
                    _ => context.agent(),
                };
                let owner = context.tenant().or(Some(caller.key_id()));
                (named.and(owner), named)
            }
            Self::Workspace => (None, context.attribute("workspace")),
            Self::Environment => {
                let named = context
                    .attribute("workspace")
                    .zip(context.attribute("environment"));
                (named.map(|named| named.0), named.map(|named| named.1))
            }
            Self::Address => (None, context.attribute("client.address")),
            Self::Metadata => (None, context.metadata(name)),
            Self::Upstream => {
                let target = request.planned().target(0);
                (None, target.map(|target| target.upstream))
            }
            Self::Resource => (None, context.resource().or_else(|| model(request))),
            Self::Model => (None, model(request)),
        }
    }
}

/// Returns the model that the request will be sent with.
pub(crate) fn model<'a>(request: &'a Request<'_>) -> Option<&'a str> {
    let planned = request.planned().target(0).and_then(|target| target.model);
    planned.or_else(|| request.head().model)
}
