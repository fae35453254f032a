//! The queries of the API. Lists are written with brackets, as the vendor's clients do: `user_ids[]=a&user_ids[]=b`.

use percent_encoding::percent_decode_str;
use witgate_ledger::{Unit, Window};

use super::words;
use crate::budgets::live::records;

/// Entries of an answer, unless the query says another number.
const DEFAULT_LIMIT: usize = 20;

/// Most entries of an answer.
const MAX_LIMIT: usize = 1_000;

/// The prefix of a cursor.
const CURSOR: &str = "page_";

/// A query whose parameters are taken one by one.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
    problems: Vec<String>,
}

/// A question for the list of limits.
#[derive(Debug)]
pub(super) struct List {
    pub(super) limit: usize,
    pub(super) after: Option<String>,
    pub(super) before: Option<String>,
    pub(super) scope_type: Option<String>,
    pub(super) account: Option<String>,
}

/// A question for the limits in force.
#[derive(Debug)]
pub(super) struct Effective {
    pub(super) limit: usize,
    pub(super) page: Place,
    /// The accounts, or none for all.
    pub(super) accounts: Vec<String>,
    /// The windows, or none for all.
    pub(super) windows: Vec<Window>,
    /// The units, or none for all.
    pub(super) units: Vec<Unit>,
}

/// The beginning of a page of limits in force: live ones come first, then the balances of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// After the live limit with this number.
    Live(i64),
    /// At this place of the ledger.
    Ledger(usize),
}

// === impl Query ===

impl Query {
    /// Reads a query.
    ///
    /// # Errors
    ///
    /// A text that names the parameter which can't be decoded.
    pub(super) fn read(query: &str) -> Result<Self, String> {
        let mut pairs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let decode = |text: &str| {
                let spaced = text.replace('+', " ");
                let decoded = percent_decode_str(&spaced).decode_utf8();
                decoded.map(|text| text.into_owned())
            };
            match (decode(name), decode(value)) {
                (Ok(name), Ok(value)) => pairs.push((name, value)),
                _ => return Err(format!("{name}: is not UTF-8")),
            }
        }
        // The vendor's SDKs add it.
        pairs.retain(|(name, _)| name != "beta");
        Ok(Self {
            pairs,
            problems: Vec::new(),
        })
    }

    /// Takes the parameters of the list.
    pub(super) fn list(&mut self) -> List {
        let list = List {
            limit: self.limit(),
            after: self.take("after_id"),
            before: self.take("before_id"),
            scope_type: self.take("scope_type"),
            account: self.take("account"),
        };
        if list.after.is_some() && list.before.is_some() {
            self.problem("before_id: must not be set beside `after_id`");
        }
        list
    }

    /// Takes the parameters of the limits in force.
    pub(super) fn effective(&mut self) -> Effective {
        let users = self.take_all("user_ids[]").into_iter();
        let mut accounts: Vec<_> = users.map(|user| format!("user:{user}")).collect();
        accounts.extend(self.take_all("account[]"));
        let mut windows = Vec::new();
        for period in self.take_all("period[]") {
            match words::window(&period) {
                Some(window) => windows.push(window),
                None => self.problem("period[]: must be daily, weekly or monthly"),
            }
        }
        for code in self.take_all("window[]") {
            match Window::parse(&code) {
                Ok(window) => windows.push(window),
                Err(unknown) => self.problem(format!("window[]: {unknown}")),
            }
        }
        let mut units = Vec::new();
        for name in self.take_all("unit[]") {
            match words::unit(&name) {
                Some(unit) => units.push(unit),
                None => self.problem("unit[]: must be a unit of limits, such as usd"),
            }
        }
        let page = match self.take("page").as_deref().map(Place::parse) {
            None => Place::Live(0),
            Some(Some(place)) => place,
            Some(None) => {
                self.problem("page: must be `next_page` of the answer before");
                Place::Live(0)
            }
        };
        Effective {
            limit: self.limit(),
            page,
            accounts,
            windows,
            units,
        }
    }

    /// Takes the parameters of the records.
    pub(super) fn audit(&mut self) -> records::Asked {
        let asked = records::Asked {
            limit: self.limit(),
            after: self.number("after_id"),
            before: self.number("before_id"),
            target: self.take("spend_limit_id"),
            account: self.take("account"),
            actor: self.take("actor"),
            action: self.take("action"),
        };
        if asked.after.is_some() && asked.before.is_some() {
            self.problem("before_id: must not be set beside `after_id`");
        }
        asked
    }

    /// Ends the query.
    ///
    /// # Errors
    ///
    /// Every problem of the query in one text, unknown parameters among them.
    pub(super) fn done(mut self) -> Result<(), String> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.problem(format!("{name}: unknown parameter, or given twice"));
        }
        if self.problems.is_empty() {
            Ok(())
        } else {
            Err(self.problems.join("; "))
        }
    }

    fn problem(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.pairs.iter().position(|(known, _)| known == name)?;
        Some(self.pairs.remove(place).1)
    }

    fn take_all(&mut self, name: &str) -> Vec<String> {
        let pairs = std::mem::take(&mut self.pairs);
        let (taken, kept) = pairs.into_iter().partition(|(known, _)| known == name);
        self.pairs = kept;
        taken.into_iter().map(|(_, value)| value).collect()
    }

    fn limit(&mut self) -> usize {
        let Some(text) = self.take("limit") else {
            return DEFAULT_LIMIT;
        };
        match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => limit,
            _ => {
                self.problem(format!("limit: must be a number from 1 to {MAX_LIMIT}"));
                DEFAULT_LIMIT
            }
        }
    }

    fn number(&mut self, name: &str) -> Option<i64> {
        let text = self.take(name)?;
        let number = text.parse().ok();
        if number.is_none() {
            self.problem(format!("{name}: must be the `id` of a record"));
        }
        number
    }
}

