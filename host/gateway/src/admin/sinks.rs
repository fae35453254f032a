//! The part of `/metrics` about further sinks of receipts.

use std::fmt;

use witgate_audit::outlet::OutletStats;

use super::metrics::families::{Families, label};

/// Writes the metric families of all sinks.
pub(crate) fn collect(sinks: &[OutletStats], to: &mut Families<'_>) -> fmt::Result {
    let each = || sinks.iter().map(|sink| ([label("sink", &sink.name)], sink));
    to.counters(
        "receipts_sink_delivered",
        "Number of receipts that a further sink took.",
        each().map(|(name, sink)| (name, sink.delivered)),
    )?;
    to.counters(
        "receipts_sink_dropped",
        "Number of receipts that a further sink did not get because its queue was full, or because it rejected them.",
        each().map(|(name, sink)| (name, sink.dropped)),
    )?;
    to.gauges(
        "receipts_sink_queued_bytes",
        "Size of the receipts waiting for a further sink.",
        each().map(|(name, sink)| (name, sink.queued_bytes)),
    )?;
    to.gauges(
        "receipts_sink_failing",
        "1 if the last delivery to a further sink failed.",
        each().map(|(name, sink)| (name, u32::from(sink.failing.is_some()))),
    )
}
