//! The accounts that the gateway itself can name for a request. A live limit on one of them holds although no plugin charges it.
//!
//! The names are those that the shipped budget plugin gives, so that both mean the same account.

mod kind;
mod payer;

use std::sync::LazyLock;

pub(crate) use self::kind::Kind;
pub(crate) use self::payer::Payer;

/// Returns the accounts of a request that are of these kinds.
pub(crate) fn of_request<'a>(
    kinds: &'a [Kind],
    payer: &'a Payer<'_>,
) -> impl Iterator<Item = String> + 'a {
    kinds.iter().map(|kind| kind.account(payer))
}

/// Returns the account of a request's user, or of its key if it names none.
pub(super) fn of_user(payer: &Payer<'_>) -> String {
    static USER: LazyLock<Option<Kind>> = LazyLock::new(|| Kind::of("user:"));
    let account = USER.as_ref().map(|user| user.account(payer));
    account.unwrap_or_default()
}
