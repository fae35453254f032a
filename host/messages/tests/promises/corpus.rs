//! The recorded answers of `tests/fixtures/streams`, and the streams that are written beside their tests.

use std::path::Path;

use crate::streams;

/// An answer's body.
pub(crate) struct Recorded {
    pub(crate) name: String,
    pub(crate) body: Vec<u8>,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sse,
    Json,
}

/// All of them, in the order of their names.
pub(crate) fn all() -> Vec<Recorded> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/streams");
    let files = std::fs::read_dir(folder).expect("the fixtures are in the tree");
    let mut recorded: Vec<_> = files
        .map(|file| file.expect("a file").path())
        .filter_map(|path| {
            let kind = match path.extension()?.to_str()? {
                "sse" => Kind::Sse,
                "json" => Kind::Json,
                _ => return None,
            };
            Some(Recorded {
                name: path.file_stem()?.to_str()?.to_owned(),
                body: std::fs::read(&path).expect("a readable fixture"),
                kind,
            })
        })
        .collect();
    recorded.extend(streams::all().map(|(name, stream)| Recorded {
        name: format!("{name} of the tests"),
        body: stream.into_bytes(),
        kind: Kind::Sse,
    }));
    recorded.sort_by(|one, other| one.name.cmp(&other.name));
    assert!(recorded.len() > 30, "the fixtures are there");
    recorded
}

/// The event streams alone.
pub(crate) fn streams() -> Vec<Recorded> {
    let mut all = all();
    all.retain(|recorded| recorded.kind == Kind::Sse);
    all
}

/// The JSON answers alone.
pub(crate) fn answers() -> Vec<Recorded> {
    let mut all = all();
    all.retain(|recorded| recorded.kind == Kind::Json);
    all
}
