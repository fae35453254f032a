//! The sums of some receipts, on their way into the database.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use witgate_ledger::Zone;

use crate::names::Names;
use crate::numbers::Numbers;
use crate::record::Record;
use crate::series::{self, Detail, Dimension, Metadata, Room, Values, without_detail};
use crate::sessions::Visits;
use crate::source::Kind;
use crate::sums::Sums;
use crate::uses::Uses;
use crate::{Grain, sessions};

/// Maximum number of tokens that a receipt counts with: an upstream may report any number.
const MAX_TOKENS: u64 = 1_000_000_000_000;

/// Grains of sums without sessions.
const PLAIN: &[Grain] = &Grain::ALL;

/// Grains of sums with sessions.
const DETAILED: &[Grain] = &[Grain::Hour, Grain::Day];

/// Pico-USD in a millionth of a dollar.
pub(crate) const PICO_PER_MICRO: u128 = 1_000_000;

/// The sums of some receipts.
pub(crate) struct Tally<'db> {
    names: Names<'db>,
    metadata: &'db Metadata,
    zone: Zone,
    /// Sums by the minute and the values of receipts.
    sums: HashMap<(i64, Values), Sums, Numbers>,
    /// The sessions of each key, by their names.
    sessions: HashMap<String, HashMap<String, Visits>>,
    uses: Uses,
}

/// The latencies of an answer in milliseconds.
#[derive(Debug, Default)]
struct Latencies {
    first_byte: Option<u64>,
    total: Option<u64>,
}

/// The place of sums in the database.
type Place = (Grain, Detail, i64, i64);

// === impl Tally ===

impl<'db> Tally<'db> {
    pub(crate) fn new(db: &'db Connection, metadata: &'db Metadata, zone: Zone) -> Self {
        Self {
            names: Names::new(db),
            metadata,
            zone,
            sums: HashMap::default(),
            sessions: HashMap::new(),
            uses: Uses::default(),
        }
    }

    /// Adds a receipt. One without a time counts as of `now`.
    pub(crate) fn add(
        &mut self,
        record: &Record<'_>,
        kind: Kind,
        now_unix_ms: i64,
    ) -> rusqlite::Result<()> {
        let started = record.started_unix_ms.get();
        let started = started
            .and_then(|time| i64::try_from(time).ok())
            .unwrap_or(now_unix_ms);
        let minute = Grain::Minute.bucket(self.zone, started);
        let values = self.metadata.values(&mut self.names, record)?;
        let (own, latencies) = counted(record, kind);
        // The settlement of a batch is no request of its key.
        if let Some(key) = record.key.get()
            && record.endpoint.get() != Some("batch-settlement")
        {
            self.uses.add(key, started);
        }
        if let Some(session) = record.session.get() {
            let key = record.key.get().unwrap_or_default();
            if let Some(visits) = self
                .sessions
                .get_mut(key)
                .and_then(|of| of.get_mut(session))
            {
                visits.add(record, &own, started);
            } else {
                let of_key = self.sessions.entry(key.to_owned()).or_default();
                let visits = of_key.entry(session.to_owned()).or_default();
                visits.add(record, &own, started);
            }
        }
        let mut rest = own.picousd;
        for share in record
            .batch_models()
            .into_iter()
            .flat_map(|models| models.values())
        {
            let mut values = values;
            if let Some(model) = values.get_mut(Dimension::Model.place()) {
                *model = self.names.intern(share.model.get())?;
            }
            let cost = u128::from(share.cost_picousd.or_zero()).min(rest);
            rest -= cost;
            let sums = Sums {
                requests: share.messages.or_zero(),
                messages: share.messages.or_zero(),
                picousd: cost,
                ..Sums::default()
            };
            self.sums.entry((minute, values)).or_default().add(&sums);
        }
        let own = Sums {
            picousd: rest,
            ..own
        };
        if own != Sums::default() {
            let sums = self.sums.entry((minute, values)).or_default();
            sums.add(&own);
            if let Some(first_byte) = latencies.first_byte {
                sums.first_byte.add(first_byte);
            }
            if let Some(total) = latencies.total {
                sums.total.add(total);
            }
        }
        Ok(())
    }

