//! The sidecar: the operator's configuration of one plugin, in `NAME.toml` beside `NAME.wasm`.
//!
//! Every key has a default, so the file is optional. Unknown keys and values out of range are reported together.
//! `[settings]` belongs to the plugin, which gets it as JSON.

mod limits;
mod secrets;
mod tables;

pub(crate) use secrets::{Secrets, Settings};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use witgate_config_file::{Document, Problem, Problems};

use crate::content::ContentSide;
use crate::grants::{BodyGrant, Grants, HeaderGrant};
use crate::hook::{Hook, PerHook};
use crate::limits::Limits;
use crate::options::RuntimeOptions;
use crate::tables::TableConfig;
use tables::TableFile;

/// The effect of a hook's fault on the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum FailPolicy {
    /// The request is refused. The default for all hooks but audit. If a guard faults on a response, the response
    /// ends with an error.
    Closed,
    /// The request goes on without the plugin, and the fault is counted. The audit hook always fails open, so that no
    /// receipt is lost.
    Open,
}

/// The reuse of instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum InstancePolicy {
    /// A call takes an idle instance if there is one.
    #[default]
    Reused,
    /// Each call gets a new instance.
    Fresh,
}

/// The checked content of a sidecar.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sidecar {
    /// The plugin's position in the lineup: ascending, then by name. Default 100.
    pub order: i64,
    /// The reuse of instances. Default `reused`.
    pub instances: InstancePolicy,
    /// The plugin's limits.
    pub limits: Limits,
    /// The plugin's grants.
    pub grants: Grants,
    /// The fail policy of each hook.
    pub fail: PerHook<FailPolicy>,
    /// The SHA-256 in lowercase hex that the plugin's file must have, or `None` if any file will do.
    pub pin: Option<String>,
    /// The text of `[settings]` as JSON, with its references to secrets.
    pub settings: String,
    /// The same with the secrets.
    pub(crate) resolved: Settings,
    pub(crate) tables: Vec<TableConfig>,
    /// The files that the sidecar refers to.
    pub(crate) files: Vec<PathBuf>,
    document: Option<Document>,
}

/// The file as the operator writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    order: Option<i64>,
    instances: InstancePolicy,
    sha256: Option<String>,
    grants: GrantsTable,
    limits: LimitsTable,
    hooks: HooksTable,
    tables: BTreeMap<String, TableFile>,
    settings: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GrantsTable {
    body: BodyGrant,
    headers: Vec<String>,
    content: Vec<ContentSide>,
    kv: bool,
    metrics: bool,
    clock: bool,
    claims: Vec<String>,
}

/// Defines a table with the call limits, which `[limits]` has for all hooks and `[hooks.NAME]` for one. A macro repeats the
/// keys, because serde's `flatten` would hide unknown keys.
macro_rules! table_with_call_limits {
    (struct $name:ident { $($key:ident: $type:ty,)* }) => {
        #[derive(Debug, Default, Deserialize)]
        #[serde(default)]
        struct $name {
            deadline_ms: Option<i64>,
            copy_bytes: Option<i64>,
            body_bytes: Option<i64>,
            host_calls: Option<i64>,
            list_items: Option<i64>,
            return_bytes: Option<i64>,
            $($key: $type,)*
        }

        impl $name {
            /// Returns the call limits in the order of [`limits::CALL_LIMITS`].
            fn call_limits(&self) -> [Option<i64>; 6] {
                [
                    self.deadline_ms,
                    self.copy_bytes,
                    self.body_bytes,
                    self.host_calls,
                    self.list_items,
                    self.return_bytes,
                ]
            }
        }
    };
}

table_with_call_limits! {
    struct LimitsTable {
        configure_ms: Option<i64>,
        memory_mib: Option<i64>,
        memory_bytes: Option<i64>,
        table_elements: Option<i64>,
        core_instances: Option<i64>,
        log_lines: Option<i64>,
        metric_names: Option<i64>,
        kv_entries: Option<i64>,
        kv_bytes: Option<i64>,
        kv_entry_bytes: Option<i64>,
        live_instances: Option<i64>,
        recycle_after: Option<i64>,
        held_bytes: Option<i64>,
        piece_bytes: Option<i64>,
    }
}

