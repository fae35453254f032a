//! Compilation of large components in a child process.
//!
//! A component of an interpreted language has ten to twenty megabytes and takes hundreds of megabytes to compile. A child
//! returns that memory when it ends, and exceeding a limit on memory or time ends the child and not the host.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::cache::deserialize;

/// A program that compiles large components in a child process.
///
/// The program reads a component from standard input and writes the result of
/// [`Runtime::precompile`](crate::Runtime::precompile) to standard output. It must be this program, or one with the same
/// engine and [`RuntimeOptions`](crate::RuntimeOptions), because the host runs its output as machine code. Its runtime must
/// use [`Allocation::OnDemand`](crate::Allocation::OnDemand): a pool reserves more address space than `memory_bytes` leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// The arguments of the program. Default none.
    pub arguments: Vec<OsString>,
    /// The size in bytes from which components are compiled in the child. Default 2 MiB, more than most compiled languages
    /// need and less than any interpreter.
    pub from_bytes: usize,
    /// The time limit. Default two minutes.
    pub timeout: Duration,
    /// The limit on the child's address space, in bytes. Default 4 GiB.
    pub memory_bytes: u64,
}

/// A failed compilation.
#[derive(Debug)]
pub(crate) enum CompileError {
    /// The engine refused the component.
    Component(String),
    /// The [`Compiler`] failed or exceeded a limit.
    Compiler(String),
}

setters!(Compiler {
    with_arguments(arguments: Vec<OsString>);
    with_from_bytes(from_bytes: usize);
    with_timeout(timeout: Duration);
    with_memory_bytes(memory_bytes: u64);
});

// === impl Compiler ===

impl Compiler {
    /// Creates a compiler that runs this program.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            from_bytes: 2 << 20,
            timeout: Duration::from_secs(120),
            memory_bytes: 4 << 30,
        }
    }

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
            "compiled in a child process"
        );
        deserialize(engine, &code).map_err(|error| {
            CompileError::Compiler(format!(
                "the compiler {} wrote code that this program can't use: {error:#}",
                self.program.display()
            ))
        })
    }

    fn run(&self, component: &[u8]) -> Result<Vec<u8>, CompileError> {
        let failed = |error: io::Error| {
            CompileError::Compiler(format!(
                "the compiler {} can't run: {error}",
                self.program.display()
            ))
        };
        // The shell sets the limit and then becomes the program.
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
            // Its output is read while it gets its input, or both sides would wait for each other.
            let said = threads.spawn(move || {
                let mut text = String::new();
                // The text before an error is still useful.
                let _ = errors.read_to_string(&mut text);
                text
            });
            let (done, wait) = mpsc::channel();
            threads.spawn(move || {
                let mut code = Vec::new();
                let read = output.read_to_end(&mut code).map(|_| code);
                // The receiver may have given up.
                let _ = done.send(read);
            });
            threads.spawn(move || {
                // A child that ends early explains itself, and the pipe's error adds nothing.
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

/// A child that is killed when this is dropped.
struct Killed(Child);

// === impl Killed ===

impl Killed {
    fn kill(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        self.kill();
        let _ = self.0.wait();
    }
}
