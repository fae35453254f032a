//! Streams and waiting: output is printed, input is at its end, everything is ready.

use super::print::{STDERR, STDOUT};
use super::{Failure, Input, Output, Pollable, ready};
use crate::guest::Guest;
use wasmtime::component::{ComponentType, Lift, LinkerInstance, Lower, Resource};

/// Bytes that one write may bring. A call's limits hold besides.
const ROOM: u64 = 64 << 10;

/// `stream-error` of `wasi:io/streams`.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
enum StreamError {
    #[component(name = "last-operation-failed")]
    LastOperationFailed(Resource<Failure>),
    #[component(name = "closed")]
    Closed,
}

type Streamed<T> = Result<T, StreamError>;

pub(super) fn define(
    to: &mut LinkerInstance<'_, Guest>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<bool> {
    match interface {
        "io/poll" => define_poll(to, function),
        "io/streams" => Ok(define_input(to, function)? || define_output(to, function)?),
        "io/error" => {
            let known = function == "[method]error.to-debug-string";
            if known {
                to.func_wrap(function, |mut store, (_,): (Resource<Failure>,)| {
                    store.data_mut().enter(0)?;
                    Ok((String::new(),))
                })?;
            }
            Ok(known)
        }
        _ => define_standard(to, function),
    }
}

/// The functions that give the three streams.
fn define_standard(to: &mut LinkerInstance<'_, Guest>, function: &str) -> wasmtime::Result<bool> {
    let output = match function {
        "get-stdin" => {
            to.func_wrap(function, |mut store, (): ()| {
                store.data_mut().enter(0)?;
                Ok((Resource::<Input>::new_own(0),))
            })?;
            return Ok(true);
        }
        "get-stdout" => STDOUT,
        "get-stderr" => STDERR,
        _ => return Ok(false),
    };
    to.func_wrap(function, move |mut store, (): ()| {
        store.data_mut().enter(0)?;
        Ok((Resource::<Output>::new_own(output),))
    })?;
    Ok(true)
}

fn define_poll(to: &mut LinkerInstance<'_, Guest>, function: &str) -> wasmtime::Result<bool> {
    match function {
        "[method]pollable.ready" => {
            to.func_wrap(function, |mut store, (_,): (Resource<Pollable>,)| {
                store.data_mut().enter(0)?;
                Ok((true,))
            })?;
        }
        "[method]pollable.block" => {
            to.func_wrap(function, |mut store, (_,): (Resource<Pollable>,)| {
                store.data_mut().enter(0)
            })?;
        }
        "poll" => to.func_wrap(function, |mut store, (all,): (Vec<Resource<Pollable>>,)| {
            store.data_mut().enter(all.len() * 4)?;
            let all = u32::try_from(all.len())?;
            Ok(((0..all).collect::<Vec<u32>>(),))
        })?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn define_input(to: &mut LinkerInstance<'_, Guest>, function: &str) -> wasmtime::Result<bool> {
    match function {
        "[method]input-stream.read" | "[method]input-stream.blocking-read" => {
            to.func_wrap(function, |mut store, _: (Resource<Input>, u64)| {
                store.data_mut().enter(0)?;
                Ok((Streamed::<Vec<u8>>::Err(StreamError::Closed),))
            })?;
        }
        "[method]input-stream.skip" | "[method]input-stream.blocking-skip" => {
            to.func_wrap(function, |mut store, _: (Resource<Input>, u64)| {
                store.data_mut().enter(0)?;
                Ok((Streamed::<u64>::Err(StreamError::Closed),))
            })?;
        }
        "[method]input-stream.subscribe" => {
            to.func_wrap(function, |mut store, (_,): (Resource<Input>,)| {
                store.data_mut().enter(0)?;
                Ok((ready(),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn define_output(to: &mut LinkerInstance<'_, Guest>, function: &str) -> wasmtime::Result<bool> {
    match function {
        "[method]output-stream.check-write" => {
            to.func_wrap(function, |mut store, (_,): (Resource<Output>,)| {
                store.data_mut().enter(0)?;
                Ok((Streamed::Ok(ROOM),))
            })?;
        }
        "[method]output-stream.write" | "[method]output-stream.blocking-write-and-flush" => to
            .func_wrap(
                function,
                |mut store, (output, bytes): (Resource<Output>, Vec<u8>)| {
                    let guest = store.data_mut();
                    guest.enter(bytes.len())?;
                    guest.print(&output, &bytes);
                    Ok((Streamed::Ok(()),))
                },
            )?,
        "[method]output-stream.write-zeroes"
        | "[method]output-stream.blocking-write-zeroes-and-flush" => {
            // Zeros are nothing to read.
            to.func_wrap(function, |mut store, _: (Resource<Output>, u64)| {
                store.data_mut().enter(0)?;
                Ok((Streamed::Ok(()),))
            })?;
        }
        "[method]output-stream.flush" | "[method]output-stream.blocking-flush" => {
            to.func_wrap(function, |mut store, (_,): (Resource<Output>,)| {
                store.data_mut().enter(0)?;
                Ok((Streamed::Ok(()),))
            })?;
        }
        "[method]output-stream.splice" | "[method]output-stream.blocking-splice" => to.func_wrap(
            function,
            |mut store, _: (Resource<Output>, Resource<Input>, u64)| {
                store.data_mut().enter(0)?;
                Ok((Streamed::<u64>::Err(StreamError::Closed),))
            },
        )?,
        "[method]output-stream.subscribe" => {
            to.func_wrap(function, |mut store, (_,): (Resource<Output>,)| {
                store.data_mut().enter(0)?;
                Ok((ready(),))
            })?;
        }
        _ => return Ok(false),
    }
    Ok(true)
}
