//! The shipped plugins and the test guests, built for wasm32 by this crate's build script: core modules that carry
//! their WIT metadata, as an operator would drop them into `policies/`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A guest: its bytes, and where they are.
#[derive(Clone, Copy, Debug)]
pub struct Artifact {
    name: &'static str,
    path: &'static str,
    bytes: &'static [u8],
}

macro_rules! artifact {
    ($name:literal) => {
        Artifact {
            name: $name,
            path: concat!(env!("OUT_DIR"), "/", $name, ".wasm"),
            bytes: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".wasm")),
        }
    };
}

/// The shipped plugin with the envelope hook.
pub const ENVELOPE: Artifact = artifact!("envelope");
/// The shipped plugin with the route hook.
pub const ROUTE: Artifact = artifact!("route");
/// The shipped plugin with the budget hook.
pub const BUDGET: Artifact = artifact!("budget");
/// The shipped plugin with the audit hook.
pub const AUDIT: Artifact = artifact!("audit");
/// The shipped plugin with the guard hook, which a lineup has only if its operator adds it.
pub const GUARD: Artifact = artifact!("guard");
/// The shipped plugin with the translate hook, for clients of OpenAI's API. A lineup has it only if its operator adds it.
pub const OPENAI: Artifact = artifact!("openai");
/// The shipped plugins that a lineup has only if its operator adds them.
pub const OPTIONAL: [Artifact; 2] = [GUARD, OPENAI];
/// The four shipped plugins of the usual lineup, in the order of the hooks.
pub const SHIPPED: [Artifact; 4] = [ENVELOPE, ROUTE, BUDGET, AUDIT];

/// The plugin in Rust that those in the other languages are measured by; see `plugins/languages`.
#[cfg(feature = "guests")]
pub const RUST: Artifact = artifact!("rust");

/// Every hook and every way to misbehave in it; see the crate `witgate-guests`.
#[cfg(feature = "guests")]
pub const HOSTILE: Artifact = artifact!("hostile");
/// Signs the envelope and the plan with `a`.
#[cfg(feature = "guests")]
pub const SWAP_A: Artifact = artifact!("swap_a");
/// Signs the envelope and the plan with `b`.
#[cfg(feature = "guests")]
pub const SWAP_B: Artifact = artifact!("swap_b");
/// Guest with an export for each shape that a hook call can have, for the bench `hook_shapes`.
#[cfg(feature = "guests")]
pub const SHAPES: Artifact = artifact!("shapes");
/// The same with an arena for an allocator.
#[cfg(feature = "guests")]
pub const SHAPES_ARENA: Artifact = artifact!("shapes_arena");
/// Keeps copies of the facts of its calls.
#[cfg(feature = "guests")]
pub const KEEPER: Artifact = artifact!("keeper");
/// Refuses the models that the host's table `models` has.
#[cfg(feature = "guests")]
pub const LOOKUP: Artifact = artifact!("lookup");
/// A plugin of version 0.2 of the contract, with every hook.
#[cfg(feature = "guests")]
pub const OLDER: Artifact = artifact!("older");
/// A guard that does what its settings say.
#[cfg(feature = "guests")]
pub const WARDEN: Artifact = artifact!("warden");

// === impl Artifact ===

impl Artifact {
    /// Returns the name, which is the file's name without `.wasm`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the path of the file. It is part of the build, so copy it and never change it.
    #[must_use]
    pub fn path(&self) -> &'static Path {
        Path::new(self.path)
    }

    /// The core module.
    #[must_use]
    pub const fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// Put it into `folder` under its own name; see [`Artifact::install_as`].
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written.
    pub fn install(&self, folder: &Path) -> io::Result<PathBuf> {
        self.install_as(folder, self.name)
    }

    /// Put it into `folder` as `NAME.wasm`, so that a watcher sees the old file or the whole new one: written under
    /// a dot-name, then renamed.
    ///
    /// # Errors
    /// When the folder does not exist or cannot be written.
    pub fn install_as(&self, folder: &Path, name: &str) -> io::Result<PathBuf> {
        let file = folder.join(format!("{name}.wasm"));
        let unfinished = folder.join(format!(".{name}.wasm.{}", std::process::id()));
        fs::write(&unfinished, self.bytes)?;
        fs::rename(&unfinished, &file)?;
        Ok(file)
    }
}

#[cfg(all(test, feature = "guests"))]
mod tests {
    use super::*;

    #[test]
    fn every_artifact_is_a_core_module_with_wit_metadata() {
        let guests = [
            RUST,
            HOSTILE,
            SWAP_A,
            SWAP_B,
            SHAPES,
            SHAPES_ARENA,
            KEEPER,
            OLDER,
            WARDEN,
        ];
        for artifact in SHIPPED.into_iter().chain(guests) {
            let bytes = artifact.bytes();
            assert!(
                bytes.starts_with(b"\0asm\x01\0\0\0"),
                "{} is no core module",
                artifact.name()
            );
            let metadata = bytes.windows(15).any(|window| window == b"component-type:");
            assert!(
                metadata,
                "{} has no component-type section",
                artifact.name()
            );
            assert_eq!(
                fs::read(artifact.path()).unwrap(),
                bytes,
                "{}: path and bytes differ",
                artifact.name()
            );
        }
    }

    #[test]
    fn the_two_sides_of_a_swap_are_two_files() {
        assert_ne!(
            SWAP_A.bytes(),
            SWAP_B.bytes(),
            "swapping would change nothing"
        );
    }
}
