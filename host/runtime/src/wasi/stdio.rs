//! Streams and waiting, which wasmtime-wasi would block a thread for.
//!
//! Output goes to the plugin's log, input is at its end, and everything is ready at once. A handle is a number with
//! nothing behind it, so an instance that never drops one costs the host nothing.

use wasmtime::component::Resource;
use wasmtime_wasi::p2::bindings::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p2::bindings::io::error;
use wasmtime_wasi::p2::bindings::sync::io::poll;
use wasmtime_wasi::p2::bindings::sync::io::streams;
use wasmtime_wasi::p2::{StreamError, StreamResult};

use super::print::{STDERR, STDOUT};
use crate::guest::Guest;

pub(super) use wasmtime_wasi::p2::bindings::io::error::Error as Failure;
pub(super) use wasmtime_wasi::p2::bindings::sync::io::poll::Pollable;
pub(super) use wasmtime_wasi::p2::bindings::sync::io::streams::{
    InputStream as Input, OutputStream as Output,
};

/// Maximum number of bytes in one write. The limits of a call hold besides.
const MAX_WRITE_BYTES: u64 = 64 << 10;

/// Returns a pollable. All of them are ready.
pub(super) fn ready() -> Resource<Pollable> {
    Resource::new_own(0)
}

// === impl Guest ===

impl poll::Host for Guest {
    fn poll(&mut self, pollables: Vec<Resource<Pollable>>) -> wasmtime::Result<Vec<u32>> {
        self.enter(pollables.len() * 4)?;
        let len = u32::try_from(pollables.len())?;
        Ok((0..len).collect())
    }
}

impl poll::HostPollable for Guest {
    fn ready(&mut self, _: Resource<Pollable>) -> wasmtime::Result<bool> {
        self.enter(0).map(|()| true)
    }

    fn block(&mut self, _: Resource<Pollable>) -> wasmtime::Result<()> {
        self.enter(0)
    }

    fn drop(&mut self, _: Resource<Pollable>) -> wasmtime::Result<()> {
        self.enter(0)
    }
}

impl error::Host for Guest {}
impl error::HostError for Guest {
    fn to_debug_string(&mut self, _: Resource<Failure>) -> wasmtime::Result<String> {
        self.enter(0).map(|()| String::new())
    }

    fn drop(&mut self, _: Resource<Failure>) -> wasmtime::Result<()> {
        self.enter(0)
    }
}

impl stdin::Host for Guest {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<Input>> {
        self.enter(0).map(|()| Resource::new_own(0))
    }
}

impl stdout::Host for Guest {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<Output>> {
        self.enter(0).map(|()| Resource::new_own(STDOUT))
    }
}

impl stderr::Host for Guest {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<Output>> {
        self.enter(0).map(|()| Resource::new_own(STDERR))
    }
}

impl Guest {
    /// Counts a call on a stream that copies `bytes`.
    fn stream(&mut self, bytes: usize) -> StreamResult<()> {
        self.enter(bytes).map_err(StreamError::Trap)
    }

    /// Counts a call on a stream that is at its end.
    fn at_end<T>(&mut self) -> StreamResult<T> {
        self.stream(0)?;
        Err(StreamError::Closed)
    }
}

impl streams::Host for Guest {
    fn convert_stream_error(
        &mut self,
        error: StreamError,
    ) -> wasmtime::Result<streams::StreamError> {
        match error {
            StreamError::Closed => Ok(streams::StreamError::Closed),
            StreamError::LastOperationFailed(error) | StreamError::Trap(error) => Err(error),
        }
    }
}

impl streams::HostInputStream for Guest {
    fn read(&mut self, _: Resource<Input>, _: u64) -> StreamResult<Vec<u8>> {
        self.at_end()
    }

    fn blocking_read(&mut self, _: Resource<Input>, _: u64) -> StreamResult<Vec<u8>> {
        self.at_end()
    }

    fn skip(&mut self, _: Resource<Input>, _: u64) -> StreamResult<u64> {
        self.at_end()
    }

    fn blocking_skip(&mut self, _: Resource<Input>, _: u64) -> StreamResult<u64> {
        self.at_end()
    }

    fn subscribe(&mut self, _: Resource<Input>) -> wasmtime::Result<Resource<Pollable>> {
        self.enter(0).map(|()| ready())
    }

    fn drop(&mut self, _: Resource<Input>) -> wasmtime::Result<()> {
        self.enter(0)
    }
}

impl streams::HostOutputStream for Guest {
    fn check_write(&mut self, _: Resource<Output>) -> StreamResult<u64> {
        self.stream(0).map(|()| MAX_WRITE_BYTES)
    }

    fn write(&mut self, output: Resource<Output>, bytes: Vec<u8>) -> StreamResult<()> {
        self.stream(bytes.len())?;
        self.print(&output, &bytes);
        Ok(())
    }

    fn blocking_write_and_flush(
        &mut self,
        output: Resource<Output>,
        bytes: Vec<u8>,
    ) -> StreamResult<()> {
        self.write(output, bytes)
    }

    /// Prints nothing: a log line has no use for zeros.
    fn write_zeroes(&mut self, _: Resource<Output>, _: u64) -> StreamResult<()> {
        self.stream(0)
    }

    fn blocking_write_zeroes_and_flush(&mut self, _: Resource<Output>, _: u64) -> StreamResult<()> {
        self.stream(0)
    }

    fn flush(&mut self, _: Resource<Output>) -> StreamResult<()> {
        self.stream(0)
    }

    fn blocking_flush(&mut self, _: Resource<Output>) -> StreamResult<()> {
        self.stream(0)
    }

    fn splice(&mut self, _: Resource<Output>, _: Resource<Input>, _: u64) -> StreamResult<u64> {
        self.at_end()
    }

    fn blocking_splice(
        &mut self,
        _: Resource<Output>,
        _: Resource<Input>,
        _: u64,
    ) -> StreamResult<u64> {
        self.at_end()
    }

    fn subscribe(&mut self, _: Resource<Output>) -> wasmtime::Result<Resource<Pollable>> {
        self.enter(0).map(|()| ready())
    }

    fn drop(&mut self, _: Resource<Output>) -> wasmtime::Result<()> {
        self.enter(0)
    }
}
