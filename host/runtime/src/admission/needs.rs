//! Checks the memory that a component starts with against the memory that it may have.
//!
//! The engine would refuse it too, with a text that reads as if the file were damaged.

use super::AdmissionCause;
use crate::engine::RuntimeOptions;
use wasmparser::{Parser, Payload};

/// Bytes of a page of linear memory as a power of two, for memories that don't say otherwise.
const PAGE_LOG2: u32 = 16;

/// Compares the largest memory of a component with the limit of its sidecar and the ceiling of this host.
pub(super) fn check(
    component: &[u8],
    limit: usize,
    options: &RuntimeOptions,
) -> Result<(), AdmissionCause> {
    let wanted = memory_bytes(component);
    let ceiling = options.memory_ceiling;
    let over = |most: usize| u64::try_from(most).is_ok_and(|most| wanted > most);
    if over(ceiling) {
        return Err(AdmissionCause::OverCeiling { wanted, ceiling });
    }
    if over(limit) {
        return Err(AdmissionCause::OverLimit { wanted, limit });
    }
    Ok(())
}

/// Returns the bytes that the largest memory of a component starts with. Parts that can't be read are left to the
/// compiler, which refuses them with a reason.
fn memory_bytes(component: &[u8]) -> u64 {
    let payloads = Parser::new(0).parse_all(component).map_while(Result::ok);
    let memories = payloads.filter_map(|payload| match payload {
        Payload::MemorySection(memories) => Some(memories.into_iter().map_while(Result::ok)),
        _ => None,
    });
    let bytes = memories.flatten().map(|memory| {
        let page = 1_u64 << memory.page_size_log2.unwrap_or(PAGE_LOG2).min(PAGE_LOG2);
        memory.initial.saturating_mul(page)
    });
    bytes.max().unwrap_or(0)
}