// === impl Place ===

impl Place {
    fn parse(text: &str) -> Option<Self> {
        let rest = text.strip_prefix(CURSOR)?;
        match rest.split_at_checked(1)? {
            ("l", number) => number.parse().ok().map(Self::Live),
            ("b", place) => place.parse().ok().map(Self::Ledger),
            _ => None,
        }
    }

    /// Returns the cursor, which clients pass back as it is.
    pub(super) fn cursor(self) -> String {
        match self {
            Self::Live(number) => format!("{CURSOR}l{number}"),
            Self::Ledger(place) => format!("{CURSOR}b{place}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_written_with_brackets_encoded_or_not() {
        let query = "user_ids[]=idp%7Calice&user_ids%5B%5D=bob+b&period[]=daily&beta=true&limit=5";
        let mut query = Query::read(query).unwrap();
        let asked = query.effective();
        query.done().expect("all is known");
        assert_eq!(asked.accounts, ["user:idp|alice", "user:bob b"]);
        assert_eq!((asked.windows, asked.limit), (vec![Window::Day], 5));
    }

    #[test]
    fn all_problems_of_a_query_are_told() {
        let mut query =
            Query::read("period[]=hourly&unit[]=pets&window[]=x&page=7&limit=0&x=1").unwrap();
        query.effective();
        let told = query.done().unwrap_err();
        for part in [
            "period[]",
            "unit[]",
            "window[]",
            "page",
            "limit",
            "x: unknown",
        ] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(Query::read("a=%ff").is_err(), "no UTF-8");
    }

    #[test]
    fn a_cursor_leads_where_it_was_made() {
        for place in [Place::Live(7), Place::Ledger(512)] {
            assert_eq!(Place::parse(&place.cursor()), Some(place), "{place:?}");
        }
        for text in ["", "page_", "page_x1", "l7", "page_l"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
    }
}
