//! `NAME.toml` beside `NAME.wasm`: the operator's word on one plugin.
//!
//! Every key has a default, so the file may be absent. Unknown keys, zeros and absurd values are problems, reported
//! together. `[settings]` is the plugin's own and is passed on as JSON.

use crate::hook::{Hook, PerHook};
use crate::limits::Limits;
use crate::problem::{Document, Problems};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;

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
    /// What happens on a fault, per hook.
    pub fail: PerHook<FailPolicy>,
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
    limits: LimitsTable,
    hooks: HooksTable,
    settings: serde_json::Map<String, serde_json::Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct LimitsTable {
    deadline_ms: Option<i64>,
    configure_ms: Option<i64>,
    memory_mib: Option<i64>,
    memory_bytes: Option<i64>,
    table_elements: Option<i64>,
    core_instances: Option<i64>,
    copy_bytes: Option<i64>,
    body_bytes: Option<i64>,
    host_calls: Option<i64>,
    list_items: Option<i64>,
    log_lines: Option<i64>,
    metric_names: Option<i64>,
    live_instances: Option<i64>,
    recycle_after: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HooksTable {
    envelope: HookTable,
    route: HookTable,
    budget: HookTable,
    audit: HookTable,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HookTable {
    deadline_ms: Option<i64>,
    fail: Option<FailPolicy>,
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
        let document = Document::parse(file, text)?;
        let raw: File = document.read()?;
        let mut check = Check {
            document: &document,
            problems: Problems::default(),
        };
        let limits = check.limits(&raw);
        let fail = check.fail(&raw.hooks);
        check.problems.into_result()?;
        Ok(Self {
            order: raw.order.unwrap_or(100),
            instances: raw.instances,
            limits,
            fail,
            settings: serde_json::Value::Object(raw.settings).to_string(),
            document: Some(document),
        })
    }

    /// The problems that a plugin found in its settings, with file and line.
    pub(crate) fn settings_problems(
        &self,
        plugin: &str,
        found: Vec<crate::contract::SettingsProblem>,
    ) -> Problems {
        let mut problems = Problems::default();
        for problem in found {
            let path = format!("settings.{}", problem.path);
            problems.push(match &self.document {
                Some(document) => document.problem(&path, problem.message),
                None => crate::problem::Problem {
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

fn default_deadline(hook: Hook) -> Duration {
    match hook {
        Hook::Envelope | Hook::Route | Hook::Budget => Duration::from_millis(5),
        Hook::Audit => Duration::from_millis(50),
    }
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: PerHook::from_fn(default_deadline),
            configure: Duration::from_millis(50),
            memory_bytes: 16 << 20,
            table_elements: 10_000,
            core_instances: 16,
            copy_bytes: 1 << 20,
            body_bytes: 256 << 10,
            host_calls: 1_000,
            list_items: 1_024,
            log_lines: 100,
            metric_names: 64,
            live_instances: 64,
            recycle_after: 1_000_000,
        }
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

/// A minute: no hook has a reason to hold a request for longer.
const MILLIS: RangeInclusive<i64> = 1..=60_000;

impl Check<'_> {
    fn limits(&mut self, raw: &File) -> Limits {
        let table = &raw.limits;
        let default = Limits::default();
        Limits {
            deadline: self.deadlines(raw),
            configure: self
                .number("limits.configure_ms", table.configure_ms, MILLIS)
                .map_or(default.configure, Duration::from_millis),
            memory_bytes: self.memory(table).unwrap_or(default.memory_bytes),
            table_elements: self.size(
                "limits.table_elements",
                table.table_elements,
                1..=1_000_000,
                default.table_elements,
            ),
            core_instances: self.size(
                "limits.core_instances",
                table.core_instances,
                1..=100,
                default.core_instances,
            ),
            copy_bytes: self.size(
                "limits.copy_bytes",
                table.copy_bytes,
                1_024..=1 << 30,
                default.copy_bytes,
            ),
            body_bytes: self.size(
                "limits.body_bytes",
                table.body_bytes,
                1..=1 << 30,
                default.body_bytes,
            ),
            host_calls: self
                .number("limits.host_calls", table.host_calls, 1..=1_000_000)
                .and_then(|calls| u32::try_from(calls).ok())
                .unwrap_or(default.host_calls),
            list_items: self.size(
                "limits.list_items",
                table.list_items,
                1..=1_000_000,
                default.list_items,
            ),
            log_lines: self
                .number("limits.log_lines", table.log_lines, 1..=1_000_000)
                .and_then(|lines| u32::try_from(lines).ok())
                .unwrap_or(default.log_lines),
            metric_names: self.size(
                "limits.metric_names",
                table.metric_names,
                1..=10_000,
                default.metric_names,
            ),
            live_instances: self.size(
                "limits.live_instances",
                table.live_instances,
                1..=10_000,
                default.live_instances,
            ),
            recycle_after: self
                .number("limits.recycle_after", table.recycle_after, 1..=i64::MAX)
                .unwrap_or(default.recycle_after),
        }
    }

    /// A hook's own word, else that of `[limits]`, else the hook's default.
    fn deadlines(&mut self, raw: &File) -> PerHook<Duration> {
        let general = self.number("limits.deadline_ms", raw.limits.deadline_ms, MILLIS);
        PerHook::from_fn(|hook| {
            let path = format!("hooks.{hook}.deadline_ms");
            self.number(&path, raw.hooks.of(hook).deadline_ms, MILLIS)
                .or(general)
                .map_or(default_deadline(hook), Duration::from_millis)
        })
    }

    fn memory(&mut self, table: &LimitsTable) -> Option<usize> {
        if table.memory_mib.is_some() && table.memory_bytes.is_some() {
            self.reject(
                "limits.memory_bytes",
                "said twice, here and as `memory_mib`; keep one",
            );
        }
        let mib = self.number("limits.memory_mib", table.memory_mib, 1..=4_096);
        let bytes = self.number("limits.memory_bytes", table.memory_bytes, 65_536..=4 << 30);
        let bytes = bytes.or(mib.map(|mib| mib << 20))?;
        usize::try_from(bytes).ok()
    }

    fn fail(&mut self, hooks: &HooksTable) -> PerHook<FailPolicy> {
        if hooks.audit.fail == Some(FailPolicy::Closed) {
            self.reject(
                "hooks.audit.fail",
                "audit can't fail closed: there is no request to refuse any more; a fault writes the receipt as it was",
            );
        }
        PerHook::from_fn(|hook| hooks.of(hook).fail.unwrap_or(default_fail(hook)))
    }

    fn size(
        &mut self,
        path: &str,
        value: Option<i64>,
        range: RangeInclusive<i64>,
        default: usize,
    ) -> usize {
        self.number(path, value, range)
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(default)
    }

    fn number(
        &mut self,
        path: &str,
        value: Option<i64>,
        range: RangeInclusive<i64>,
    ) -> Option<u64> {
        let value = value?;
        if range.contains(&value) {
            return u64::try_from(value).ok();
        }
        let (low, high) = (range.start(), range.end());
        self.reject(
            path,
            &format!("{value} is out of range; {low} to {high} is possible"),
        );
        None
    }

    fn reject(&mut self, path: &str, message: &str) {
        self.problems.push(self.document.problem(path, message));
    }
}