    /// Adds the sums to those in the database.
    pub(crate) fn write(self, room: Room) -> rusqlite::Result<()> {
        let Self {
            mut names,
            sums,
            zone,
            uses,
            ..
        } = self;
        uses.write(names.db)?;
        let mut rows: HashMap<Place, Sums> = HashMap::new();
        let mut numbers: HashMap<(Detail, Values), i64> = HashMap::new();
        for ((minute, values), sums) in &sums {
            let start = Grain::Minute.start(zone, *minute);
            let buckets = Grain::ALL.map(|grain| (grain, grain.bucket(zone, start)));
            for (detail, values, grains) in [
                (Detail::Without, without_detail(*values), PLAIN),
                (Detail::With, *values, DETAILED),
            ] {
                let series = match numbers.get(&(detail, values)) {
                    Some(number) => *number,
                    None => {
                        let day = Grain::Day.bucket(zone, start);
                        let number = series::number(&mut names, detail, &values, day, room)?;
                        numbers.insert((detail, values), number);
                        number
                    }
                };
                for (grain, bucket) in buckets.iter().filter(|(grain, _)| grains.contains(grain)) {
                    let place = (*grain, detail, *bucket, series);
                    rows.entry(place).or_default().add(sums);
                }
            }
        }
        // In the order of the table, so that few pages are written.
        let mut rows: Vec<_> = rows.into_iter().collect();
        rows.sort_unstable_by_key(|(place, _)| *place);
        for (place, sums) in rows {
            add_row(names.db, place, sums)?;
        }
        for (key, sessions) in &self.sessions {
            for (name, visits) in sessions {
                sessions::add(names.db, key, name, visits)?;
            }
        }
        Ok(())
    }
}

/// Returns what a receipt counts as, without latencies, and these. The models of a batch are left to be counted by themselves.
fn counted(record: &Record<'_>, kind: Kind) -> (Sums, Latencies) {
    let mut latencies = Latencies::default();
    let mut sums = Sums {
        picousd: u128::from(record.cost_picousd.or_zero()),
        unpriced: u64::from(record.unpriced.is_some()),
        ..Sums::default()
    };
    if let Some(usage) = &record.usage.0 {
        let tokens = |number: u64| number.min(MAX_TOKENS);
        sums.input = tokens(usage.input_tokens.or_zero());
        sums.output = tokens(usage.output_tokens.or_zero());
        sums.cache_read = tokens(usage.cache_read_input_tokens.or_zero());
        sums.cache_write = tokens(usage.cache_creation_input_tokens.or_zero());
    }
    if let Some(crash) = &record.crash.0 {
        // Input includes what was written to caches.
        sums.input = crash.input_tokens.or_zero().min(MAX_TOKENS);
        sums.output = crash.output_tokens.or_zero().min(MAX_TOKENS);
        sums.cache_read = crash.cached_tokens.or_zero().min(MAX_TOKENS);
        let known = sums.tokens();
        sums.crash_tokens = crash.tokens.or_zero().min(MAX_TOKENS).saturating_sub(known);
        sums.requests = crash.requests.or_zero();
    } else if let Some(batch) = &record.batch.0
        && batch.ended.get().is_some()
    {
        let failed = batch
            .errored
            .or_zero()
            .saturating_add(batch.expired.or_zero());
        sums.requests = failed;
        sums.errors = failed;
        return (sums, latencies);
    } else if kind == Kind::Evidence {
        sums.requests = 1;
    }
    match record.outcome.get() {
        Some("answered") if record.endpoint.get() == Some("messages") => {
            sums.messages = 1;
            if let Some(time) = &record.time.0 {
                let millis = |micros: u64| micros.div_ceil(1_000);
                latencies.first_byte = time.first_byte_us.get().map(millis);
                latencies.total = time.total_us.get().map(millis);
            }
        }
        None | Some("answered" | "crash-settled") => {}
        Some("client-gone") => sums.client_gone = 1,
        Some("refused") => {
            let blame = record.refusal.0.as_ref().and_then(|it| it.blame.get());
            match blame {
                Some("upstream" | "gateway" | "plugin") => sums.errors = 1,
                _ => sums.refused = 1,
            }
        }
        Some(_) => sums.errors = 1,
    }
    let left_out = record.left_out.0.as_ref();
    let left_out = left_out.map_or(0, |left_out| left_out.receipts.or_zero());
    sums.refused = sums.refused.saturating_add(left_out);
    (sums, latencies)
}

