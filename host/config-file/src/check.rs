//! Checks of values beyond their types.

use std::fmt::Display;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::document::Document;
use crate::path::join;
use crate::problem::Problems;

/// Maximum of [`Check::millis`]: one day.
const MAX_MILLIS: u64 = 24 * 60 * 60 * 1000;

/// A check of one table of a file.
///
/// Keys are relative to the table, and paths to the folder of the file. A method that finds a problem records it and
/// returns a stand-in, so that the check goes on to the next value.
///
/// ```
/// use witgate_config_file::{Check, Document};
///
/// #[derive(serde::Deserialize)]
/// struct File {
///     cache: Cache,
/// }
///
/// #[derive(serde::Deserialize)]
/// struct Cache {
///     entries: Option<u32>,
/// }
///
/// let document = Document::parse("server.toml", "[cache]\nentries = 0\n").unwrap();
/// let (file, mut problems) = document.read_known::<File>().unwrap();
/// let mut check = Check::new(&document, ".".as_ref(), &mut problems);
/// let entries = check.table("cache").number("entries", file.cache.entries, 100, 1..=1000);
/// assert_eq!(entries, 100);
/// assert_eq!(
///     problems.to_string(),
///     "server.toml:2: `cache.entries`: must be between 1 and 1000"
/// );
/// ```
#[derive(Debug)]
pub struct Check<'a> {
    document: &'a Document,
    folder: &'a Path,
    problems: &'a mut Problems,
    /// Dotted path of the table. Empty for the root.
    table: String,
}

// === impl Check ===

impl<'a> Check<'a> {
    /// Creates a check of a document's root table. Relative paths in it are relative to `folder`.
    pub fn new(document: &'a Document, folder: &'a Path, problems: &'a mut Problems) -> Self {
        Self {
            document,
            folder,
            problems,
            table: String::new(),
        }
    }

    /// Returns a check of the table at `key`.
    pub fn table(&mut self, key: &str) -> Check<'_> {
        Check {
            document: self.document,
            folder: self.folder,
            table: join(&self.table, key),
            problems: self.problems,
        }
    }

    /// Records a problem with `key`, or with the table itself if `key` is empty.
    pub fn problem(&mut self, key: &str, message: impl Into<String>) {
        let problem = self.document.problem(&self.path_of(key), message);
        self.problems.push(problem);
    }

    /// Returns whether `key`, or the table itself if `key` is empty, has a problem already. Checks that compare several
    /// keys use it to skip what only follows from an earlier problem.
    pub fn has_problem(&self, key: &str) -> bool {
        self.problems.is_about(&self.path_of(key))
    }

    /// Reads each element of a list. Records `message` as the problem of those for which `read` returns `None`, and leaves
    /// them out.
    pub fn each<T, U>(
        &mut self,
        key: &str,
        list: Vec<T>,
        message: &str,
        read: impl Fn(T) -> Option<U>,
    ) -> Vec<U> {
        let mut known = Vec::with_capacity(list.len());
        for (index, element) in list.into_iter().enumerate() {
            match read(element) {
                Some(element) => known.push(element),
                None => self.problem(&format!("{key}[{index}]"), message),
            }
        }
        known
    }

    /// Checks a number against a range.
    pub fn number<T: Copy + PartialOrd + Display>(
        &mut self,
        key: &str,
        value: Option<T>,
        default: T,
        range: RangeInclusive<T>,
    ) -> T {
        match value {
            None => default,
            Some(number) if range.contains(&number) => number,
            Some(_) => {
                let (min, max) = range.into_inner();
                self.problem(key, format!("must be between {min} and {max}"));
                default
            }
        }
    }

    /// Checks a time in milliseconds: at least one, at most a day.
    pub fn millis(&mut self, key: &str, value: Option<u64>, default: Duration) -> Duration {
        match value {
            None => default,
            Some(millis) if (1..=MAX_MILLIS).contains(&millis) => Duration::from_millis(millis),
            Some(_) => {
                self.problem(
                    key,
                    format!("must be between 1 and {MAX_MILLIS} milliseconds (one day)"),
                );
                default
            }
        }
    }

    /// Checks a time in milliseconds, like [`Check::millis`]. Returns `None` for 0, which switches off what the time is
    /// for.
    pub fn optional_millis(
        &mut self,
        key: &str,
        value: Option<u64>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        match value {
            None => default,
            Some(0) => None,
            some => Some(self.millis(key, some, Duration::ZERO)),
        }
    }

    /// Checks a socket address. Returns `None` if it is not one.
    pub fn address(&mut self, key: &str, text: &str) -> Option<SocketAddr> {
        let address = text.parse().ok();
        if address.is_none() {
            self.problem(
                key,
                "must be an IP address and a port, such as 127.0.0.1:8787",
            );
        }
        address
    }

    /// Resolves a path against the folder of the file.
    pub fn resolve(&self, path: impl AsRef<Path>) -> PathBuf {
        self.folder.join(path)
    }

    /// Resolves the path of a file, which must exist.
    pub fn file(&mut self, key: &str, path: impl AsRef<Path>) -> PathBuf {
        let path = self.resolve(path);
        self.existing(key, &path, path.is_file(), "a regular file");
        path
    }

    /// Resolves the path of a directory, which must exist.
    pub fn directory(&mut self, key: &str, path: impl AsRef<Path>) -> PathBuf {
        let path = self.resolve(path);
        self.existing(key, &path, path.is_dir(), "a directory");
        path
    }

    fn existing(&mut self, key: &str, path: &Path, is_right: bool, kind: &str) {
        if is_right {
            return;
        }
        let path_text = path.display();
        let message = if path.exists() {
            format!("{path_text} is not {kind}")
        } else {
            format!("{path_text} does not exist; create it or correct the path")
        };
        self.problem(key, message);
    }

    fn path_of(&self, key: &str) -> String {
        if key.is_empty() {
            self.table.clone()
        } else {
            join(&self.table, key)
        }
    }
}
