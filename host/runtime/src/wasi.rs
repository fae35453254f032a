//! WASI as plugins have it: there, and closed.
//!
//! Standard libraries import WASI whether a plugin uses it or not, so a component that does is admitted. What it gets is
//! ours: output goes to the plugin's log, input is at its end, waiting is over at once, random numbers work, and clocks do
//! where `clock` is granted. Of files, sockets, arguments and variables there are none ([`closed`]). Nothing here blocks or
//! needs an async runtime, so a call may come from any thread; everything is counted by [`Guest::enter`].
//!
//! What a component asks for is linked under the very names that it uses, so that any patch of 0.2 fits, and functions
//! that came later than this text are refused when they are called and not at admission.

mod clocks;
mod closed;
mod print;
mod random;
mod stdio;

pub(crate) use print::Stdio;

use crate::guest::Guest;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, InstancePre, Linker, LinkerInstance, Resource, ResourceType};

/// The interfaces that are served, for messages.
pub(crate) const SERVED: &str = "wasi:*@0.2.x";

/// Something to wait for. It is always ready.
struct Pollable;
/// Why a stream failed. None ever does.
struct Failure;
/// Standard input.
struct Input;
/// Standard output or standard error; see [`print`].
struct Output;
/// A file, a socket, a terminal: whatever no plugin ever holds.
struct Closed;

/// Whether an import is one of WASI 0.2, whatever its patch. A pre-release is its own version.
pub(crate) fn is_import(name: &str) -> bool {
    interface(name).is_some()
}

/// `io/streams` of `wasi:io/streams@0.2.6`.
fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix("wasi:")?.split_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    let digits = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some(interface)
}

/// Links a component, with what it imports of WASI.
///
/// # Errors
///
/// When an import is of another type than the host has.
pub(crate) fn instantiate_pre(
    linker: &Linker<Guest>,
    component: &Component,
) -> wasmtime::Result<InstancePre<Guest>> {
    match link(linker, component)? {
        Some(linker) => linker.instantiate_pre(component),
        None => linker.instantiate_pre(component),
    }
}

/// Whether a component imports anything of it.
pub(crate) fn is_used(component: &Component) -> bool {
    let shape = component.component_type();
    let mut imports = shape.imports(component.engine());
    imports.any(|(name, _)| is_import(name))
}

/// The linker with WASI as the component imports it; none if it imports nothing of it.
fn link(linker: &Linker<Guest>, component: &Component) -> wasmtime::Result<Option<Linker<Guest>>> {
    let engine = component.engine();
    let shape = component.component_type();
    let mut linked = None;
    for (name, import) in shape.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else {
            continue;
        };
        let Some(interface) = interface(name) else {
            continue;
        };
        let mut to = linked
            .get_or_insert_with(|| linker.clone())
            .instance(name)?;
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => resource(&mut to, item)?,
                ComponentItem::ComponentFunc(_) => function(&mut to, name, interface, item)?,
                ComponentItem::CoreFunc(_)
                | ComponentItem::Module(_)
                | ComponentItem::Component(_)
                | ComponentItem::ComponentInstance(_)
                | ComponentItem::Type(_) => {}
            }
        }
    }
    Ok(linked)
}

fn function(
    to: &mut LinkerInstance<'_, Guest>,
    import: &str,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()> {
    let known = match interface {
        "io/error" | "io/poll" | "io/streams" | "cli/stdin" | "cli/stdout" | "cli/stderr" => {
            stdio::define(to, interface, function)?
        }
        "clocks/monotonic-clock" | "clocks/wall-clock" => clocks::define(to, interface, function)?,
        "random/random" | "random/insecure" | "random/insecure-seed" => {
            random::define(to, function)?
        }
        _ => false,
    };
    match known {
        true => Ok(()),
        false => closed::define(to, import, interface, function),
    }
}

/// Interfaces name the resources of each other, so a name means the same in all of them. Values of these resources are
/// numbers with nothing behind them: dropping one is a call and no more.
fn resource(to: &mut LinkerInstance<'_, Guest>, name: &str) -> wasmtime::Result<()> {
    let ty = match name {
        "pollable" => ResourceType::host::<Pollable>(),
        "error" => ResourceType::host::<Failure>(),
        "input-stream" => ResourceType::host::<Input>(),
        "output-stream" => ResourceType::host::<Output>(),
        _ => ResourceType::host::<Closed>(),
    };
    to.resource(name, ty, |mut store, _| store.data_mut().enter(0))
}

/// A pollable: ready, as all of them are.
fn ready() -> Resource<Pollable> {
    Resource::new_own(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_patch_of_one_minor_version_is_known_and_nothing_else() {
        for name in [
            "wasi:io/streams@0.2.0",
            "wasi:io/streams@0.2.12",
            "wasi:http/types@0.2.3",
        ] {
            assert!(is_import(name), "{name} is served");
        }
        for name in [
            "wasi:io/streams@0.3.0",
            "wasi:io/streams@0.2.0-rc-2023-11-10",
            "wasi:io/streams@0.2.",
            "wasi:io/streams@0.20.1",
            "wasi:io/streams",
            "wasi_snapshot_preview1",
            "acme:wasi/io@0.2.0",
        ] {
            assert!(!is_import(name), "{name} is foreign");
        }
    }
}
