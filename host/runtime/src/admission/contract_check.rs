//! The comparison of a component's imports and exports with the contract, by name.
//!
//! wasmtime would find the same differences, but only reports that nothing in the linker matches.

use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use super::AdmissionCause;
use super::shape::Shape;
use super::type_mismatch::first_difference;
use crate::contract::exports::{
    AuditIndex, BudgetIndex, EnvelopeIndex, GuardIndex, LifecycleIndex, RouteIndex, TranslateIndex,
};
use crate::contract::{CONTRACT_VERSIONS, IMPORTS, PACKAGE, V0_2, served};
use crate::grants::Grants;
use crate::guest::Guest;
use crate::hook::Hook;
use crate::instance::Indices;
use crate::wasi;

/// The parts of a name like `witgate:plugin/route@0.1.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

/// Compares imports and exports with the contract. Returns the imports that are not granted.
///
/// # Errors
///
/// Everything that this host does not have, together with the imports that are not granted.
pub(super) fn check(
    component: &Component,
    engine: &Engine,
    bytes: &[u8],
    grants: &Grants,
) -> Result<Vec<AdmissionCause>, AdmissionCause> {
    check_shape(&Shape::of(component, engine), bytes, grants)
}

/// Does the same with names that were read without compiling.
pub(super) fn check_shape(
    shape: &Shape,
    bytes: &[u8],
    grants: &Grants,
) -> Result<Vec<AdmissionCause>, AdmissionCause> {
    let imports = shape.imports.iter();
    let imports = imports.map(|name| check_import(name, bytes, grants));
    let exports = shape.exports.iter().map(|name| check_export(name, bytes));
    let mut found: Vec<_> = imports.chain(exports).filter_map(Result::err).collect();
    // All interfaces of a plugin have one version, so one message is enough.
    let mut seen = false;
    found.retain(|cause| match cause {
        AdmissionCause::VersionMismatch { .. } => !std::mem::replace(&mut seen, true),
        _ => true,
    });
    let is_grant = |cause: &AdmissionCause| matches!(cause, AdmissionCause::NotGranted(_));
    if found.iter().all(is_grant) {
        return Ok(found);
    }
    Err(AdmissionCause::all(found))
}

fn check_import(import: &str, bytes: &[u8], grants: &Grants) -> Result<(), AdmissionCause> {
    if wasi::is_import(import) {
        return Ok(());
    }
    let name = Name::parse(import).filter(|name| name.package == PACKAGE);
    let known = name.and_then(|name| {
        let known = IMPORTS
            .iter()
            .find(|known| known.interface == name.interface);
        known.map(|known| (name, known))
    });
    let Some((name, known)) = known else {
        let interfaces = IMPORTS.map(|known| known.interface);
        return Err(AdmissionCause::ForeignImport {
            import: import.to_owned(),
            provided: format!(
                "{} of {PACKAGE}, and {}",
                interfaces.join(", "),
                wasi::SERVED
            ),
        });
    };
    if !known.is_in(name.check_version("imports", bytes)?) {
        return Err(name.mismatch("imports", bytes));
    }
    if !grants.has_interface(name.interface) {
        return Err(AdmissionCause::NotGranted(name.interface.to_owned()));
    }
    Ok(())
}

/// Checks an export. Exports of other packages are fine, because nothing calls them.
fn check_export(export: &str, bytes: &[u8]) -> Result<(), AdmissionCause> {
    let Some(name) = Name::parse(export).filter(|name| name.package == PACKAGE) else {
        return Ok(());
    };
    let known =
        name.interface == "lifecycle" || Hook::ALL.iter().any(|hook| hook.name() == name.interface);
    if !known {
        return Err(AdmissionCause::UnknownExport(export.to_owned()));
    }
    let version = name.check_version("exports", bytes)?;
    // Nothing would call it, and a guard that is never called must not look like one that is.
    let newer = [Hook::Guard, Hook::Translate].map(Hook::name);
    if version == V0_2 && newer.contains(&name.interface) {
        return Err(AdmissionCause::UnknownExport(export.to_owned()));
    }
    Ok(())
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

    /// Returns the version that this host serves for the plugin's version.
    fn check_version(
        self,
        direction: &'static str,
        bytes: &[u8],
    ) -> Result<&'static str, AdmissionCause> {
        served(self.version).ok_or_else(|| self.mismatch(direction, bytes))
    }

    fn mismatch(self, direction: &'static str, bytes: &[u8]) -> AdmissionCause {
        AdmissionCause::VersionMismatch {
            direction,
            interface: format!("{}/{}", self.package, self.interface).into(),
            wanted: match self.version {
                "" => "none".into(),
                version => version.into(),
            },
            served: CONTRACT_VERSIONS.join(" and ").into(),
            difference: first_difference(bytes, Some(self.interface)).map(Box::new),
        }
    }
}

// === impl Indices ===

impl Indices {
    /// Finds the exports of the contract.
    pub(super) fn probe(pre: &InstancePre<Guest>) -> Self {
        Self {
            lifecycle: LifecycleIndex::find(pre),
            translate: TranslateIndex::find(pre),
            envelope: EnvelopeIndex::find(pre),
            guard: GuardIndex::find(pre),
            route: RouteIndex::find(pre),
            budget: BudgetIndex::find(pre),
            audit: AuditIndex::find(pre),
        }
    }
}
