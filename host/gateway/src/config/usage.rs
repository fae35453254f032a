//! `[usage]`: the roll-ups of receipts, which are kept in the state directory.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use witgate_config_file::Check;
use witgate_ledger::Zone;
use witgate_usage::{Keep, Room, Source};

use super::{Receipts, State};

/// Name of the database in the state directory.
const FILE: &str = "usage.db";

/// Most metadata values that sums are kept by.
const MAX_METADATA: usize = 8;

/// Most days for which anything is kept by day.
const MAX_DAYS: u32 = 36_500;

/// The roll-ups, and the receipts that they are made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// The database.
    pub database: PathBuf,
    /// The receipts files.
    pub sources: Vec<Source>,
    /// Names of the metadata values that sums are kept by.
    pub metadata: Vec<String>,
    /// The zone of its days and months.
    pub zone: Zone,
    /// Days for which sums are kept, and the room of each tenant.
    pub keep: Keep,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct UsageFile {
    metadata: Option<Vec<String>>,
    time_zone: Option<String>,
    keep_minutes_days: Option<u32>,
    keep_hours_days: Option<u32>,
    keep_days: Option<u32>,
    keep_sessions_days: Option<u32>,
    series_per_tenant: Option<u64>,
    sessions_per_tenant: Option<u64>,
}

// === impl UsageFile ===

impl UsageFile {
    /// Returns the roll-ups, or `None` if there is no state directory or no receipts file.
    pub(super) fn check(
        file: Option<Self>,
        state: Option<&State>,
        receipts: &Receipts,
        check: &mut Check<'_>,
    ) -> Option<Usage> {
        let is_set = file.is_some();
        let file = file.unwrap_or_default();
        let metadata = file.metadata.unwrap_or_default();
        if metadata.len() > MAX_METADATA {
            let message = format!(
                "has {} names, and the most is {MAX_METADATA}",
                metadata.len()
            );
            check.problem("metadata", message);
        }
        let zone = match file.time_zone.as_deref().map(Zone::parse) {
            None => Zone::UTC,
            Some(Ok(zone)) => zone,
            Some(Err(_)) => {
                let message = "must be a name of the IANA database, such as Europe/Berlin";
                check.problem("time_zone", message);
                Zone::UTC
            }
        };
        let keep = Keep {
            minutes: check.number("keep_minutes_days", file.keep_minutes_days, 2, 1..=MAX_DAYS),
            hours: check.number("keep_hours_days", file.keep_hours_days, 62, 1..=MAX_DAYS),
            days: check.number("keep_days", file.keep_days, 800, 1..=MAX_DAYS),
            sessions: check.number(
                "keep_sessions_days",
                file.keep_sessions_days,
                90,
                1..=MAX_DAYS,
            ),
            room: Room {
                series: check.number(
                    "series_per_tenant",
                    file.series_per_tenant,
                    50_000,
                    1..=10_000_000,
                ),
                details_a_day: check.number(
                    "sessions_per_tenant",
                    file.sessions_per_tenant,
                    100_000,
                    1..=10_000_000,
                ),
            },
        };
        let (Some(state), Some(_)) = (state, &receipts.file) else {
            if is_set {
                check.problem(
                    "metadata",
                    "needs `directory` in [state] and `file` in [receipts]: usage is summed up from the receipts and kept in the state directory",
                );
            }
            return None;
        };
        Some(Usage {
            database: Self::database(&state.directory),
            sources: receipts.sources(),
            metadata,
            zone,
            keep,
        })
    }

    fn database(directory: &Path) -> PathBuf {
        directory.join(FILE)
    }
}
