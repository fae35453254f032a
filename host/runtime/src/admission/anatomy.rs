//! What a plugin's file is made of, whether or not it would be admitted.

use super::shape::Shape;
use super::{AdmissionCause, MODULE, Source, component_bytes};
use crate::cache::Key;
use crate::engine::Runtime;

/// What a plugin's file is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Anatomy {
    /// Whether the file is a core module, which admission makes into a component.
    pub is_core_module: bool,
    /// Imports by their full names, such as `witgate:plugin/log@0.2.0`.
    pub imports: Vec<String>,
    /// Exports by their full names.
    pub exports: Vec<String>,
}

/// What an instance has before it has done anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Needs {
    /// Linear memories.
    pub memories: u32,
    /// Bytes of the largest of them.
    pub memory_bytes: u64,
    /// Tables.
    pub tables: u32,
    /// Elements of the largest of them.
    pub table_elements: u64,
}

/// Bytes of a page of linear memory.
const PAGE: u64 = 64 << 10;

// === impl Anatomy ===

impl Anatomy {
    /// Looks at a plugin's file. Nothing of it is compiled or runs, so a component of many megabytes takes milliseconds.
    ///
    /// # Errors
    ///
    /// When it is no WebAssembly, or damaged where the names stand.
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
    /// Says what an instance of a plugin has before it has done anything; `None` where its modules come from outside. It
    /// compiles the plugin, unless the cache has it.
    ///
    /// # Errors
    ///
    /// When it is no WebAssembly, or does not compile.
    pub fn needs(&self, source: &Source) -> Result<Option<Needs>, AdmissionCause> {
        let bytes = component_bytes(&source.wasm)?;
        let key = Key::of(self.engine(), &[b"component", &bytes]);
        let component = match self.cached(&key) {
            Some(component) => component,
            None => self.compile(&source.name, &bytes, &key)?,
        };
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
