//! The machine that a plugin sees through WASI: clocks and random numbers, and nothing else.
//!
//! wasmtime-wasi answers for it, from a context without arguments, variables, directories and terminals. Each function
//! here counts the call and hands it on. [`Guest::machine`] makes the context with the first call, so that a plugin
//! without WASI never pays for one.

use std::time::Duration;

use wasmtime::component::{Resource, ResourceTable};
use wasmtime_wasi::cli::WasiCliView as _;
use wasmtime_wasi::clocks::WasiClocksView as _;
use wasmtime_wasi::filesystem::WasiFilesystemView as _;
use wasmtime_wasi::p2::bindings::cli::terminal_input::{self, TerminalInput};
use wasmtime_wasi::p2::bindings::cli::terminal_output::{self, TerminalOutput};
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, terminal_stderr, terminal_stdin, terminal_stdout,
};
use wasmtime_wasi::p2::bindings::clocks::monotonic_clock;
use wasmtime_wasi::p2::bindings::clocks::wall_clock::{self, Datetime};
use wasmtime_wasi::p2::bindings::filesystem::preopens::{self, Descriptor};
use wasmtime_wasi::p2::bindings::random::{insecure, insecure_seed, random};
use wasmtime_wasi::random::WasiRandomCtx;
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxView, WasiView};

use super::stdio::{Pollable, ready};
use crate::guest::{Guest, monotonic_ns, since_epoch};

type Result<T> = wasmtime::Result<T>;

/// A context of wasmtime-wasi that gives nothing away.
pub(crate) struct Machine {
    context: WasiCtx,
    /// Stays empty: nothing in the context has handles.
    table: ResourceTable,
}

/// The clocks of the contract, so that both interfaces tell the same time, also from one instance to the next.
struct Clock;

// === impl Machine ===

impl Default for Machine {
    fn default() -> Self {
        let context = WasiCtx::builder()
            .monotonic_clock(Clock)
            .wall_clock(Clock)
            .build();
        Self {
            context,
            table: ResourceTable::new(),
        }
    }
}

impl WasiView for Machine {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.context,
            table: &mut self.table,
        }
    }
}

// === impl Clock ===

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        monotonic_ns()
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        since_epoch()
    }
}

// === impl Guest ===

impl Guest {
    /// Counts a call that copies `bytes`, and returns the machine.
    fn machine(&mut self, bytes: usize) -> Result<&mut Machine> {
        self.enter(bytes)?;
        Ok(self.machine.get_or_insert_default())
    }

    /// Counts a reading of a clock. Unlike the contract's clock, WASI's may be read while an instance is configured:
    /// standard libraries do that.
    fn clock(&mut self) -> Result<&mut Machine> {
        self.enter(0)?;
        self.granted("clock")?;
        Ok(self.machine.get_or_insert_default())
    }

    /// Counts a call for `bytes` random bytes, before there is room for them: the number is the guest's choice.
    fn dice(&mut self, bytes: u64) -> Result<&mut WasiRandomCtx> {
        let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(self.machine(bytes)?.context.random())
    }
}

impl monotonic_clock::Host for Guest {
    fn now(&mut self) -> Result<u64> {
        monotonic_clock::Host::now(&mut self.clock()?.clocks())
    }

    fn resolution(&mut self) -> Result<u64> {
        monotonic_clock::Host::resolution(&mut self.machine(0)?.clocks())
    }

    fn subscribe_instant(&mut self, _: u64) -> Result<Resource<Pollable>> {
        self.enter(0).map(|()| ready())
    }

    fn subscribe_duration(&mut self, _: u64) -> Result<Resource<Pollable>> {
        self.enter(0).map(|()| ready())
    }
}

impl wall_clock::Host for Guest {
    fn now(&mut self) -> Result<Datetime> {
        wall_clock::Host::now(&mut self.clock()?.clocks())
    }

    fn resolution(&mut self) -> Result<Datetime> {
        wall_clock::Host::resolution(&mut self.machine(0)?.clocks())
    }
}

impl random::Host for Guest {
    fn get_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.dice(len)?.get_random_bytes(len)
    }

    fn get_random_u64(&mut self) -> Result<u64> {
        self.dice(0)?.get_random_u64()
    }
}

impl insecure::Host for Guest {
    fn get_insecure_random_bytes(&mut self, len: u64) -> Result<Vec<u8>> {
        self.dice(len)?.get_insecure_random_bytes(len)
    }

    fn get_insecure_random_u64(&mut self) -> Result<u64> {
        self.dice(0)?.get_insecure_random_u64()
    }
}

impl insecure_seed::Host for Guest {
    fn insecure_seed(&mut self) -> Result<(u64, u64)> {
        self.dice(0)?.insecure_seed()
    }
}

impl environment::Host for Guest {
    fn get_environment(&mut self) -> Result<Vec<(String, String)>> {
        self.machine(0)?.cli().get_environment()
    }

    fn get_arguments(&mut self) -> Result<Vec<String>> {
        self.machine(0)?.cli().get_arguments()
    }

    fn initial_cwd(&mut self) -> Result<Option<String>> {
        self.machine(0)?.cli().initial_cwd()
    }
}

impl exit::Host for Guest {
    fn exit(&mut self, status: std::result::Result<(), ()>) -> Result<()> {
        let ended = self.machine(0)?.cli().exit(status);
        ended.map_err(|_| wasmtime::Error::msg(EXITED))
    }

    fn exit_with_code(&mut self, code: u8) -> Result<()> {
        let ended = self.machine(0)?.cli().exit_with_code(code);
        ended.map_err(|_| wasmtime::Error::msg(EXITED))
    }
}

/// The message of a fault for a plugin that ends itself.
const EXITED: &str =
    "it called `wasi:cli/exit`; a plugin must return from its hook instead of exiting";

impl preopens::Host for Guest {
    fn get_directories(&mut self) -> Result<Vec<(Resource<Descriptor>, String)>> {
        preopens::Host::get_directories(&mut self.machine(0)?.filesystem())
    }
}

impl terminal_input::Host for Guest {}
impl terminal_input::HostTerminalInput for Guest {
    fn drop(&mut self, terminal: Resource<TerminalInput>) -> Result<()> {
        terminal_input::HostTerminalInput::drop(&mut self.machine(0)?.cli(), terminal)
    }
}

impl terminal_output::Host for Guest {}
impl terminal_output::HostTerminalOutput for Guest {
    fn drop(&mut self, terminal: Resource<TerminalOutput>) -> Result<()> {
        terminal_output::HostTerminalOutput::drop(&mut self.machine(0)?.cli(), terminal)
    }
}

impl terminal_stdin::Host for Guest {
    fn get_terminal_stdin(&mut self) -> Result<Option<Resource<TerminalInput>>> {
        self.machine(0)?.cli().get_terminal_stdin()
    }
}

impl terminal_stdout::Host for Guest {
    fn get_terminal_stdout(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        self.machine(0)?.cli().get_terminal_stdout()
    }
}

impl terminal_stderr::Host for Guest {
    fn get_terminal_stderr(&mut self) -> Result<Option<Resource<TerminalOutput>>> {
        self.machine(0)?.cli().get_terminal_stderr()
    }
}
