//! The accounts that the gateway itself can name for a request: those of its caller. A live limit on one of them holds although no
//! plugin charges it.
//!
//! The names are those that the shipped budget plugin gives, so that both mean the same account.

use witgate_runtime::Envelope;

use super::table::Table;
use crate::tenants::keys::Caller;

/// A kind of account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Organization,
    Tenant,
    User,
    Key,
    Workspace,
}

/// The party that a request is charged to.
pub(crate) struct Payer<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) envelope: &'a Envelope,
}

/// Returns the accounts of a caller that are of a kind on which there are limits.
pub(crate) fn of_caller<'a>(
    table: &'a Table,
    payer: &'a Payer<'_>,
) -> impl Iterator<Item = String> + 'a {
    table.kinds().iter().map(|kind| kind.account(payer))
}

// === impl Kind ===

impl Kind {
    /// All kinds.
    pub(crate) const ALL: [Self; 5] = [
        Self::Organization,
        Self::Tenant,
        Self::User,
        Self::Key,
        Self::Workspace,
    ];

    /// Returns the kind of an account, or `None` if the gateway can't name such accounts.
    pub(crate) fn of(account: &str) -> Option<Self> {
        let (kind, _) = account.split_once(':')?;
        Self::parse(kind)
    }

    /// Returns the kind with a name, or `None`.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Returns the name, with which its accounts begin.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Organization => "organization",
            Self::Tenant => "tenant",
            Self::User => "user",
            Self::Key => "key",
            Self::Workspace => "workspace",
        }
    }

    /// Returns the account of a request. Its key stands in for what the request does not name.
    fn account(self, Payer { caller, envelope }: &Payer<'_>) -> String {
        let label = |wanted: &str| {
            let mut labels = caller.labels.iter();
            labels
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| &**value)
        };
        let attribute = |wanted: &str| {
            let mut attributes = envelope.attributes.iter();
            attributes
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| &**value)
        };
        let tenant = envelope.tenant.as_deref();
        let (parent, name) = match self {
            Self::Organization => (None, label("organization")),
            Self::Tenant => (None, tenant),
            // Users of keys without a tenant are the operator's own.
            Self::User => match envelope.user.as_deref() {
                None => (None, None),
                user => (tenant, user),
            },
            Self::Key => (None, Some(&*caller.id)),
            Self::Workspace => (None, attribute("workspace")),
        };
        let mut account = format!("{}:", self.name());
        if let Some(parent) = parent {
            push(&mut account, parent, true);
            account.push('/');
        }
        match name {
            Some(name) => push(&mut account, name, false),
            None => {
                account.push(':');
                account.push_str(&caller.id);
            }
        }
        account
    }
}

/// Appends a name, with what has a meaning in its place escaped: the colon of a key that stands in, and the slash after a parent.
fn push(account: &mut String, name: &str, is_parent: bool) {
    for (index, character) in name.char_indices() {
        match character {
            ':' if index == 0 => account.push_str("%3A"),
            '/' if is_parent => account.push_str("%2F"),
            '%' if is_parent => account.push_str("%25"),
            _ => account.push(character),
        }
    }
}
