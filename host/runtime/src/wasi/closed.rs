//! Everything that a plugin doesn't have: files, sockets, terminals, arguments, variables, an end of its own choosing.
//!
//! A function that has a word for it says so: an empty list, none, the error code for a refused access. One that has none
//! ends the call.

use super::Closed;
use crate::guest::Guest;
use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, Type};
use wasmtime::component::{LinkerInstance, Resource, Val};

/// How the interfaces call a refusal, the best word first.
const REFUSALS: [&str; 5] = [
    "access-denied",
    "access",
    "HTTP-request-denied",
    "not-supported",
    "unsupported",
];

pub(super) fn define(
    to: &mut LinkerInstance<'_, Guest>,
    import: &str,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()> {
    // Libraries ask for the network before they ask whether it lets them.
    if (interface, function) == ("sockets/instance-network", "instance-network") {
        return to.func_wrap(function, |mut store, (): ()| {
            store.data_mut().enter(0)?;
            Ok((Resource::<Closed>::new_own(0),))
        });
    }
    let complaint = match interface {
        "cli/exit" => {
            format!("it called `{import}#{function}`: a plugin answers, and ends with its host")
        }
        _ => format!("it called `{import}#{function}`: plugins have no files or sockets"),
    };
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

/// Ends what was lent to a function or given to it: a handle that is left over would be the guest's fault.
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

/// The value by which a function says that there is nothing.
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

fn best<'a>(codes: impl Iterator<Item = &'a str>) -> Option<String> {
    let codes: Vec<_> = codes.collect();
    let found = REFUSALS.iter().find(|refusal| codes.contains(refusal));
    found.map(|&refusal| refusal.to_owned())
}
