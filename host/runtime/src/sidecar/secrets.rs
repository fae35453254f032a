//! Secrets in `[settings]`, by reference: `{ env = "NAME" }` or `{ file = "PATH" }` in place of a text.
//!
//! The plugin gets the text itself. Nothing else may show it: the host redacts it in what the plugin logs, and in the
//! problems and faults that it reports.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

/// The maximum length of a secret, in bytes.
const MAX_BYTES: usize = 64 << 10;

/// The minimum length of a secret that is redacted, in bytes. A shorter text occurs everywhere.
const MIN_BLOTTED_BYTES: usize = 4;

/// The text in place of a secret.
const MARK: &str = "[secret]";

/// The settings as the plugin gets them, with the secrets in them.
#[derive(Clone)]
pub(crate) struct Settings {
    /// The settings as JSON text.
    pub(crate) json: String,
    pub(crate) secrets: Secrets,
}

/// The secrets of a plugin's settings.
#[derive(Clone, Default)]
pub(crate) struct Secrets(Vec<Box<str>>);

/// A problem with a reference: its path in `[settings]`, and what to do.
pub(super) type Wrong = (String, String);

// === impl Settings ===

impl Settings {
    /// Replaces each reference in the settings by its secret. Paths of files are relative to `folder`.
    pub(super) fn resolve(mut settings: Map<String, Value>, folder: &Path) -> (Self, Vec<Wrong>) {
        let mut secrets = Secrets::default();
        let mut wrong = Vec::new();
        for (name, value) in &mut settings {
            secrets.resolve_value(name, value, folder, &mut wrong);
        }
        let json = Value::Object(settings).to_string();
        (Self { json, secrets }, wrong)
    }
}

