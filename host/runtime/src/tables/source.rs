//! The sources of tables, and one reading of a source.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use super::content::Content;
use super::{Definition, Fetch, FetchRequest, Fetched};
use crate::file::Stamp;
use crate::sidecar::Secrets;

/// The number of looks after which a file that keeps changing is read all the same.
const MAX_LOOKS: u32 = 10;

/// The source of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    File(PathBuf),
    Url(Remote),
}

/// A source that the embedder fetches.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) url: String,
    /// Names and values of headers. The values may be secret.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) ca_file: Option<PathBuf>,
}

/// The reader of a table's source.
pub(super) struct Reader {
    definition: Definition,
    fetch: Option<Arc<dyn Fetch>>,
    /// The values of headers, which no error may show.
    secrets: Secrets,
    seen: Seen,
}

/// The content that was read last.
#[derive(Debug, Default)]
struct Seen {
    stamp: Option<Stamp>,
    /// `true` if the file was so fresh that an equal stamp does not prove equal content.
    racy: bool,
    /// A stamp that differs, and the number of looks since.
    moving: Option<(Stamp, u32)>,
    hash: Option<[u8; 32]>,
    version: Option<String>,
}

/// The result of a reading.
#[derive(Debug)]
pub(super) enum Reading {
    /// The content is the one that was read last.
    Unchanged,
    /// A file is being written; the content that was read last stays until it is complete.
    Moving,
    New(Content),
}

// === impl Source ===

impl Source {
    /// Returns the key of the sidecar that names the source.
    pub(super) fn key(&self) -> &'static str {
        match self {
            Self::File(_) => "file",
            Self::Url(_) => "url",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(file) => file.display().fmt(f),
            Self::Url(remote) => f.write_str(remote.shown()),
        }
    }
}

// === impl Remote ===

impl Remote {
    /// Returns the URL without its query, which may hold a credential.
    fn shown(&self) -> &str {
        let end = self.url.find(['?', '#']).unwrap_or(self.url.len());
        self.url.get(..end).unwrap_or_default()
    }

    /// Passes on what no error may show: headers and the query, whole and in their parts, since a server may repeat a key
    /// without the word before it.
    fn each_secret(&self, mut add: impl FnMut(&str)) {
        for (_, value) in &self.headers {
            add(value);
            value.split([' ', ',', ';', '=']).for_each(&mut add);
        }
        if let Some((_, query)) = self.url.split_once('?') {
            add(query);
            query.split(['&', '=']).for_each(&mut add);
        }
    }

    /// Returns a request for content of at most `max_bytes`.
    pub(crate) fn request(&self, max_bytes: usize, timeout: Duration) -> FetchRequest<'_> {
        FetchRequest {
            url: &self.url,
            headers: &self.headers,
            ca_file: self.ca_file.as_deref(),
            version: None,
            max_bytes,
            timeout,
        }
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("url", &self.shown())
            .finish_non_exhaustive()
    }
}

// === impl Seen ===

impl Seen {
    /// Returns whether the file seems to be in the middle of a change. A file that is written in place may end anywhere, so it
    /// is read once its stamp has stayed the same from one look to the next. One that was put there whole is complete.
    fn is_moving(&mut self, now: &Stamp) -> bool {
        let known = self.stamp.as_ref();
        if known.is_none_or(|known| known == now || !known.is_same_file(now)) {
            return false;
        }
        let looks = match self.moving.take() {
            Some((stamp, looks)) if stamp == *now || looks >= MAX_LOOKS => return false,
            Some((_, looks)) => looks + 1,
            None => 1,
        };
        self.moving = Some((now.clone(), looks));
        true
    }
}

// === impl Reader ===

impl Reader {
    pub(super) fn new(definition: Definition, fetch: Option<Arc<dyn Fetch>>) -> Self {
        let mut secrets = Secrets::default();
        if let Source::Url(remote) = &definition.source {
            remote.each_secret(|secret| secrets.add(secret));
        }
        Self {
            definition,
            fetch,
            secrets,
            seen: Seen::default(),
        }
    }

    /// Reads the source.
    ///
    /// # Errors
    ///
    /// A description of the failure without secrets.
    pub(super) fn read(&mut self, timeout: Duration) -> Result<Reading, String> {
        let read = match &self.definition.source {
            Source::File(file) => read_file(file, &self.definition, &mut self.seen),
            Source::Url(remote) => match &self.fetch {
                Some(fetch) => fetched(&**fetch, remote, &self.definition, &mut self.seen, timeout),
                None => Err(NO_FETCH.to_owned()),
            },
        };
        read.map_err(|error| self.secrets.redact(&error).into_owned())
    }
}

/// The error of a URL in a host that does not fetch.
pub(crate) const NO_FETCH: &str = "this host fetches no URLs; use `file`";

fn fetched(
    fetch: &dyn Fetch,
    remote: &Remote,
    definition: &Definition,
    seen: &mut Seen,
    timeout: Duration,
) -> Result<Reading, String> {
    let request = FetchRequest {
        version: seen.version.as_deref(),
        ..remote.request(definition.max_bytes, timeout)
    };
    match fetch.fetch(&request)? {
        Fetched::Unchanged if seen.hash.is_some() => Ok(Reading::Unchanged),
        Fetched::Unchanged => Err("it was said to be unchanged before it was read".to_owned()),
        Fetched::Content { bytes, version } => {
            let reading = parsed(&bytes, definition, seen)?;
            seen.version = version;
            Ok(reading)
        }
    }
}

fn read_file(path: &Path, definition: &Definition, seen: &mut Seen) -> Result<Reading, String> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file {}", path.display()),
        _ => format!("{} can't be read: {error}", path.display()),
    };
    // Opening a pipe would wait for its other end.
    let metadata = fs::metadata(path).map_err(failed)?;
    if !metadata.is_file() {
        return Err(format!("{} is not a regular file", path.display()));
    }
    let stamp = Stamp::of(&metadata);
    if seen.stamp.as_ref() == Some(&stamp) && !seen.racy {
        return Ok(Reading::Unchanged);
    }
    if seen.is_moving(&stamp) {
        return Ok(Reading::Moving);
    }
    let racy = stamp.is_racy(SystemTime::now());
    let most = u64::try_from(definition.max_bytes).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(failed)?;
    let read = file.take(most.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(failed)?;
    let reading = parsed(&bytes, definition, seen)?;
    seen.stamp = Some(stamp);
    seen.racy = racy;
    seen.moving = None;
    Ok(reading)
}

fn parsed(bytes: &[u8], definition: &Definition, seen: &mut Seen) -> Result<Reading, String> {
    if bytes.len() > definition.max_bytes {
        return Err(format!(
            "it has more than {} bytes; raise `max_bytes` in the sidecar",
            definition.max_bytes
        ));
    }
    let hash = Sha256::digest(bytes).into();
    if seen.hash == Some(hash) {
        return Ok(Reading::Unchanged);
    }
    let content = Content::read(bytes, definition.format, definition.max_entries)?;
    seen.hash = Some(hash);
    Ok(Reading::New(content))
}
