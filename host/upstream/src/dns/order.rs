//! The order in which addresses are tried (RFC 8305, section 4).

use std::sync::Arc;

use super::Address;

/// Alternates between address families, beginning with the family that the lookup preferred. Within a family, each
/// address gets its turn to be first, so that they share the connections.
pub(super) fn interleave(list: &[Arc<Address>], turn: usize) -> Vec<Arc<Address>> {
    let preferred = list.first().is_some_and(|first| first.at.is_ipv6());
    let (mut first, mut second): (Vec<_>, Vec<_>) = list
        .iter()
        .map(Arc::clone)
        .partition(|address| address.at.is_ipv6() == preferred);
    for family in [&mut first, &mut second] {
        let start = turn.checked_rem(family.len()).unwrap_or_default();
        family.rotate_left(start);
    }
    let mut order = Vec::with_capacity(list.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    while order.len() < list.len() {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}
