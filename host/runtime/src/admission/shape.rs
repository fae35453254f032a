//! The names of a component's imports and exports.
//!
//! Reading them takes milliseconds where compiling takes seconds, so admission checks them first.

use wasmparser::{Parser, Payload};
use wasmtime::Engine;
use wasmtime::component::Component;

/// The full names of imports and exports, such as `witgate:plugin/log@0.2.0`, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

// === impl Shape ===

impl Shape {
    /// Returns the names of a compiled component.
    pub(super) fn of(component: &Component, engine: &Engine) -> Self {
        let ty = component.component_type();
        Self {
            imports: ty.imports(engine).map(|(it, _)| it.to_owned()).collect(),
            exports: ty.exports(engine).map(|(it, _)| it.to_owned()).collect(),
        }
    }

    /// Reads the names from a component's bytes. Returns `None` if they can't be read.
    pub(super) fn read(component: &[u8]) -> Option<Self> {
        let mut shape = Self::default();
        // Nested modules and components have sections of their own, and an end.
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(component) {
            match payload.ok()? {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::ComponentImportSection(section) if depth == 0 => {
                    for import in section {
                        shape.imports.push(import.ok()?.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) if depth == 0 => {
                    for export in section {
                        shape.exports.push(export.ok()?.name.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Some(shape)
    }
}
