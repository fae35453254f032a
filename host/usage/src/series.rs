//! Series: the combinations of values that sums are kept for.
//!
//! Each receipt counts in two: one without session and agent, which is kept for long, and a detail with them. A tenant has
//! room for so many of each; beyond it, its sums go to a series of its key alone.

use rusqlite::{Connection, OptionalExtension as _, params_from_iter};

use crate::names::{Names, OTHER};
use crate::record::Record;

/// Number of metadata values in a series.
pub(crate) const METADATA: usize = 8;

/// Number of values in a series.
pub(crate) const VALUES: usize = 7 + METADATA;

/// A property of receipts that sums are kept by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dimension {
    /// The tenant of the envelope.
    Tenant,
    /// The key.
    Key,
    /// The user of the envelope.
    User,
    /// The model that served, or that was asked for.
    Model,
    /// The upstream that was asked last.
    Upstream,
    /// The session.
    Session,
    /// The agent, which is set for sub-agents.
    Agent,
    /// A metadata value, by its place.
    Metadata(usize),
}

/// Names of the metadata values that sums are kept by, in the order of their places. It never shrinks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata(Vec<String>);

/// Numbers of the names of a series' values, in the order of their columns.
pub(crate) type Values = [i64; VALUES];

/// The way in which a series is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Detail {
    /// Without session and agent.
    Without,
    /// With both.
    With,
}

/// The room of each tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Series without sessions.
    pub series: u64,
    /// New series with sessions on a day.
    pub details_a_day: u64,
}

// === impl Dimension ===

impl Dimension {
    /// The dimensions with fixed names.
    pub const FIXED: [(&'static str, Self); 7] = [
        ("tenant", Self::Tenant),
        ("key", Self::Key),
        ("user", Self::User),
        ("model", Self::Model),
        ("upstream", Self::Upstream),
        ("session", Self::Session),
        ("agent", Self::Agent),
    ];

    /// Returns the place of the value in a series.
    pub(crate) fn place(self) -> usize {
        match self {
            Self::Tenant => 0,
            Self::Key => 1,
            Self::User => 2,
            Self::Model => 3,
            Self::Upstream => 4,
            Self::Session => 5,
            Self::Agent => 6,
            Self::Metadata(place) => 7 + place,
        }
    }

    /// Returns whether only details have the value.
    pub(crate) fn is_detail(self) -> bool {
        matches!(self, Self::Session | Self::Agent)
    }
}

// === impl Detail ===

impl Detail {
    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Without => 0,
            Self::With => 1,
        }
    }
}

// === impl Metadata ===

impl Metadata {
    /// Returns the places of the metadata values in a database.
    ///
    /// # Errors
    ///
    /// The database can't be read.
    pub fn read(db: &Connection) -> rusqlite::Result<Self> {
        let mut select = db.prepare("SELECT name FROM metadata ORDER BY slot")?;
        let names = select.query_map([], |row| row.get(0))?;
        names.collect::<Result<_, _>>().map(Self)
    }

    /// Gives places to names that have none yet. Names beyond the last place are left out, and returned.
    pub(crate) fn extend(db: &Connection, names: &[String]) -> rusqlite::Result<Vec<String>> {
        let mut known = Self::read(db)?;
        let mut left = Vec::new();
        for name in names {
            if known.0.contains(name) {
            } else if known.0.len() < METADATA {
                db.execute(
                    "INSERT INTO metadata (slot, name) VALUES (?1, ?2)",
                    (known.0.len(), name),
                )?;
                known.0.push(name.clone());
            } else {
                left.push(name.clone());
            }
        }
        Ok(left)
    }

    /// Returns the dimension with a name, or `None` if there is none.
    #[must_use]
    pub fn dimension(&self, name: &str) -> Option<Dimension> {
        let mut fixed = Dimension::FIXED.into_iter();
        let named = fixed.find_map(|(known, dimension)| (known == name).then_some(dimension));
        named.or_else(|| {
            let name = name.strip_prefix("metadata.").unwrap_or(name);
            let place = self.0.iter().position(|known| known == name)?;
            Some(Dimension::Metadata(place))
        })
    }

