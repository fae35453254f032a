//! The grants of a made-up request: everything, or those of a sidecar.

use serde_json::Value;

/// The grants of a request. Reading more panics with the message of the host's fault.
#[derive(Clone, Debug, Default)]
pub(super) enum Grants {
    /// Grants everything, for tests of other things.
    #[default]
    All,
    /// Grants what a sidecar's `[grants]` name.
    Only {
        body: Body,
        /// Lowercase names, or prefixes that end with `*`.
        headers: Vec<String>,
        /// Names of the declared tables.
        tables: Vec<String>,
    },
}

/// The granted part of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Body {
    None,
    Head,
    Read,
}

// === impl Grants ===

#[allow(
    clippy::panic,
    reason = "a native test that reads too much, or has a wrong sidecar, fails with the reason"
)]
impl Grants {
    /// Reads the table `[grants]` of a sidecar, as `witgate plugin new` writes it. Its values are strings, lists of strings
    /// and booleans, for which TOML and JSON have the same syntax.
    pub(super) fn of_sidecar(sidecar: &str) -> Self {
        let (mut body, mut headers) = (Body::Head, Vec::new());
        for (key, value) in entries(sidecar) {
            let json = value.replace(", ]", "]").replace(",]", "]");
            match (key.as_str(), serde_json::from_str(&json)) {
                ("body", Ok(Value::String(name))) => body = Body::of(&name),
                ("headers", Ok(Value::Array(names))) => {
                    headers = names
                        .iter()
                        .filter_map(Value::as_str)
                        .map(str::to_ascii_lowercase)
                        .collect();
                }
                // These grant imports, which the host checks at admission. A native test has no imports.
                ("kv" | "metrics" | "clock", Ok(Value::Bool(_))) => {}
                _ => panic!("[grants] of the sidecar: `{key} = {value}` can't be read here"),
            }
        }
        Self::Only {
            body,
            headers,
            tables: tables(sidecar),
        }
    }

    pub(super) fn header(&self, name: &str) {
        let name = name.to_ascii_lowercase();
        if !self.has_header(&name) {
            not_granted_header(&name);
        }
    }

    /// Returns whether a header with this lowercase name is granted.
    pub(super) fn has_header(&self, name: &str) -> bool {
        let Self::Only { headers, .. } = self else {
            return true;
        };
        headers.iter().any(|grant| match grant.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => grant == name,
        })
    }

    pub(super) fn headers(&self, prefix: &str) {
        let Self::Only { headers, .. } = self else {
            return;
        };
        let mut granted = headers.iter().filter_map(|grant| grant.strip_suffix('*'));
        if !granted.any(|granted| prefix.starts_with(granted)) {
            not_granted_header(&format!("{prefix}*"));
        }
    }

    /// Checks that a table is declared. A test without a sidecar declares those that it fills.
    pub(super) fn table(&self, name: &str, filled: bool) {
        let declared = match self {
            Self::All => filled,
            Self::Only { tables, .. } => tables.iter().any(|table| table == name),
        };
        if !declared {
            panic!(
                "there is no table `{name}`; declare `[tables.{name}]` with `file` or `url` in the sidecar, and fill it with `RequestBuilder::table`"
            );
        }
    }

    pub(super) fn body(&self, asked: &str, needed: Body) {
        if let Self::Only { body, .. } = self
            && *body < needed
        {
            let name = if needed == Body::Read { "read" } else { "head" };
            panic!(
                "`{asked}` is not granted; `body = \"{name}\"` in [grants] of the sidecar grants it"
            );
        }
    }
}

#[allow(clippy::panic, reason = "as above")]
fn not_granted_header(name: &str) {
    panic!(
        "the header `{name}` is not granted; `headers = [\"{name}\"]` in [grants] of the sidecar grants it"
    );
}

/// Returns the keys and values of the table, each value joined to one line and without comments.
fn entries(sidecar: &str) -> Vec<(String, String)> {
    let lines = sidecar.lines().map(|line| without_comment(line).trim());
    let table = lines
        .skip_while(|line| *line != "[grants]")
        .skip(1)
        .take_while(|line| !line.starts_with('['));
    let mut entries: Vec<(String, String)> = Vec::new();
    for line in table.filter(|line| !line.is_empty()) {
        match (line.split_once('='), entries.last_mut()) {
            // A list continues until its closing bracket.
            (_, Some((_, value))) if value.starts_with('[') && !value.ends_with(']') => {
                value.push(' ');
                value.push_str(line);
            }
            (Some((key, value)), _) => entries.push((key.trim().into(), value.trim().into())),
            (None, _) => entries.push((line.into(), String::new())),
        }
    }
    entries
}

/// Returns the names of the tables that a sidecar declares, each under a heading of its own.
fn tables(sidecar: &str) -> Vec<String> {
    let headings = sidecar.lines().filter_map(|line| {
        let heading = without_comment(line).trim().strip_prefix("[tables.")?;
        let name = heading.strip_suffix(']')?;
        // A table of headers is inside of one.
        let name = name.split('.').next().unwrap_or(name);
        Some(name.trim_matches('"').to_owned())
    });
    headings.collect()
}

/// Returns a line without its comment, which starts at a `#` outside of a string.
fn without_comment(line: &str) -> &str {
    let mut inside = false;
    let end = line.find(|character| {
        inside ^= character == '"';
        character == '#' && !inside
    });
    line.get(..end.unwrap_or(line.len())).unwrap_or(line)
}

// === impl Body ===

impl Body {
    #[allow(clippy::panic, reason = "as above")]
    fn of(name: &str) -> Self {
        match name {
            "none" => Self::None,
            "head" => Self::Head,
            "read" => Self::Read,
            other => panic!(
                "[grants] of the sidecar: `body` is \"none\", \"head\" or \"read\", not {other:?}"
            ),
        }
    }
}
