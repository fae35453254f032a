//! From the file to the typed configuration, collecting every problem on the way.

use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;

use witgate_runtime::problem::{Document, Problems};

use super::file::{
    AdminFile, ConfigFile, CredentialFile, KeysFile, LimitsFile, ListenFile, ReceiptsFile,
    UpstreamFile,
};
use super::upstream::Scheme;
use super::{
    BaseUrl, Config, Credential, CredentialHeader, CredentialSource, Keys, Limits, Listen, Plugins,
    Receipts, UpstreamConfig,
};

/// Checks a file's text.
pub(super) fn check(path: &Path, text: &str) -> Result<Config, Problems> {
    let document = Document::parse(&path.to_string_lossy(), text)?;
    let (file, problems) = document.read_known::<ConfigFile>()?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut check = Check {
        document: &document,
        folder,
        problems,
    };
    let config = check.config(path, file);
    match config {
        Some(config) if check.problems.is_empty() => Ok(config),
        _ => Err(check.problems.into_result().err().unwrap_or_default()),
    }
}

/// The problems so far, and what is needed to describe the next one.
struct Check<'a> {
    document: &'a Document,
    folder: PathBuf,
    problems: Problems,
}

// === impl Check ===

impl Check<'_> {
    fn config(&mut self, path: &Path, file: ConfigFile) -> Option<Config> {
        let listen = self.listen(&file.listen);
        let admin = file.admin.and_then(|admin| self.admin(&admin));
        let keys = self.keys(file.keys);
        let limits = self.limits(&file.limits);
        let poll = self.millis(
            "plugins.poll_ms",
            file.plugins.poll_ms,
            Duration::from_secs(1),
        );
        let plugins = Plugins {
            directory: self.existing_folder("plugins.directory", &file.plugins.directory),
            required: file.plugins.required,
            poll,
        };

        if file.upstreams.is_empty() {
            self.problem(
                "upstreams",
                "name at least one: [upstreams.default] with a base_url",
            );
        }
        let upstreams: Vec<_> = file
            .upstreams
            .into_iter()
            .filter_map(|(name, upstream)| self.upstream(name, upstream))
            .collect();
        let default_upstream = self.default_upstream(file.default_upstream, &upstreams);

        let receipts = self.receipts(file.receipts);
        let prices = file
            .prices
            .file
            .map(|file| self.existing_file("prices.file", &file));
        let drain_timeout = self.millis(
            "drain_timeout_ms",
            file.drain_timeout_ms,
            Duration::from_secs(300),
        );

        Some(Config {
            path: path.to_owned(),
            listen: listen?,
            admin,
            keys: keys?,
            plugins,
            upstreams,
            default_upstream: default_upstream?,
            limits,
            receipts,
            prices,
            drain_timeout,
        })
    }

    fn listen(&mut self, file: &ListenFile) -> Option<Listen> {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = match file.threads.map(NonZeroUsize::new) {
            None => cores,
            Some(Some(threads)) if threads.get() <= 1024 => threads,
            Some(_) => {
                self.problem("listen.threads", "between 1 and 1024");
                cores
            }
        };
        Some(Listen {
            address: self.address("listen.address", &file.address)?,
            threads,
        })
    }

    fn admin(&mut self, file: &AdminFile) -> Option<SocketAddr> {
        let address = self.address("admin.address", &file.address)?;
        if !address.ip().is_loopback() && !file.insecure_public {
            self.problem(
                "admin.address",
                "not a loopback address: the admin pages ask nobody for a key. Use 127.0.0.1, or set insecure_public = true",
            );
        }
        Some(address)
    }

    fn keys(&mut self, file: KeysFile) -> Option<Keys> {
        match (file.file, file.insecure_open) {
            (Some(file), false) => Some(Keys::File(self.existing_file("keys.file", &file))),
            (None, true) => Some(Keys::Open),
            (Some(_), true) => {
                self.problem(
                    "keys.insecure_open",
                    "takes no keys file beside it: choose one",
                );
                None
            }
            (None, false) => {
                self.problem(
                    "keys",
                    "name the file of virtual keys (`witgate key new` makes one)",
                );
                None
            }
        }
    }

    fn limits(&mut self, file: &LimitsFile) -> Limits {
        let default = Limits::default();
        let body_bytes = match file.body_bytes.map(usize::try_from) {
            None => default.body_bytes,
            Some(Ok(bytes)) if (1..=1 << 30).contains(&bytes) => bytes,
            Some(_) => {
                self.problem("limits.body_bytes", "between 1 and 1073741824");
                default.body_bytes
            }
        };
        let connections = file.connections.unwrap_or(default.connections);
        if connections == 0 {
            self.problem("limits.connections", "at least 1");
        }
        Limits {
            body_bytes,
            connections,
            head_timeout: self.millis(
                "limits.head_timeout_ms",
                file.head_timeout_ms,
                default.head_timeout,
            ),
            body_timeout: self.millis(
                "limits.body_timeout_ms",
                file.body_timeout_ms,
                default.body_timeout,
            ),
            write_timeout: self.millis(
                "limits.write_timeout_ms",
                file.write_timeout_ms,
                default.write_timeout,
            ),
        }
    }

    fn receipts(&mut self, file: ReceiptsFile) -> Receipts {
        let rotate = file.rotate_bytes.unwrap_or(256 * 1024 * 1024);
        if rotate < 64 * 1024 {
            self.problem(
                "receipts.rotate_bytes",
                "at least 65536: a receipt has to fit",
            );
        }
        let keep = file.keep.unwrap_or(8);
        if keep == 0 {
            self.problem("receipts.keep", "at least 1");
        }
        Receipts {
            file: file.file.map(|file| self.folder.join(file)),
            rotate_bytes: NonZeroU64::new(rotate).unwrap_or(NonZeroU64::MIN),
            keep: NonZeroU32::new(keep).unwrap_or(NonZeroU32::MIN),
        }
    }

    fn upstream(&mut self, name: String, file: UpstreamFile) -> Option<UpstreamConfig> {
        let at = |key: &str| format!("upstreams.{name}.{key}");
        let base = match BaseUrl::parse(&file.base_url) {
            Ok(base) => Some(base),
            Err(error) => {
                self.problem(&at("base_url"), &error);
                None
            }
        };
        let credential = match file.credential {
            Some(credential) => Some(self.credential(&at("credential"), credential)?),
            None => None,
        };
        let connect_timeout = self.millis(
            &at("connect_timeout_ms"),
            file.connect_timeout_ms,
            Duration::from_secs(5),
        );
        // The clients' own limit: their default is ten minutes for an answer.
        let head_timeout = self.millis(
            &at("head_timeout_ms"),
            file.head_timeout_ms,
            Duration::from_secs(600),
        );
        let idle_timeout = self.millis(
            &at("idle_timeout_ms"),
            file.idle_timeout_ms,
            Duration::from_secs(300),
        );
        let ca_file = file
            .ca_file
            .map(|file| self.existing_file(&at("ca_file"), &file));
        let base = base?;
        if base.scheme == Scheme::Http && (ca_file.is_some() || file.sni.is_some()) {
            self.problem(&at("base_url"), "ca_file and sni are for https");
        }
        let sni = match file.sni {
            Some(sni) if sni.is_empty() => {
                self.problem(&at("sni"), "an empty name would switch verification off");
                return None;
            }
            Some(sni) => sni,
            None => base.host.clone(),
        };
        Some(UpstreamConfig {
            name,
            base,
            credential,
            connect_timeout,
            head_timeout,
            idle_timeout,
            ca_file,
            sni,
        })
    }

    fn credential(&mut self, at: &str, file: CredentialFile) -> Option<Credential> {
        let header = match file.header.as_deref() {
            None | Some("x-api-key") => CredentialHeader::ApiKey,
            Some("bearer") => CredentialHeader::Bearer,
            Some(_) => {
                self.problem(&format!("{at}.header"), "x-api-key or bearer");
                return None;
            }
        };
        let source = match (file.env, file.file) {
            (Some(name), None) => CredentialSource::Env(name),
            (None, Some(path)) => CredentialSource::File(self.folder.join(path)),
            _ => {
                self.problem(at, "name one of `env` and `file`");
                return None;
            }
        };
        let credential = Credential { source, header };
        if let Err(error) = credential.read() {
            self.problem(at, &error);
        }
        Some(credential)
    }

    fn default_upstream(
        &mut self,
        name: Option<String>,
        upstreams: &[UpstreamConfig],
    ) -> Option<String> {
        match (name, upstreams) {
            (Some(name), _) if upstreams.iter().any(|upstream| upstream.name == name) => Some(name),
            (Some(name), _) => {
                self.problem(
                    "default_upstream",
                    &format!("there is no [upstreams.{name}]"),
                );
                None
            }
            (None, [only]) => Some(only.name.clone()),
            (None, several) => {
                if !several.is_empty() {
                    self.problem(
                        "upstreams",
                        "with several upstreams, say default_upstream = \"NAME\"",
                    );
                }
                None
            }
        }
    }

    fn address(&mut self, at: &str, text: &str) -> Option<SocketAddr> {
        text.parse()
            .map_err(|_| self.problem(at, "an address and a port, for example 127.0.0.1:8787"))
            .ok()
    }

    fn millis(&mut self, at: &str, value: Option<u64>, default: Duration) -> Duration {
        match value {
            None => default,
            Some(millis) if (1..=86_400_000).contains(&millis) => Duration::from_millis(millis),
            Some(_) => {
                self.problem(at, "between 1 ms and a day");
                default
            }
        }
    }

    fn existing_file(&mut self, at: &str, path: &Path) -> PathBuf {
        let path = self.folder.join(path);
        if !path.is_file() {
            self.problem(at, &format!("{} is not a file", path.display()));
        }
        path
    }

    fn existing_folder(&mut self, at: &str, path: &Path) -> PathBuf {
        let path = self.folder.join(path);
        if !path.is_dir() {
            self.problem(at, &format!("{} is not a directory", path.display()));
        }
        path
    }

    fn problem(&mut self, at: &str, message: &str) {
        self.problems.push(self.document.problem(at, message));
    }
}
