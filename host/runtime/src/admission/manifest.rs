//! The imports and exports of a plugin's file, whether or not it would be admitted.

use super::shape::Shape;
use super::{AdmissionCause, MODULE, Source, component_bytes};
use crate::engine::Runtime;

/// The imports and exports of a plugin's file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manifest {
    /// `true` for a core module, which admission converts to a component.
    pub is_core_module: bool,
    /// The full names of the imports, such as `witgate:plugin/log@0.2.0`.
    pub imports: Vec<String>,
    /// The full names of the exports.
    pub exports: Vec<String>,
}

/// The resources of a new instance, before its first instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// The number of linear memories.
    pub memories: u32,
    /// The size of the largest memory in bytes.
    pub memory_bytes: u64,
    /// The number of tables.
    pub tables: u32,
    /// The number of elements of the largest table.
    pub table_elements: u64,
}

/// The size of a page of linear memory.
const PAGE: u64 = 64 << 10;

// === impl Manifest ===

impl Manifest {
    /// Reads a plugin's file. Nothing compiles or runs, so even a component of many megabytes takes milliseconds.
    ///
    /// # Errors
    ///
    /// The file is not WebAssembly, or its imports and exports are damaged.
    pub fn read(wasm: &[u8]) -> Result<Self, AdmissionCause> {
        let bytes = component_bytes(wasm)?;
        let Some(Shape { imports, exports }) = Shape::read(&bytes) else {
            let damaged = "its imports and exports can't be read".to_owned();
            return Err(AdmissionCause::Compile(damaged));
        };
        Ok(Self {
            is_core_module: wasm.starts_with(MODULE),
            imports,
            exports,
        })
    }
}

impl Runtime {
    /// Returns the resources of a new instance of a plugin, or `None` if the plugin imports its modules. This compiles the
    /// plugin, unless the cache has it.
    ///
    /// # Errors
    ///
    /// The file is not WebAssembly, or does not compile.
    pub fn needs(&self, source: &Source) -> Result<Option<Needs>, AdmissionCause> {
        let bytes = component_bytes(&source.wasm)?;
        let component = self.component(&source.name, &bytes)?;
        Ok(component.resources_required().map(|required| Needs {
            memories: required.num_memories,
            memory_bytes: required
                .max_initial_memory_size
                .unwrap_or(0)
                .saturating_mul(PAGE),
            tables: required.num_tables,
            table_elements: required.max_initial_table_size.unwrap_or(0),
        }))
    }
}
