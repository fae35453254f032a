//! Kinds of accounts: one dimension of requests, or several joined with `+`.

use std::net::IpAddr;

use smallvec::SmallVec;

use super::Payer;
use crate::text::address;

/// A kind of account that the gateway can name for every request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kind {
    /// The text before the colon.
    name: Box<str>,
    dimensions: SmallVec<[Dimension; 2]>,
}

/// A dimension of requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Dimension {
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
    Label(Box<str>),
    Metadata(Box<str>),
}

/// The dimensions without a name of their own.
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

// === impl Kind ===

impl Kind {
    /// The words for the dimensions, for texts about an account of another kind.
    pub(crate) const WORDS: &str = "key, organization, tenant, user, session, agent, workspace, environment, address, upstream, resource, model, label.NAME or metadata.NAME, or several of them joined with `+`";

    /// Returns the kind of an account, or `None` if the gateway can't name such accounts.
    pub(crate) fn of(account: &str) -> Option<Self> {
        let (kind, _) = account.split_once(':')?;
        let dimensions: Option<_> = kind.split('+').map(Dimension::parse).collect();
        Some(Self {
            name: kind.into(),
            dimensions: dimensions?,
        })
    }

    /// Returns the problem of an account of this kind that no request has, or `None`.
    pub(crate) fn problem(&self, account: &str) -> Option<String> {
        let (_, name) = account.split_once(':')?;
        let names: SmallVec<[&str; 2]> = match self.dimensions.len() {
            1 => SmallVec::from_slice(&[name]),
            _ => name.split('+').collect(),
        };
        if names.len() != self.dimensions.len() {
            return Some(format!(
                "must have a name for each part of `{}`, joined with `+`; a plus within a name is written as %2B",
                self.name
            ));
        }
        let parts = self.dimensions.iter().zip(&names);
        parts
            .into_iter()
            .find_map(|(dimension, name)| dimension.problem(name))
    }

    /// Returns the account of a request. Its key stands in for what the request does not name.
    pub(crate) fn account(&self, payer: &Payer<'_>) -> String {
        let is_joined = self.dimensions.len() > 1;
        // With room for a name and its parent, so that it rarely grows.
        let mut account = String::with_capacity(self.name.len() + 96);
        account.push_str(&self.name);
        account.push(':');
        for (index, dimension) in self.dimensions.iter().enumerate() {
            if index > 0 {
                account.push('+');
            }
            let (parent, name) = payer.name(dimension);
            if let Some(parent) = parent {
                push(&mut account, parent, true, is_joined);
                account.push('/');
            }
            match name {
                Some(name) => push(&mut account, name, false, is_joined),
                None => {
                    account.push(':');
                    account.push_str(&payer.caller.id);
                }
            }
        }
        account
    }
}

// === impl Dimension ===

impl Dimension {
    fn parse(text: &str) -> Option<Self> {
        if let Some((_, dimension)) = PLAIN.iter().find(|(name, _)| *name == text) {
            return Some(dimension.clone());
        }
        let named = |prefix| {
            let name: Option<&str> = text.strip_prefix(prefix);
            name.filter(|name| !name.is_empty())
        };
        match (named("label."), named("metadata.")) {
            (Some(name), _) => Some(Self::Label(name.into())),
            (None, Some(name)) => Some(Self::Metadata(name.into())),
            (None, None) => None,
        }
    }

    /// Returns the problem of a name that no request has in this dimension, or `None`.
    fn problem(&self, name: &str) -> Option<String> {
        // The key stands in.
        if name.starts_with(':') {
            return None;
        }
        let is_below = |parent: &str, kind: &str| {
            (!name.contains('/')).then(|| {
                format!("must name the {parent} of the {kind}, too: {kind}:{parent}/NAME, as on the page /budgets")
            })
        };
        match self {
            _ if name.is_empty() => Some(
                "must be the full name of an account, KIND:NAME, as on the page /budgets".into(),
            ),
            Self::Session => is_below("tenant", "session"),
            Self::Agent => is_below("tenant", "agent"),
            Self::Environment => is_below("workspace", "environment"),
            Self::Address => {
                let known = name.parse::<IpAddr>();
                let is_plain = known.is_ok_and(|known| address(known) == name);
                (!is_plain).then(|| {
                    "must be an address of a client as receipts write it, such as 192.0.2.7 or 2001:db8::7".into()
                })
            }
            _ => None,
        }
    }
}

/// Appends a name, with all that has a meaning in its place escaped: the colon of a key that stands in, the slash after a parent, and the
/// plus between dimensions.
fn push(account: &mut String, name: &str, is_parent: bool, is_joined: bool) {
    if !name.bytes().any(|byte| b":/+%".contains(&byte)) {
        account.push_str(name);
        return;
    }
    for (index, character) in name.char_indices() {
        match character {
            ':' if index == 0 => account.push_str("%3A"),
            '/' if is_parent => account.push_str("%2F"),
            '+' if is_joined => account.push_str("%2B"),
            '%' if is_joined || is_parent => account.push_str("%25"),
            _ => account.push(character),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_that_no_request_has_is_told_with_the_right_form() {
        let problem = |account: &str| {
            let kind = Kind::of(account).expect("a kind that is known");
            kind.problem(account).unwrap_or_default()
        };
        for account in [
            "user:jane",
            "user:acme/jane+x",
            "user+model:acme/jane+claude-opus-5-5",
            "user+model::k1+m",
            "session:acme/s",
            "session::k1",
            "environment:search/production",
            "address:192.0.2.7",
            "address:2001:db8::7",
            "label.cost_center:7",
            "metadata.team+model:a+b",
        ] {
            assert_eq!(problem(account), "", "{account}");
        }
        for (account, part) in [
            ("user+model:acme/jane", "for each part"),
            ("user+model:a+b+c", "%2B"),
            ("user+model:a+", "KIND:NAME"),
            ("session:s", "tenant"),
            ("agent:a", "tenant"),
            ("environment:production", "workspace"),
            ("address:localhost", "192.0.2.7"),
            ("address:2001:DB8::7", "as receipts write it"),
        ] {
            let told = problem(account);
            assert!(told.contains(part), "{account}: {told}");
        }
        for account in ["pet:a", "label.:a", "user+pet:a+b", "user", "+:a"] {
            assert_eq!(Kind::of(account), None, "{account}");
        }
    }
}
