//! Compiling in a process of its own, for components that are large.
//!
//! A component of an interpreted language is ten to twenty megabytes and takes hundreds of megabytes to compile. In a child
//! that memory is gone with the child, and a bound on it, or on the time, ends the child and not the gateway.

use crate::cache::deserialize;
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use wasmtime::Engine;
use wasmtime::component::Component;

/// A program that reads a component from standard input and writes to standard output what
/// [`Runtime::precompile`](crate::Runtime::precompile) makes of it. It has to be this very program, or one with the same
/// engine and the same [`RuntimeOptions`](crate::RuntimeOptions): what it writes is run as machine code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Components of at least this many bytes are compiled by it.
    pub from_bytes: usize,
    /// The time that it may take.
    pub timeout: Duration,
    /// The address space that it may take, in bytes. Its runtime has to be one without a pool
    /// ([`Allocation::OnDemand`](crate::Allocation::OnDemand)), which reserves more than any machine has.
    pub memory_bytes: u64,
}

/// A component without code.
#[derive(Debug)]
pub(crate) enum CompileError {
    /// The engine refused the component.
    Component(String),
    /// The [`Compiler`] failed, or took more than it may.
    Compiler(String),
}

// === impl Compiler ===

impl Compiler {
    pub(crate) fn is_for(&self, component: &[u8]) -> bool {
        component.len() >= self.from_bytes
    }

    pub(crate) fn compile(
        &self,
        engine: &Engine,
        component: &[u8],
    ) -> Result<Component, CompileError> {
        let begun = Instant::now();
        let code = self.run(component)?;
        tracing::debug!(
            ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            bytes = component.len(),
            "compiled in a process of its own"
        );
        deserialize(engine, &code).map_err(|error| {
            CompileError::Compiler(format!(
                "the compiler {} made something else than this program would: {error:#}",
                self.program.display()
            ))
        })
    }

    fn run(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let failed = |error: io::Error| {
            CompileError::Compiler(format!(
                "the compiler {} can't be run: {error}",
                self.program.display()
            ))
        };
        // The shell sets the bound and becomes the program: nothing of it is left.
        let bounded = format!(
            "ulimit -v {} && exec \"$0\" \"$@\"",
            self.memory_bytes >> 10
        );
        let mut child = Command::new("/bin/sh")
            .args(["-c", &bounded])
            .arg(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map(Killed)
            .map_err(failed)?;
        let (Some(mut input), Some(mut output), Some(mut errors)) = (
            child.0.stdin.take(),
            child.0.stdout.take(),
            child.0.stderr.take(),
        ) else {
            return Err(failed(io::Error::other("it has no pipes")));
        };
        thread::scope(|threads| {
            // What it says is taken from it while it is fed, or both sides would wait for each other.
            let said = threads.spawn(move || {
                let mut text = String::new();
                // Whatever came until an error is worth telling.
                let _ = errors.read_to_string(&mut text);
                text
            });
            let (done, wait) = mpsc::channel();
            threads.spawn(move || {
                let mut code = Vec::new();
                let read = output.read_to_end(&mut code).map(|_| code);
                // Whoever waits may have given up.
                let _ = done.send(read);
            });
            threads.spawn(move || {
                // A child that ends early says why, and the pipe's error adds nothing.
                let _ = input.write_all(component);
            });
            let read = wait.recv_timeout(self.timeout);
            if read.is_err() {
                // Its pipes close with it, which ends the threads.
                child.kill();
            }
            let status = child.0.wait().map_err(failed)?;
            let said = said.join().unwrap_or_default();
            match read {
                Err(_) => Err(CompileError::Compiler(format!(
                    "compiling it took longer than {} s",
                    self.timeout.as_secs()
                ))),
                Ok(code) if status.success() => code.map_err(failed),
                Ok(_) => Err(CompileError::Component(format!(
                    "the compiler ended with {status}: {}",
                    said.trim()
                ))),
            }
        })
    }
}

/// A child that does not outlive its use.
struct Killed(Child);

// === impl Killed ===

impl Killed {
    fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}
