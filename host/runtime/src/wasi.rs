//! WASI 0.2 for plugins: complete enough to start any standard library, and closed.
//!
//! Standard libraries import WASI whether a plugin uses it or not, so such components are admitted. A plugin gets clocks,
//! if `clock` is granted, and random numbers; what it prints goes to its log, input is at its end, and waiting is over
//! at once. Files, sockets, arguments and variables don't exist.
//!
//! The bindings are wasmtime-wasi's, and so is the implementation of everything that never waits ([`machine`]). Streams
//! and polls are ours ([`stdio`]), because those of wasmtime-wasi block the calling thread on an async runtime. All other
//! functions are refused when they are called, not at admission ([`refuse`]). Nothing here blocks, so a call may come from
//! any thread, and [`Guest::enter`] counts every call.

mod machine;
mod print;
mod refuse;
mod stdio;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, HasSelf, InstancePre, Linker, LinkerInstance, ResourceType};
use wasmtime_wasi::p2::bindings::cli::{
    terminal_input::TerminalInput, terminal_output::TerminalOutput,
};
use wasmtime_wasi::p2::bindings::filesystem::types::Descriptor;
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, io, random, sync};

use crate::guest::Guest;

pub(crate) use machine::Machine;
pub(crate) use print::Stdio;

/// The interfaces that plugins may import, for messages.
pub(crate) const SERVED: &str = "wasi:*@0.2.x";

/// The version of WASI that wasmtime-wasi's bindings define. An import of any other patch resolves to it.
const BOUND: &str = "0.2.12";

/// A resource that no plugin ever holds, such as a socket.
struct Closed;

/// Returns whether an import is of WASI 0.2, in any patch release. A pre-release is another version.
pub(crate) fn is_import(name: &str) -> bool {
    interface(name).is_some()
}

/// Returns `io/streams` for `wasi:io/streams@0.2.6`, and `None` for an import that isn't of WASI 0.2.
fn interface(name: &str) -> Option<&str> {
    let (interface, version) = name.strip_prefix("wasi:")?.split_once('@')?;
    let patch = version.strip_prefix("0.2.")?;
    let digits = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    digits.then_some(interface)
}

/// Returns whether a component imports anything of WASI.
pub(crate) fn is_used(component: &Component) -> bool {
    let shape = component.component_type();
    let mut imports = shape.imports(component.engine());
    imports.any(|(name, _)| is_import(name))
}

/// Links a component with what it imports, WASI included.
///
/// # Errors
///
/// Returns an error if an import has another type than the host's.
pub(crate) fn instantiate_pre(
    linker: &Linker<Guest>,
    component: &Component,
) -> wasmtime::Result<InstancePre<Guest>> {
    if !is_used(component) {
        return linker.instantiate_pre(component);
    }
    let mut linker = linker.clone();
    // A function that a later patch adds to an interface stays refused; what the bindings define is bound over it.
    linker.allow_shadowing(true);
    refuse_all(&mut linker, component)?;
    bind(&mut linker)?;
    linker.instantiate_pre(component)
}

/// Defines every function of WASI that the component imports as one that refuses.
fn refuse_all(linker: &mut Linker<Guest>, component: &Component) -> wasmtime::Result<()> {
    let engine = component.engine();
    for (name, import) in component.component_type().imports(engine) {
        let (Some(interface), ComponentItem::ComponentInstance(instance)) =
            (interface(name), import.ty)
        else {
            continue;
        };
        let mut to = linker.instance(&format!("wasi:{interface}@{BOUND}"))?;
        for (item, export) in instance.exports(engine) {
            match export.ty {
                ComponentItem::Resource(_) => resource(&mut to, item)?,
                ComponentItem::ComponentFunc(_) => refuse::define(&mut to, name, item)?,
                ComponentItem::CoreFunc(_)
                | ComponentItem::Module(_)
                | ComponentItem::Component(_)
                | ComponentItem::ComponentInstance(_)
                | ComponentItem::Type(_) => {}
            }
        }
    }
    Ok(())
}

/// Defines a resource. Interfaces use the resources of each other, so a name means the same type in all of them.
fn resource(to: &mut LinkerInstance<'_, Guest>, name: &str) -> wasmtime::Result<()> {
    let ty = match name {
        "pollable" => ResourceType::host::<stdio::Pollable>(),
        "error" => ResourceType::host::<stdio::Failure>(),
        "input-stream" => ResourceType::host::<stdio::Input>(),
        "output-stream" => ResourceType::host::<stdio::Output>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        _ => ResourceType::host::<Closed>(),
    };
    to.resource(name, ty, |mut store, _| store.data_mut().enter(0))
}

/// Defines the interfaces that [`machine`] and [`stdio`] implement.
fn bind(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    macro_rules! bind {
        ($($($interface:ident)::+),+ $(,)?) => {
            $($($interface)::+::add_to_linker::<Guest, HasSelf<Guest>>(linker, |guest| guest)?;)+
        };
    }
    bind! {
        clocks::monotonic_clock, clocks::wall_clock,
        random::random, random::insecure, random::insecure_seed,
        cli::environment, cli::exit, cli::stdin, cli::stdout, cli::stderr,
        cli::terminal_input, cli::terminal_output,
        cli::terminal_stdin, cli::terminal_stdout, cli::terminal_stderr,
        filesystem::preopens,
        io::error, sync::io::poll, sync::io::streams,
    }
    Ok(())
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