table_with_call_limits! {
    struct HookTable {
        fail: Option<FailPolicy>,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HooksTable {
    translate: HookTable,
    envelope: HookTable,
    guard: HookTable,
    route: HookTable,
    budget: HookTable,
    audit: HookTable,
}

/// The check of a file's values, with the problems found so far.
struct Check<'a> {
    document: &'a Document,
    problems: Problems,
    /// The files that the sidecar refers to.
    files: Vec<PathBuf>,
}

// === impl Sidecar ===

impl Sidecar {
    /// Parses and checks the text of a sidecar. `file` is its name for messages, and secrets in files are relative to its folder.
    /// Reads the secrets that `[settings]` refers to.
    ///
    /// # Errors
    ///
    /// All problems, each with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (sidecar, problems) = Self::draft(file, text, None)?;
        problems.into_result().map(|()| sidecar)
    }

    /// Parses a sidecar and returns its problems beside it. A wrong value is replaced by its default, so a sidecar with
    /// problems is good enough for further checks but not for serving. With `host`, values that this host never allows are
    /// problems, too.
    ///
    /// # Errors
    ///
    /// The text is not TOML.
    pub(crate) fn draft(
        file: &str,
        text: &str,
        host: Option<&RuntimeOptions>,
    ) -> Result<(Self, Problems), Problems> {
        let document = Document::parse(file, text)?;
        let (raw, problems) = document.read_known::<File>()?;
        let mut check = Check {
            document: &document,
            problems,
            files: Vec::new(),
        };
        let limits = check.limits(&raw);
        let grants = check.grants(&raw.grants);
        if let Some(host) = host {
            check.headers_on(host, &raw.grants);
            check.limits_on(host, &raw.limits, &limits);
        }
        let pin = check.pin(raw.sha256);
        let folder = Path::new(file).parent().unwrap_or(Path::new(""));
        let settings = serde_json::Value::Object(raw.settings.clone());
        secrets::add_files(&settings, folder, &mut check.files);
        let (resolved, wrong) = Settings::resolve(raw.settings, folder);
        for (path, message) in wrong {
            check.reject(&format!("settings.{path}"), &message);
        }
        let tables = check.tables(raw.tables, folder, host);
        let fail = check.fail(&raw.hooks);
        let Check {
            problems, files, ..
        } = check;
        let sidecar = Self {
            order: raw.order.unwrap_or(100),
            instances: raw.instances,
            limits,
            grants,
            fail,
            pin,
            settings: settings.to_string(),
            resolved,
            tables,
            files,
            document: Some(document),
        };
        Ok((sidecar, problems))
    }

    /// Returns the problems that the plugin found in its settings, with file and line.
    pub(crate) fn settings_problems(
        &self,
        plugin: &str,
        found: Vec<crate::contract::SettingsProblem>,
    ) -> Problems {
        let mut problems = Problems::default();
        for problem in found {
            let path = self.resolved.secrets.redact(&problem.path);
            let path = match &*path {
                "" => "settings".to_owned(),
                inside => format!("settings.{inside}"),
            };
            let message = self.resolved.secrets.redact(&problem.message).into_owned();
            problems.push(self.problem(plugin, path, message));
        }
        problems
    }

    /// Returns a problem with a key, with file and line.
    pub(crate) fn problem(&self, plugin: &str, path: String, message: String) -> Problem {
        match &self.document {
            Some(document) => document.problem(&path, message),
            None => Problem {
                file: format!("{plugin}.toml"),
                line: None,
                path,
                message,
            },
        }
    }
}

impl Default for Sidecar {
    /// Returns the configuration of a plugin without a sidecar.
    fn default() -> Self {
        Self {
            order: 100,
            instances: InstancePolicy::default(),
            limits: Limits::default(),
            grants: Grants::default(),
            pin: None,
            fail: PerHook::from_fn(default_fail),
            settings: "{}".to_owned(),
            resolved: Settings::default(),
            tables: Vec::new(),
            files: Vec::new(),
            document: None,
        }
    }
}

fn default_fail(hook: Hook) -> FailPolicy {
    match hook {
        Hook::Translate | Hook::Envelope | Hook::Guard | Hook::Route | Hook::Budget => {
            FailPolicy::Closed
        }
        Hook::Audit => FailPolicy::Open,
    }
}

// === impl HooksTable ===

impl HooksTable {
    fn of(&self, hook: Hook) -> &HookTable {
        match hook {
            Hook::Translate => &self.translate,
            Hook::Envelope => &self.envelope,
            Hook::Guard => &self.guard,
            Hook::Route => &self.route,
            Hook::Budget => &self.budget,
            Hook::Audit => &self.audit,
        }
    }
}

// === impl Check ===

impl Check<'_> {
    fn grants(&mut self, table: &GrantsTable) -> Grants {
        let mut headers = Vec::with_capacity(table.headers.len());
        for (index, text) in table.headers.iter().enumerate() {
            match HeaderGrant::parse(text) {
                Ok(grant) => headers.push(grant),
                Err(message) => self.reject(&format!("grants.headers[{index}]"), message),
            }
        }
        Grants {
            body: table.body,
            headers,
            content: table.content.clone(),
            kv: table.kv,
            metrics: table.metrics,
            clock: table.clock,
            claims: table.claims.clone(),
        }
    }

    /// Rejects headers that the host shows to no plugin.
    fn headers_on(&mut self, host: &RuntimeOptions, table: &GrantsTable) {
        for (index, text) in table.headers.iter().enumerate() {
            let is_secret =
                |grant: HeaderGrant| host.secret_headers.iter().any(|it| grant.is_of(it));
            if HeaderGrant::parse(text).is_ok_and(is_secret) {
                self.reject(
                    &format!("grants.headers[{index}]"),
                    &format!(
                        "`{text}` carries credentials, which plugins never see; remove it, and let the plugin use `caller` to identify the caller"
                    ),
                );
            }
        }
    }

    fn pin(&mut self, text: Option<String>) -> Option<String> {
        let text = text?.to_ascii_lowercase();
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.reject(
                "sha256",
                "not a SHA-256; use the 64 hexadecimal digits that `sha256sum` prints",
            );
        }
        Some(text)
    }

    fn fail(&mut self, hooks: &HooksTable) -> PerHook<FailPolicy> {
        if hooks.audit.fail == Some(FailPolicy::Closed) {
            self.reject(
                "hooks.audit.fail",
                "the audit hook can't fail closed, because its request has already ended; remove this key. If the hook faults on a receipt, only the fields that the host must keep are written",
            );
        }
        if hooks.translate.fail == Some(FailPolicy::Open) {
            self.reject(
                "hooks.translate.fail",
                "the translate hook can't fail open, because nothing else understands its requests; remove this key",
            );
        }
        PerHook::from_fn(|hook| hooks.of(hook).fail.unwrap_or(default_fail(hook)))
    }

    fn reject(&mut self, path: &str, message: &str) {
        self.problems.push(self.document.problem(path, message));
    }
}
