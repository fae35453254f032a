//! `NAME.toml` beside `NAME.wasm`: the operator's word on one plugin.
//!
//! Every key has a default, so the file may be absent. Unknown keys, zeros and absurd values are problems, reported
//! together. `[settings]` is the plugin's own and is passed on as JSON.

mod limits;

use crate::engine::RuntimeOptions;
use crate::grants::{BodyGrant, Grants, HeaderGrant};
use crate::hook::{Hook, PerHook};
use crate::limits::Limits;
use serde::{Deserialize, Serialize};
use witgate_config_file::{Document, Problem, Problems};

/// What the host does with a request when a hook faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailPolicy {
    /// The request is refused. The default for envelope, route and budget.
    Closed,
    /// The plugin is skipped for this request, and counted. Audit always does this: it never loses a receipt.
    Open,
}

/// Which instance serves a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InstancePolicy {
    /// One that has served before, if there is an idle one.
    #[default]
    Reused,
    /// A pristine one for each call.
    Fresh,
}

/// The checked content of a sidecar.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// Place among the plugins, small first; equal ones go by name. Default 100.
    pub order: i64,
    /// Which instance serves a call.
    pub instances: InstancePolicy,
    /// What a call may take.
    pub limits: Limits,
    /// What it may see and use.
    pub grants: Grants,
    /// What happens on a fault, per hook.
    pub fail: PerHook<FailPolicy>,
    /// SHA-256 in hex, lower case, that its bytes must have; none where any will do.
    pub pin: Option<String>,
    /// `[settings]` as JSON text.
    pub settings: String,
    document: Option<Document>,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct File {
    order: Option<i64>,
    instances: InstancePolicy,
    sha256: Option<String>,
    grants: GrantsTable,
    limits: LimitsTable,
    hooks: HooksTable,
    settings: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct GrantsTable {
    body: BodyGrant,
    headers: Vec<String>,
    kv: bool,
    metrics: bool,
    clock: bool,
}

/// A table with the keys that say what a call may take: for all hooks in `[limits]`, for one in `[hooks.NAME]`. They are
/// written out in both, because serde's flattening would hide unknown keys.
macro_rules! table_with_call_keys {
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
            fn call(&self) -> CallKeys {
                CallKeys {
                    deadline_ms: self.deadline_ms,
                    copy_bytes: self.copy_bytes,
                    body_bytes: self.body_bytes,
                    host_calls: self.host_calls,
                    list_items: self.list_items,
                    return_bytes: self.return_bytes,
                }
            }
        }
    };
}

/// What a table says about a call.
#[derive(Debug)]
struct CallKeys {
    deadline_ms: Option<i64>,
    copy_bytes: Option<i64>,
    body_bytes: Option<i64>,
    host_calls: Option<i64>,
    list_items: Option<i64>,
    return_bytes: Option<i64>,
}

table_with_call_keys! {
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
    }
}

table_with_call_keys! {
    struct HookTable {
        fail: Option<FailPolicy>,
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HooksTable {
    envelope: HookTable,
    route: HookTable,
    budget: HookTable,
    audit: HookTable,
}

/// Collects what is wrong with the values.
struct Check<'a> {
    document: &'a Document,
    problems: Problems,
}

// === impl Sidecar ===

impl Sidecar {
    /// Reads and checks a sidecar's text.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with it, each with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (sidecar, problems) = Self::draft(file, text, None)?;
        problems.into_result().map(|()| sidecar)
    }

    /// Reads a sidecar as far as it goes, with its problems beside it. What is wrong has its default, so with problems it
    /// is for looking at the plugin further, not for serving. What a known host never gives is a problem too.
    ///
    /// # Errors
    ///
    /// When the text is not TOML.
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
        };
        let limits = check.limits(&raw);
        let grants = check.grants(&raw.grants);
        if let Some(host) = host {
            check.headers_on(host, &raw.grants);
            check.limits_on(host, &raw.limits, &limits);
        }
        let pin = check.pin(raw.sha256);
        let fail = check.fail(&raw.hooks);
        let problems = check.problems;
        let sidecar = Self {
            order: raw.order.unwrap_or(100),
            instances: raw.instances,
            limits,
            grants,
            fail,
            pin,
            settings: serde_json::Value::Object(raw.settings).to_string(),
            document: Some(document),
        };
        Ok((sidecar, problems))
    }

    /// The problems that a plugin found in its settings, with file and line.
    pub(crate) fn settings_problems(
        &self,
        plugin: &str,
        found: Vec<crate::contract::SettingsProblem>,
    ) -> Problems {
        let mut problems = Problems::default();
        for problem in found {
            let path = match problem.path.as_str() {
                "" => "settings".to_owned(),
                inside => format!("settings.{inside}"),
            };
            problems.push(match &self.document {
                Some(document) => document.problem(&path, problem.message),
                None => Problem {
                    file: format!("{plugin}.toml"),
                    line: None,
                    path,
                    message: problem.message,
                },
            });
        }
        problems
    }
}

