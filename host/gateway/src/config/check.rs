//! From the file to the typed configuration, collecting every problem on the way.

mod admin;
mod capture;
mod cors;
mod credential;
mod endpoints;
mod group;
mod ledger;
mod plugins;
mod pressure;
mod proxies;
mod receipts;
mod resilience;
mod streams;
mod tls;
mod upgrade;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use witgate_config_file::{Document, Problems};

use self::pressure::Share;
use self::resilience::Troubles;
use super::file::{ConfigFile, KeysFile, LimitsFile, ListenFile, UpstreamFile};
use super::memory::Memory;
use super::upstream::Scheme;
use super::{BaseUrl, Batches, Config, Draft, GroupConfig, Keys, Limits, Listen, UpstreamConfig};

/// Checks a file's text, past everything that is wrong in it.
pub(super) fn check(path: &Path, text: &str) -> Result<Draft, Problems> {
    let document = Document::parse(&path.to_string_lossy(), text)?;
    let (file, problems) = document.read_known::<ConfigFile>()?;
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut check = Check {
        document: &document,
        folder,
        problems,
    };
    let config = check.config(path, file);
    Ok(Draft {
        config,
        problems: check.problems,
    })
}

/// Stands in for an address that is wrong.
const NOWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// The problems so far, and what is needed to describe the next one.
struct Check<'a> {
    document: &'a Document,
    folder: PathBuf,
    problems: Problems,
}

// === impl Check ===

