//! The imports of plugins, for each version of the contract.
//!
//! One table serves all versions: a function that two versions share is defined once under both names. A version that adds an
//! interface or changes a function only adds lines here.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};

use crate::contract::{PACKAGE, RequestHandle, V0_2, V0_3, log};
use crate::guest::Guest;

type Handle = Resource<RequestHandle>;
type Cx<'a> = StoreContextMut<'a, Guest>;

/// Defines the imports of every version that is served.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    for version in [V0_2, V0_3] {
        services(linker, version)?;
        kv(linker, version)?;
    }
    request_handle(linker)?;
    linker.instance(&name("types", V0_3))?;
    request(linker)?;
    caller(linker)?;
    context(linker)?;
    tables(linker)?;
    facts(linker)
}

/// Returns the full name of an interface.
fn name(interface: &str, version: &str) -> String {
    format!("{PACKAGE}/{interface}@{version}")
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

/// Defines the request of version 0.2, a resource whose handle each call gets.
fn request_handle(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("types", V0_2))?;
    // Guests only borrow requests, and dropping a borrow does not call the host.
    it.resource("request", ResourceType::host::<RequestHandle>(), |_, _| {
        Ok(())
    })?;
    define!(it."[method]request.id" => id(request));
    define!(it."[method]request.endpoint" => endpoint_code(request));
    define!(it."[method]request.method" => method(request));
    define!(it."[method]request.path" => path(request));
    define!(it."[method]request.header" => header(request, name: String));
    define!(it."[method]request.headers" => all_headers(request, prefix: String));
    define!(it."[method]request.caller" => whole_caller(request));
    define!(it."[method]request.head" => whole_head(request));
    define!(it."[method]request.tools" => all_tools(request));
    define!(it."[method]request.member" => member(request, name: String));
    define!(it."[method]request.body-read" => body_read(request, offset: u64, len: u32));
    Ok(())
}

fn request(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("request", V0_3))?;
    define!(it."id" => id());
    define!(it."endpoint" => endpoint());
    define!(it."method" => method());
    define!(it."path" => path());
    define!(it."header" => header(name: String));
    define!(it."headers" => headers(prefix: String));
    define!(it."granted-headers" => granted_headers());
    define!(it."head" => head());
    define!(it."user-id" => user_id());
    define!(it."head-attributes" => head_attributes());
    define!(it."tools" => tools());
    define!(it."member" => member(name: String));
    define!(it."body-read" => body_read(offset: u64, len: u32));
    Ok(())
}

fn caller(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("caller", V0_3))?;
    define!(it."key-id" => key_id());
    define!(it."tenant" => caller_tenant());
    define!(it."user" => caller_user());
    define!(it."tier" => tier());
    define!(it."label" => label(name: String));
    define!(it."labels" => labels());
    Ok(())
}

fn context(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("context", V0_3))?;
    define!(it."correlation-id" => correlation_id());
    define!(it."resource" => resource());
    define!(it."tenant" => tenant());
    define!(it."user" => user());
    define!(it."session" => session());
    define!(it."agent" => agent());
    define!(it."metadata" => metadata(name: String));
    define!(it."all-metadata" => all_metadata());
    define!(it."get-attribute" => attribute(name: String));
    define!(it."attributes" => attributes());
    define!(it."timeout-ms" => timeout_ms());
    define!(it."secondary-index" => secondary_index());
    define!(it."routing" => routing());
    Ok(())
}

/// Defines the facts of single hooks.
fn facts(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("upstreams", V0_3))?;
    define!(it."names" => upstream_names());
    define!(it."stats" => upstream_stats(name: String));
    define!(it."attributes" => upstream_attributes(name: String));

    let mut it = linker.instance(&name("planned", V0_3))?;
    define!(it."rule" => planned_rule());
    define!(it."target" => planned_target(index: u32));

    let mut it = linker.instance(&name("receipts", V0_3))?;
    define!(it."get-field" => receipt_field(receipt: u32, name: String));
    define!(it."fields" => receipt_fields(receipt: u32));

    let mut it = linker.instance(&name("notes", V0_3))?;
    define!(it."get" => note(name: String));
    define!(it."set" => set_note(name: String, text: String) -> nothing);
    define!(it."append" => append_note(name: String, text: String) -> nothing);

    let mut it = linker.instance(&name("texts", V0_3))?;
    define!(it."before" => before_piece());
    define!(it."held-bytes" => held_bytes());
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

fn tables(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    let mut it = linker.instance(&name("tables", V0_3))?;
    define!(it."get" => table_get(table: String, key: String));
    define!(it."age" => table_age(table: String));
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