impl Default for Sidecar {
    /// What holds for a plugin without a sidecar.
    fn default() -> Self {
        Self {
            order: 100,
            instances: InstancePolicy::default(),
            limits: Limits::default(),
            grants: Grants::default(),
            pin: None,
            fail: PerHook::from_fn(default_fail),
            settings: "{}".to_owned(),
            document: None,
        }
    }
}

fn default_fail(hook: Hook) -> FailPolicy {
    match hook {
        Hook::Envelope | Hook::Route | Hook::Budget => FailPolicy::Closed,
        Hook::Audit => FailPolicy::Open,
    }
}

// === impl HooksTable ===

impl HooksTable {
    fn of(&self, hook: Hook) -> &HookTable {
        match hook {
            Hook::Envelope => &self.envelope,
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
            kv: table.kv,
            metrics: table.metrics,
            clock: table.clock,
        }
    }

    /// Rejects the headers that the host shows to no plugin.
    fn headers_on(&mut self, host: &RuntimeOptions, table: &GrantsTable) {
        for (index, text) in table.headers.iter().enumerate() {
            let is_secret =
                |grant: HeaderGrant| host.secret_headers.iter().any(|it| grant.is_of(it));
            if HeaderGrant::parse(text).is_ok_and(is_secret) {
                self.reject(
                    &format!("grants.headers[{index}]"),
                    &format!(
                        "`{text}` carries credentials, which no plugin ever sees; remove it, and ask `caller()` who the request is from"
                    ),
                );
            }
        }
    }

    /// Rejects limits above what the host gives to any plugin.
    fn limits_on(&mut self, host: &RuntimeOptions, table: &LimitsTable, limits: &Limits) {
        let memory = match table.memory_mib {
            Some(_) => "limits.memory_mib",
            None => "limits.memory_bytes",
        };
        for (path, wanted, most) in [
            (memory, limits.memory_bytes, host.memory_ceiling),
            (
                "limits.table_elements",
                limits.table_elements,
                host.table_ceiling,
            ),
        ] {
            if wanted > most {
                let message =
                    format!("this host gives a plugin {most} at most; say no more than that");
                self.reject(path, &message);
            }
        }
    }

    fn pin(&mut self, text: Option<String>) -> Option<String> {
        let text = text?.to_ascii_lowercase();
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.reject(
                "sha256",
                "64 hexadecimal digits are a SHA-256; `sha256sum` prints them",
            );
        }
        Some(text)
    }

    fn fail(&mut self, hooks: &HooksTable) -> PerHook<FailPolicy> {
        if hooks.audit.fail == Some(FailPolicy::Closed) {
            self.reject(
                "hooks.audit.fail",
                "audit can't fail closed: there is no request to refuse any more; of a receipt that it faults on only what the host must keep is written",
            );
        }
        PerHook::from_fn(|hook| hooks.of(hook).fail.unwrap_or(default_fail(hook)))
    }

    fn reject(&mut self, path: &str, message: &str) {
        self.problems.push(self.document.problem(path, message));
    }
}
