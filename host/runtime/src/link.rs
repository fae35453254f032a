//! The imports of plugins, for each version of the contract.
//!
//! One table serves all versions: a function that two versions share is defined once under both names. A version that adds an
//! interface or changes a function only adds lines here.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};

use crate::contract::{RequestHandle, V0_1, V0_2, log};
use crate::guest::Guest;

type Handle = Resource<RequestHandle>;
type Cx<'a> = StoreContextMut<'a, Guest>;

/// Defines the imports of every version that is served.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    for version in [V0_1, V0_2] {
        request(linker, version)?;
        services(linker, version)?;
    }
    kv(linker, V0_2)
}

/// Returns the full name of an interface.
fn name(interface: &str, version: &str) -> String {
    format!("{}/{interface}@{version}", crate::contract::PACKAGE)
}

/// Defines an import by a method of [`Guest`] with these arguments.
macro_rules! define {
    ($instance:ident.$wit:literal => $method:ident($($argument:ident: $type:ty),*)) => {
        $instance.func_wrap($wit, |mut cx: Cx<'_>, ($($argument,)*): ($($type,)*)| {
            cx.data_mut().$method($($argument),*).map(|given| (given,))
        })?;
    };
    ($instance:ident.$wit:literal => $method:ident(request $(, $argument:ident: $type:ty)*)) => {
        $instance.func_wrap($wit, |mut cx: Cx<'_>, (_, $($argument,)*): (Handle, $($type,)*)| {
            cx.data_mut().$method($($argument),*).map(|given| (given,))
        })?;
    };
    ($instance:ident.$wit:literal => $method:ident($($argument:ident: $type:ty),*) -> nothing) => {
        $instance.func_wrap($wit, |mut cx: Cx<'_>, ($($argument,)*): ($($type,)*)| {
            cx.data_mut().$method($($argument),*)
        })?;
    };
}

fn request(linker: &mut Linker<Guest>, version: &str) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("types", version))?;
    // Guests only borrow requests, and dropping a borrow does not call the host.
    it.resource("request", ResourceType::host::<RequestHandle>(), |_, _| {
        Ok(())
    })?;
    define!(it."[method]request.id" => id(request));
    define!(it."[method]request.endpoint" => endpoint(request));
    define!(it."[method]request.method" => method(request));
    define!(it."[method]request.path" => path(request));
    define!(it."[method]request.header" => header(request, name: String));
    define!(it."[method]request.headers" => headers(request, prefix: String));
    define!(it."[method]request.caller" => caller(request));
    define!(it."[method]request.head" => head(request));
    define!(it."[method]request.tools" => tools(request));
    define!(it."[method]request.member" => member(request, name: String));
    define!(it."[method]request.body-read" => body_read(request, offset: u64, len: u32));
    Ok(())
}

fn services(linker: &mut Linker<Guest>, version: &str) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("log", version))?;
    define!(it."write" => log(level: log::Level, message: String) -> nothing);
    define!(it."failure" => failure(message: String) -> nothing);

    let mut it = linker.instance(&name("metrics", version))?;
    define!(it."count" => count(name: String, by: u64) -> nothing);
    define!(it."gauge" => gauge(name: String, value: i64) -> nothing);

    let mut it = linker.instance(&name("settings", version))?;
    define!(it."json" => settings());

    let mut it = linker.instance(&name("clock", version))?;
    define!(it."unix-ms" => unix_ms());
    define!(it."monotonic-ns" => monotonic_ns());
    Ok(())
}

fn kv(linker: &mut Linker<Guest>, version: &str) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("kv", version))?;
    define!(it."get" => kv_get(key: String));
    define!(it."set" => kv_set(key: String, value: Vec<u8>, ttl_ms: Option<u64>));
    define!(it."delete" => kv_delete(key: String));
    define!(it."increment" => kv_increment(key: String, by: i64, ttl_ms: Option<u64>));
    define!(it."compare-and-set" => kv_compare_and_set(key: String, expected: Option<Vec<u8>>, value: Vec<u8>, ttl_ms: Option<u64>));
    Ok(())
}
