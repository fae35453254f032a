//! The accounts that the gateway itself can name for a request. A live limit on one of them holds although no plugin charges it.
//!
//! The names are those that the shipped budget plugin gives, so that both mean the same account.

mod kind;
mod payer;

pub(crate) use self::kind::Kind;
pub(crate) use self::payer::Payer;
use super::table::Table;

/// Returns the accounts of a request that are of a kind on which there are limits.
pub(crate) fn of_request<'a>(
    table: &'a Table,
    payer: &'a Payer<'_>,
) -> impl Iterator<Item = String> + 'a {
    table.kinds().iter().map(|kind| kind.account(payer))
}