impl Default for Settings {
    /// Returns the settings of a plugin without settings.
    fn default() -> Self {
        Self {
            json: "{}".to_owned(),
            secrets: Secrets::default(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("secrets", &self.secrets)
            .finish_non_exhaustive()
    }
}

// === impl Secrets ===

impl Secrets {
    fn resolve_value(
        &mut self,
        path: &str,
        value: &mut Value,
        folder: &Path,
        wrong: &mut Vec<Wrong>,
    ) {
        match value {
            Value::Object(members) => match reference(members) {
                Some((kind, name)) => match read(kind, name, folder) {
                    Ok(secret) => {
                        self.add(&secret);
                        *value = Value::String(secret);
                    }
                    Err(message) => wrong.push((path.to_owned(), message)),
                },
                None => {
                    for (name, value) in members {
                        self.resolve_value(&format!("{path}.{name}"), value, folder, wrong);
                    }
                }
            },
            Value::Array(elements) => {
                for (index, value) in elements.iter_mut().enumerate() {
                    self.resolve_value(&format!("{path}[{index}]"), value, folder, wrong);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// Adds the forms in which a plugin may print a secret: as it is, as JSON, and line by line. Longer ones come first, so that
    /// none leaves a rest of another.
    pub(crate) fn add(&mut self, secret: &str) {
        let json = Value::from(secret).to_string();
        let escaped = json.get(1..json.len().saturating_sub(1));
        let lines = secret.lines().map(str::trim);
        let forms = [Some(secret), escaped].into_iter().flatten().chain(lines);
        for form in forms {
            if !self.0.iter().any(|known| **known == *form) {
                self.0.push(form.into());
            }
        }
        self.0.sort_by_key(|form| std::cmp::Reverse(form.len()));
    }

    /// Returns whether there are none.
    pub(crate) fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns a text without the secrets in it.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let long = self.0.iter().filter(|it| it.len() >= MIN_BLOTTED_BYTES);
        long.fold(Cow::Borrowed(text), |text, secret| {
            match text.contains(&**secret) {
                true => Cow::Owned(text.replace(&**secret, MARK)),
                false => text,
            }
        })
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} secrets", self.0.len())
    }
}

/// Adds the files that a value refers to.
pub(super) fn add_files(value: &Value, folder: &Path, files: &mut Vec<PathBuf>) {
    match value {
        Value::Object(members) => match reference(members) {
            Some(("file", name)) => files.push(folder.join(name)),
            Some(_) => {}
            None => members.values().for_each(|it| add_files(it, folder, files)),
        },
        Value::Array(elements) => elements.iter().for_each(|it| add_files(it, folder, files)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Returns the kind and the name of a reference, or `None` for any other table.
pub(super) fn reference(members: &Map<String, Value>) -> Option<(&str, &str)> {
    let mut members = members.iter();
    match (members.next(), members.next()) {
        (Some((kind, Value::String(name))), None) if ["env", "file"].contains(&kind.as_str()) => {
            Some((kind, name))
        }
        _ => None,
    }
}

/// Reads the secret of a reference.
///
/// # Errors
///
/// A description of what is wrong with it.
pub(super) fn read(kind: &str, name: &str, folder: &Path) -> Result<String, String> {
    let (secret, what) = match kind {
        "env" => match std::env::var(name) {
            Ok(secret) => (secret, format!("the environment variable `{name}`")),
            Err(std::env::VarError::NotPresent) => {
                return Err(format!(
                    "the environment variable `{name}` is not set; set it for the host's process"
                ));
            }
            Err(std::env::VarError::NotUnicode(_)) => {
                return Err(format!(
                    "the environment variable `{name}` is not UTF-8 text"
                ));
            }
        },
        _ => {
            let file = folder.join(name);
            let shown = file.display();
            let text = read_file(&file)
                .map_err(|error| format!("the file {shown} can't be read: {error}"))?;
            (text, format!("the file {shown}"))
        }
    };
    // Editors end a file with a line break that nobody means.
    let secret = secret
        .strip_suffix('\n')
        .map_or(&*secret, |text| text.strip_suffix('\r').unwrap_or(text));
    if secret.is_empty() {
        return Err(format!("{what} is empty; put the secret into it"));
    }
    if secret.len() > MAX_BYTES {
        return Err(format!("{what} is longer than {MAX_BYTES} bytes"));
    }
    Ok(secret.to_owned())
}

/// Reads a regular file, and little more of it than a secret may have.
fn read_file(file: &Path) -> io::Result<String> {
    // Opening a pipe would wait for its other end.
    if !std::fs::metadata(file)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let most = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 3;
    let mut bytes = Vec::new();
    std::fs::File::open(file)?
        .take(most)
        .read_to_end(&mut bytes)?;
    // A text that was cut is too long in any case, and its last character may be cut, too.
    let cut = u64::try_from(bytes.len()).is_ok_and(|len| len == most);
    match String::from_utf8(bytes) {
        Ok(text) => Ok(text),
        Err(error) if cut => Ok(String::from_utf8_lossy(error.as_bytes()).into_owned()),
        Err(_) => Err(io::Error::other("it is not UTF-8 text")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolve(settings: Value, folder: &Path) -> (Value, Secrets, Vec<Wrong>) {
        let Value::Object(settings) = settings else {
            unreachable!("a table")
        };
        let (settings, wrong) = Settings::resolve(settings, folder);
        let json = serde_json::from_str(&settings.json).expect("JSON");
        (json, settings.secrets, wrong)
    }

    #[test]
    fn references_anywhere_in_the_settings_become_their_secrets() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("salt"), "s3cr3t\n").unwrap();
        let settings = json!({
            "salt": {"file": "salt"},
            "list": [{"key": {"file": "salt"}}],
            "table": {"file": "salt", "more": 1},
            "path": {"env": "PATH"},
        });
        let (settings, secrets, wrong) = resolve(settings, folder.path());
        assert_eq!(wrong, [], "all can be read");
        assert_eq!(settings["salt"], "s3cr3t", "without its line break");
        assert_eq!(settings["list"][0]["key"], "s3cr3t", "in a list");
        assert_eq!(
            settings["table"]["more"], 1,
            "a table of the plugin's own stays"
        );
        assert_eq!(
            settings["path"],
            std::env::var("PATH").unwrap(),
            "from the environment"
        );
        assert_eq!(
            secrets.redact("key s3cr3t!"),
            "key [secret]!",
            "and is never shown"
        );
    }

    #[test]
    fn each_reference_that_leads_nowhere_is_told_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let settings = json!({
            "a": {"env": "WITGATE_TEST_NOT_SET"},
            "b": [{"file": "missing"}, {"file": "empty"}],
        });
        let (_, _, wrong) = resolve(settings, folder.path());
        let told: Vec<_> = wrong
            .iter()
            .map(|(path, message)| (&**path, &**message))
            .collect();
        for ((path, message), (at, says)) in told.iter().zip([
            ("a", "is not set"),
            ("b[0]", "can't be read"),
            ("b[1]", "is empty"),
        ]) {
            assert_eq!(*path, at, "in order");
            assert!(message.contains(says), "{message}");
        }
        assert_eq!(told.len(), 3, "{told:?}");
    }

    #[test]
    fn no_form_of_a_secret_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        for (name, secret) in [
            ("short", "abcd"),
            ("long", "abcdefgh"),
            ("quoted", "pa\"ss\nword"),
        ] {
            std::fs::write(folder.path().join(name), secret).unwrap();
        }
        let settings = json!({
            "a": {"file": "short"}, "b": {"file": "long"}, "c": {"file": "quoted"},
        });
        let (_, secrets, _) = resolve(settings, folder.path());
        for (text, shown) in [
            ("abcdefgh", "[secret]"),
            ("abcd efgh", "[secret] efgh"),
            (r#"{"c":"pa\"ss\nword"}"#, r#"{"c":"[secret]"}"#),
            ("pa\"ss", "[secret]"),
        ] {
            assert_eq!(secrets.redact(text), shown, "{text}");
        }
    }

    #[test]
    fn what_is_no_regular_file_and_what_is_too_long_is_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("long"), "x".repeat(MAX_BYTES + 1)).unwrap();
        std::fs::write(folder.path().join("longest"), "x".repeat(MAX_BYTES)).unwrap();
        let settings = json!({
            "a": {"file": "."}, "b": {"file": "/dev/zero"}, "c": {"file": "long"}, "d": {"file": "longest"},
        });
        let (_, _, wrong) = resolve(settings, folder.path());
        for ((path, message), (at, says)) in wrong.iter().zip([
            ("a", "not a regular file"),
            ("b", "not a regular file"),
            ("c", "longer than 65536 bytes"),
        ]) {
            assert_eq!(path, at, "in order");
            assert!(message.contains(says), "{message}");
        }
        assert_eq!(wrong.len(), 3, "the longest is one: {wrong:?}");
    }
}