    /// Returns the names of all dimensions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let fixed = Dimension::FIXED.iter().map(|(name, _)| *name);
        fixed.chain(self.0.iter().map(String::as_str))
    }

    /// Returns the numbers of the values of a receipt.
    pub(crate) fn values(
        &self,
        names: &mut Names<'_>,
        record: &Record<'_>,
    ) -> rusqlite::Result<Values> {
        let mut values = Values::default();
        let owner = record.crash.0.as_ref().and_then(|crash| crash.owner.get());
        let key_owner = owner.and_then(|owner| owner.strip_prefix("key:"));
        let tenant_owner = owner.filter(|_| key_owner.is_none());
        let fixed = [
            record.tenant.get().or(tenant_owner),
            record.key.get().or(key_owner),
            record.user.get(),
            record.model(),
            record.upstream(),
            record.session.get(),
            record.agent.get(),
        ];
        for (place, (value, text)) in values.iter_mut().zip(fixed).enumerate() {
            *value = names.intern_at(place, text)?;
        }
        for (index, (value, name)) in values.iter_mut().skip(7).zip(&self.0).enumerate() {
            *value = names.intern_at(7 + index, record.metadata(name).as_deref())?;
        }
        Ok(values)
    }
}

/// Returns a value without the dimensions that only details have.
pub(crate) fn without_detail(mut values: Values) -> Values {
    for dimension in [Dimension::Session, Dimension::Agent] {
        if let Some(value) = values.get_mut(dimension.place()) {
            *value = 0;
        }
    }
    values
}

/// Returns the number of a series, which is new if need be and if its tenant has room for it.
pub(crate) fn number(
    names: &mut Names<'_>,
    detail: Detail,
    values: &Values,
    day: i64,
    room: Room,
) -> rusqlite::Result<i64> {
    let db = names.db;
    if let Some(id) = find(db, detail, values)? {
        return Ok(id);
    }
    if take_room(db, detail, values, day, room)? {
        return insert(db, detail, values);
    }
    let mut rest = Values::default();
    let other = names.intern(Some(OTHER))?;
    let kept = [Dimension::Tenant.place(), Dimension::Key.place()];
    let pairs = rest.iter_mut().zip(values).enumerate();
    for (place, (rest, value)) in pairs {
        *rest = match *value {
            0 => 0,
            value if kept.contains(&place) => value,
            _ => other,
        };
    }
    match find(db, detail, &rest)? {
        Some(id) => Ok(id),
        None => insert(db, detail, &rest),
    }
}

fn find(db: &Connection, detail: Detail, values: &Values) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached(
        "SELECT id FROM series WHERE detail = ?1 AND tenant = ?2 AND key = ?3 AND user = ?4 AND model = ?5 \
         AND upstream = ?6 AND session = ?7 AND agent = ?8 AND m1 = ?9 AND m2 = ?10 AND m3 = ?11 AND m4 = ?12 \
         AND m5 = ?13 AND m6 = ?14 AND m7 = ?15 AND m8 = ?16",
    )?
    .query_row(columns(detail, values), |row| row.get(0))
    .optional()
}

fn insert(db: &Connection, detail: Detail, values: &Values) -> rusqlite::Result<i64> {
    db.prepare_cached(
        "INSERT INTO series (detail, tenant, key, user, model, upstream, session, agent, m1, m2, m3, m4, m5, m6, m7, m8) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(columns(detail, values))?;
    Ok(db.last_insert_rowid())
}

fn columns(detail: Detail, values: &Values) -> rusqlite::ParamsFromIter<Vec<i64>> {
    let columns = std::iter::once(detail.code()).chain(values.iter().copied());
    params_from_iter(columns.collect::<Vec<_>>())
}

/// Takes room for a series. Returns `false` if its tenant, or its key without a tenant, has none.
fn take_room(
    db: &Connection,
    detail: Detail,
    values: &Values,
    day: i64,
    room: Room,
) -> rusqlite::Result<bool> {
    let [tenant, key, ..] = *values;
    // Numbers of names are above zero, so that a key is no tenant.
    let owner = if tenant == 0 { -key } else { tenant };
    let (day, most) = match detail {
        Detail::Without => (0, room.series),
        Detail::With => (day, room.details_a_day),
    };
    let taken = db
        .prepare_cached(
            "INSERT INTO rooms (tenant, detail, day, series) SELECT ?1, ?2, ?3, 1 WHERE ?4 > 0 \
             ON CONFLICT DO UPDATE SET series = series + 1 WHERE series < ?4",
        )?
        .execute((owner, detail.code(), day, most))?;
    Ok(taken > 0)
}
