//! Compares a component's imports and exports with the contract, name by name.
//!
//! wasmtime would find the same differences, but says only that nothing in the linker matches.

use super::AdmissionCause;
use crate::contract::exports;
use crate::contract::{CONTRACT_VERSION, IMPORTS, PACKAGE};
use crate::guest::Guest;
use crate::hook::Hook;
use crate::instance::Indices;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

/// `witgate:plugin/route@0.1.0` in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

pub(super) fn check(component: &Component, engine: &Engine) -> Result<(), AdmissionCause> {
    let shape = component.component_type();
    for (import, _) in shape.imports(engine) {
        check_import(import)?;
    }
    for (export, _) in shape.exports(engine) {
        check_export(export)?;
    }
    Ok(())
}

fn check_import(import: &str) -> Result<(), AdmissionCause> {
    match Name::parse(import) {
        Some(name) if name.package == PACKAGE && IMPORTS.contains(&name.interface) => {
            name.check_version("imports")
        }
        Some(_) | None => Err(AdmissionCause::ForeignImport {
            import: import.to_owned(),
            granted: IMPORTS
                .map(|interface| format!("{PACKAGE}/{interface}@{CONTRACT_VERSION}"))
                .join(", "),
        }),
    }
}

/// Exports of other packages are the plugin's own business: nobody calls them.
fn check_export(export: &str) -> Result<(), AdmissionCause> {
    let Some(name) = Name::parse(export).filter(|name| name.package == PACKAGE) else {
        return Ok(());
    };
    let known =
        name.interface == "lifecycle" || Hook::ALL.iter().any(|hook| hook.name() == name.interface);
    if !known {
        return Err(AdmissionCause::UnknownExport(export.to_owned()));
    }
    name.check_version("exports")
}

// === impl Name ===

impl<'a> Name<'a> {
    fn parse(name: &'a str) -> Option<Self> {
        let (package, rest) = name.split_once('/')?;
        let (interface, version) = rest.split_once('@').unwrap_or((rest, ""));
        Some(Self {
            package,
            interface,
            version,
        })
    }

    /// Versions that differ in the patch number only are the same contract.
    fn check_version(self, direction: &'static str) -> Result<(), AdmissionCause> {
        if minor(self.version) == minor(CONTRACT_VERSION) {
            return Ok(());
        }
        Err(AdmissionCause::VersionSkew {
            direction,
            interface: format!("{}/{}", self.package, self.interface),
            wanted: match self.version {
                "" => "none".to_owned(),
                version => version.to_owned(),
            },
            served: CONTRACT_VERSION,
        })
    }
}

/// `0.1` of `0.1.7`. A pre-release is its own version.
fn minor(version: &str) -> &str {
    match version.rsplit_once('.') {
        Some((minor, patch)) if patch.bytes().all(|byte| byte.is_ascii_digit()) => minor,
        Some(_) | None => version,
    }
}

// === impl Indices ===

impl Indices {
    /// Finds the exports that are there.
    pub(super) fn probe(pre: &InstancePre<Guest>) -> Self {
        Self {
            lifecycle: exports::lifecycle::GuestIndices::new(pre).ok(),
            envelope: exports::envelope::GuestIndices::new(pre).ok(),
            route: exports::route::GuestIndices::new(pre).ok(),
            budget: exports::budget::GuestIndices::new(pre).ok(),
            audit: exports::audit::GuestIndices::new(pre).ok(),
        }
    }
}
