//! Compares a component's imports and exports with the contract, name by name.
//!
//! wasmtime would find the same differences, but says only that nothing in the linker matches.

use super::AdmissionCause;
use super::shape::Shape;
use super::skew::first_difference;
use crate::contract::exports::{
    AuditPlace, BudgetPlace, EnvelopePlace, LifecyclePlace, RoutePlace,
};
use crate::contract::{CONTRACT_VERSIONS, IMPORTS, PACKAGE, served};
use crate::grants::Grants;
use crate::guest::Guest;
use crate::hook::Hook;
use crate::instance::Indices;
use crate::wasi;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

/// `witgate:plugin/route@0.1.0` in its parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Name<'a> {
    package: &'a str,
    interface: &'a str,
    version: &'a str,
}

/// Compares the imports and exports with the contract. Gives what is imported and not granted.
///
/// # Errors
///
/// Everything that this host doesn't have, and with it what is not granted.
pub(super) fn check(
    component: &Component,
    engine: &Engine,
    bytes: &[u8],
    grants: &Grants,
) -> Result<Vec<AdmissionCause>, AdmissionCause> {
    check_shape(&Shape::of(component, engine), bytes, grants)
}

/// The same by names that were read without compiling.
pub(super) fn check_shape(
    shape: &Shape,
    bytes: &[u8],
    grants: &Grants,
) -> Result<Vec<AdmissionCause>, AdmissionCause> {
    let imports = shape.imports.iter();
    let imports = imports.map(|name| check_import(name, bytes, grants));
    let exports = shape.exports.iter().map(|name| check_export(name, bytes));
    let mut found: Vec<_> = imports.chain(exports).filter_map(Result::err).collect();
    // All interfaces of a plugin are of one version: the first says it.
    let mut skewed = false;
    found.retain(|cause| match cause {
        AdmissionCause::VersionSkew { .. } => !std::mem::replace(&mut skewed, true),
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
            has: format!(
                "{} of {PACKAGE}, and {}",
                interfaces.join(", "),
                wasi::SERVED
            ),
        });
    };
    if !known.is_in(name.check_version("imports", bytes)?) {
        return Err(name.skew("imports", bytes));
    }
    if !grants.has_interface(name.interface) {
        return Err(AdmissionCause::NotGranted(name.interface.to_owned()));
    }
    Ok(())
}

/// Exports of other packages are the plugin's own business: nobody calls them.
fn check_export(export: &str, bytes: &[u8]) -> Result<(), AdmissionCause> {
    let Some(name) = Name::parse(export).filter(|name| name.package == PACKAGE) else {
        return Ok(());
    };
    let known =
        name.interface == "lifecycle" || Hook::ALL.iter().any(|hook| hook.name() == name.interface);
    if !known {
        return Err(AdmissionCause::UnknownExport(export.to_owned()));
    }
    name.check_version("exports", bytes).map(drop)
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

    /// The version that is served in the place of the one that is wanted.
    fn check_version(
        self,
        direction: &'static str,
        bytes: &[u8],
    ) -> Result<&'static str, AdmissionCause> {
        served(self.version).ok_or_else(|| self.skew(direction, bytes))
    }

    fn skew(self, direction: &'static str, bytes: &[u8]) -> AdmissionCause {
        AdmissionCause::VersionSkew {
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
    /// Finds the exports that are there.
    pub(super) fn probe(pre: &InstancePre<Guest>) -> Self {
        Self {
            lifecycle: LifecyclePlace::find(pre),
            envelope: EnvelopePlace::find(pre),
            route: RoutePlace::find(pre),
            budget: BudgetPlace::find(pre),
            audit: AuditPlace::find(pre),
        }
    }
}