/// Adds sums to a row.
fn add_row(db: &Connection, place: Place, mut sums: Sums) -> rusqlite::Result<()> {
    let (grain, detail, bucket, series) = place;
    let before = db
        .prepare_cached(
            "SELECT requests, messages, errors, refused, client_gone, input, output, cache_read, cache_write, \
             crash_tokens, unpriced, microusd, picousd, latencies FROM rollups \
             WHERE grain = ?1 AND detail = ?2 AND bucket = ?3 AND series = ?4",
        )?
        .query_row((grain.code(), detail.code(), bucket, series), |row| {
            let mut before = read_sums(row, 0)?;
            before.read_latencies(row.get_ref(13)?.as_blob().unwrap_or_default());
            Ok(before)
        })
        .optional()?;
    if let Some(before) = before {
        sums.add(&before);
    }
    let [
        requests,
        messages,
        errors,
        refused,
        client_gone,
        input,
        output,
        cache_read,
        cache_write,
        crash_tokens,
        unpriced,
    ] = sums.counts().map(stored);
    let (microusd, picousd) = split(sums.picousd);
    db.prepare_cached(
        "INSERT OR REPLACE INTO rollups VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
         ?16, ?17, ?18)",
    )?
    .execute(params![
        grain.code(),
        detail.code(),
        bucket,
        series,
        requests,
        messages,
        errors,
        refused,
        client_gone,
        input,
        output,
        cache_read,
        cache_write,
        crash_tokens,
        unpriced,
        microusd,
        picousd,
        sums.latencies(),
    ])?;
    Ok(())
}

/// Adds the sums of years to a database that has those of months.
pub(crate) fn add_years(db: &Connection) -> rusqlite::Result<()> {
    let mut select = db.prepare(
        "SELECT bucket, series, requests, messages, errors, refused, client_gone, input, output, cache_read, cache_write, \
         crash_tokens, unpriced, microusd, picousd, latencies FROM rollups WHERE grain = ?1 AND detail = ?2",
    )?;
    let months = select.query_map((Grain::Month.code(), Detail::Without.code()), |row| {
        let month: i64 = row.get(0)?;
        let mut sums = read_sums(row, 2)?;
        sums.read_latencies(row.get_ref(15)?.as_blob().unwrap_or_default());
        let place = (
            Grain::Year,
            Detail::Without,
            month.div_euclid(12),
            row.get(1)?,
        );
        Ok((place, sums))
    })?;
    // All of them before the first is written to the same table.
    let months = months.collect::<rusqlite::Result<Vec<_>>>()?;
    for (place, sums) in months {
        add_row(db, place, sums)?;
    }
    Ok(())
}

/// Returns the plain sums in a row, whose counts and cost begin at a column.
pub(crate) fn read_sums(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Sums> {
    let mut sums = Sums::default();
    let mut column = first;
    for count in sums.counts_mut() {
        *count = row.get(column)?;
        column += 1;
    }
    let (micro, pico): (u64, u64) = (row.get(column)?, row.get(column + 1)?);
    sums.picousd = u128::from(micro) * PICO_PER_MICRO + u128::from(pico);
    Ok(sums)
}

/// Returns a count as the database holds it.
pub(crate) fn stored(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Returns a cost as the database holds it: in millionths of a dollar, and the pico-USD beyond them.
pub(crate) fn split(picousd: u128) -> (i64, i64) {
    let micro = i64::try_from(picousd / PICO_PER_MICRO).unwrap_or(i64::MAX);
    let pico = i64::try_from(picousd % PICO_PER_MICRO).unwrap_or(0);
    (micro, pico)
}
