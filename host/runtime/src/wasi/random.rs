//! Random numbers, all of them the system's: what is called insecure may be better than its name.

use crate::guest::Guest;
use rand::RngCore as _;
use rand::rngs::OsRng;
use wasmtime::component::LinkerInstance;

pub(super) fn define(to: &mut LinkerInstance<'_, Guest>, function: &str) -> wasmtime::Result<bool> {
    match function {
        "get-random-bytes" | "get-insecure-random-bytes" => {
            to.func_wrap(function, |mut store, (len,): (u64,)| {
                let guest = store.data_mut();
                // Counted before there is room for them: the length is the guest's word.
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                guest.enter(len)?;
                let mut bytes = vec![0; len];
                fill(&mut bytes)?;
                Ok((bytes,))
            })?;
        }
        "get-random-u64" | "get-insecure-random-u64" => {
            to.func_wrap(function, |mut store, (): ()| {
                store.data_mut().enter(0)?;
                Ok((number()?,))
            })?;
        }
        "insecure-seed" => to.func_wrap(function, |mut store, (): ()| {
            store.data_mut().enter(0)?;
            Ok(((number()?, number()?),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn number() -> wasmtime::Result<u64> {
    let mut bytes = [0; 8];
    fill(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}

fn fill(bytes: &mut [u8]) -> wasmtime::Result<()> {
    OsRng
        .try_fill_bytes(bytes)
        .map_err(|error| wasmtime::format_err!("the system has no random numbers: {error}"))
}