impl Check<'_> {
    fn config(&mut self, path: &Path, file: ConfigFile) -> Config {
        let listen = self.listen(&file.listen);
        let admin = file.admin.and_then(|admin| self.admin(admin));
        let keys = self.keys(file.keys);
        let limits = self.limits(&file.limits, Share::of(&keys));
        let streams = self.streams(&file.streams);
        let plugins = self.plugins(file.plugins, &file.state);

        if file.upstreams.is_empty() {
            self.problem(
                "upstreams",
                "name at least one: [upstreams.default] with a base_url",
            );
        }
        // Those that are wrong have their names all the same.
        let names: Vec<_> = file.upstreams.keys().cloned().collect();
        let upstreams: Vec<_> = file
            .upstreams
            .into_iter()
            .filter_map(|(name, upstream)| self.upstream(name, upstream))
            .collect();
        let groups = self.groups(file.groups, &names);
        let default_upstream = self.default_upstream(file.default_upstream, &names, &groups);

        let batches = Batches {
            poll: self.millis(
                "batches.poll_ms",
                file.batches.poll_ms,
                Duration::from_secs(60),
            ),
            decide: self.millis(
                "batches.decide_ms",
                file.batches.decide_ms,
                Duration::from_secs(10),
            ),
        };
        let ledger = self.ledger(&file.ledger);
        let receipts = self.receipts(file.receipts);
        let prices = file
            .prices
            .file
            .map(|file| self.existing_file("prices.file", &file));
        let upgrade = self.upgrade(file.upgrade);
        let drain_timeout = self.millis(
            "drain_timeout_ms",
            file.drain_timeout_ms,
            Duration::from_secs(300),
        );

        let state = self.state(&file.state);
        let endpoints = self.endpoints(&file.passthrough, file.skills, file.models);
        let cors = self.cors(file.cors.as_ref());
        let capture = file.capture.map(|file| self.capture(&file));

        Config {
            path: path.to_owned(),
            print: None,
            listen,
            admin,
            keys,
            plugins,
            upstreams,
            groups,
            default_upstream: default_upstream.unwrap_or_default(),
            limits,
            streams,
            ledger,
            batches,
            receipts,
            prices,
            upgrade,
            drain_timeout,
            state,
            endpoints,
            cors,
            capture,
        }
    }

    fn listen(&mut self, file: &ListenFile) -> Listen {
        let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let threads = match file.threads.map(NonZeroUsize::new) {
            None => cores,
            Some(Some(threads)) if threads.get() <= 1024 => threads,
            Some(_) => {
                self.problem("listen.threads", "between 1 and 1024");
                cores
            }
        };
        let tls = file.tls.as_ref().map(|tls| self.listen_tls(tls));
        let proxies = self.proxies(file);
        Listen {
            address: self
                .address("listen.address", &file.address)
                .unwrap_or(NOWHERE),
            threads,
            tls,
            h2c: file.h2c,
            proxies,
        }
    }

    fn keys(&mut self, file: KeysFile) -> Keys {
        match (file.file, file.insecure_open) {
            (Some(file), false) => return Keys::File(self.existing_file("keys.file", &file)),
            (None, true) => return Keys::Open,
            (Some(_), true) => self.problem(
                "keys.insecure_open",
                "takes no keys file beside it: choose one",
            ),
            // One that is there and wrong has been told of.
            (None, false) if self.problems.is_about("keys") => {}
            (None, false) => self.problem(
                "keys",
                "name the file of virtual keys (`witgate key new` makes one)",
            ),
        }
        // Stands in, and lets nobody in.
        Keys::File(PathBuf::new())
    }

    fn limits(&mut self, file: &LimitsFile, share: Share) -> Limits {
        let default = Limits::default();
        let body_bytes = match file.body_bytes.map(usize::try_from) {
            None => default.body_bytes,
            Some(Ok(bytes)) if (1..=1 << 30).contains(&bytes) => bytes,
            Some(_) => {
                self.problem("limits.body_bytes", "between 1 and 1073741824");
                default.body_bytes
            }
        };
        let there_is = Memory::of_machine().origin;
        let connections = file.connections.unwrap_or(there_is.for_connections());
        if connections == 0 {
            self.problem("limits.connections", "at least 1");
        }
        let batch = u64::try_from(default.batch_bytes).unwrap_or(u64::MAX);
        let batch = self.bytes("limits.batch_bytes", file.batch_bytes, batch, 1 << 30);
        let upload = self.bytes(
            "limits.upload_bytes",
            file.upload_bytes,
            default.upload_bytes,
            1 << 40,
        );
        Limits {
            body_bytes,
            decoded_bytes: self.decoded_bytes(file.decoded_bytes, body_bytes),
            head_bytes: self.within(
                "limits.head_bytes",
                file.head_bytes,
                default.head_bytes,
                1024..=1024 * 1024,
            ),
            headers: self.within("limits.headers", file.headers, default.headers, 16..=256),
            streams: self.within("limits.streams", file.streams, default.streams, 1..=10_000),
            batch_bytes: usize::try_from(batch).unwrap_or(default.batch_bytes),
            upload_bytes: upload,
            connections,
            memory: self.memory(file, share),
            in_flight: self.at_most("limits.in_flight", file.in_flight, default.in_flight),
            in_flight_per_key: self.at_most(
                "limits.in_flight_per_key",
                file.in_flight_per_key,
                default.in_flight_per_key.filter(|_| share == Share::OfAKey),
            ),
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

    fn upstream(&mut self, name: String, file: UpstreamFile) -> Option<UpstreamConfig> {
        let at = |key: &str| format!("upstreams.{name}.{key}");
        let base = match BaseUrl::parse(&file.base_url) {
            Ok(base) => Some(base),
            Err(error) => {
                self.problem(&at("base_url"), &error);
                None
            }
        };
        let kind = self.kind(&name, file.kind.as_deref());
        let troubles = Troubles {
            retry: file.retry,
            breaker: file.breaker,
            max_in_flight: file.max_in_flight,
            health: file.health,
        };
        let resilience = self.resilience(&name, troubles);
        // Whatever is wrong with it, the others are looked at as well.
        let credential = file
            .credential
            .map(|credential| self.credential(&at("credential"), credential));
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
        let http = self.http_version(&at("http"), file.http.as_deref(), base.scheme);
        let sni = match file.sni {
            Some(sni) if sni.is_empty() => {
                self.problem(&at("sni"), "an empty name would switch verification off");
                return None;
            }
            Some(sni) => sni,
            None => base.host.clone(),
        };
        Some(UpstreamConfig {
            kind,
            provider: file.provider.unwrap_or_else(|| "anthropic".into()),
            provider_change: file.allow_provider_change.into(),
            resilience,
            name,
            base,
            credential: match credential {
                None => None,
                Some(credential) => Some(credential?),
            },
            connect_timeout,
            head_timeout,
            idle_timeout,
            ca_file,
            sni,
            http,
            vmx_headers: file.forward_vmx_headers.into(),
        })
    }

    fn default_upstream(
        &mut self,
        name: Option<String>,
        upstreams: &[String],
        groups: &[GroupConfig],
    ) -> Option<String> {
        let known = |name: &String| {
            upstreams.contains(name) || groups.iter().any(|group| group.name == *name)
        };
        match (name, upstreams) {
            (Some(name), _) if known(&name) => Some(name),
            (Some(name), _) => {
                // Without any upstream that is the reason, and has been told.
                if !upstreams.is_empty() {
                    self.problem(
                        "default_upstream",
                        &format!("there is no [upstreams.{name}]"),
                    );
                }
                None
            }
            (None, [only]) => Some(only.clone()),
            (None, []) => None,
            (None, _) => {
                self.problem(
                    "upstreams",
                    "with several upstreams, say default_upstream = \"NAME\"",
                );
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
