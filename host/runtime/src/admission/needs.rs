//! The check of a component's initial memory against its limit.
//!
//! The engine would refuse it, too, but with a text that suggests a damaged file.

use wasmparser::{Parser, Payload};

use super::AdmissionCause;
use crate::options::RuntimeOptions;

/// The default size of a page of linear memory, as a power of two.
const PAGE_LOG2: u32 = 16;

/// Compares the largest memory of a component with its sidecar's limit and the host's ceiling.
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

/// Returns the initial size of a component's largest memory in bytes. Parts that can't be read are left to the compiler,
/// which refuses them with a reason.
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
