//! Functions of WASI that plugins may import and not use: those of files, sockets and requests.
//!
//! A function whose type allows it answers with an empty list, `none`, or the error code for a refused access. Any other
//! function ends the call.

use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{LinkerInstance, Resource, Val};

use super::Closed;
use crate::guest::Guest;

/// Error codes of the interfaces for a refused access, the best one first.
const REFUSALS: [&str; 5] = [
    "access-denied",
    "access",
    "HTTP-request-denied",
    "not-supported",
    "unsupported",
];

/// Defines `function` of the interface `import` as one that refuses.
pub(super) fn define(
    to: &mut LinkerInstance<'_, Guest>,
    import: &str,
    function: &str,
) -> wasmtime::Result<()> {
    // Libraries ask for the network before they ask whether it lets them.
    if function == "instance-network" {
        return to.func_wrap(function, |mut store, (): ()| {
            store.data_mut().enter(0)?;
            Ok((Resource::<Closed>::new_own(0),))
        });
    }
    let complaint = format!(
        "it called `{import}#{function}`, which this host refuses; plugins have no files and no network"
    );
    to.func_new(function, move |mut store, ty, params, results| {
        store.data_mut().enter(0)?;
        for param in params {
            give_back(&mut store, param)?;
        }
        match (results, nothing(&ty)) {
            ([result], Some(nothing)) => {
                *result = nothing;
                Ok(())
            }
            _ => Err(wasmtime::Error::msg(complaint.clone())),
        }
    })
}

/// Gives up the handles among the arguments: wasmtime would blame the guest for one that is left over.
fn give_back(store: &mut StoreContextMut<'_, Guest>, value: &Val) -> wasmtime::Result<()> {
    match value {
        Val::Resource(handle) => handle.resource_drop(&mut *store),
        Val::List(values) | Val::Tuple(values) => {
            values.iter().try_for_each(|value| give_back(store, value))
        }
        Val::Record(fields) => fields
            .iter()
            .try_for_each(|(_, value)| give_back(store, value)),
        Val::Variant(_, Some(value))
        | Val::Option(Some(value))
        | Val::Result(Ok(Some(value)) | Err(Some(value))) => give_back(store, value),
        _ => Ok(()),
    }
}

/// Returns the value by which a function says that there is nothing, or `None` if its type has no such value.
fn nothing(function: &ComponentFunc) -> Option<Val> {
    match function.results().next()? {
        Type::List(_) => Some(Val::List(Vec::new())),
        Type::Option(_) => Some(Val::Option(None)),
        Type::Result(result) => {
            let refusal = match result.err()? {
                Type::Enum(codes) => Val::Enum(best(codes.names())?),
                Type::Variant(codes) => {
                    let bare = codes.cases().filter(|case| case.ty.is_none());
                    Val::Variant(best(bare.map(|case| case.name))?, None)
                }
                _ => return None,
            };
            Some(Val::Result(Err(Some(Box::new(refusal)))))
        }
        _ => None,
    }
}

/// Returns the best code for a refusal, or `None` if there is none among them.
fn best<'a>(codes: impl Iterator<Item = &'a str>) -> Option<String> {
    let codes: Vec<_> = codes.collect();
    let found = REFUSALS.iter().find(|refusal| codes.contains(refusal));
    found.map(|&refusal| refusal.to_owned())
}
