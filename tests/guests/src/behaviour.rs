//! Faults that a guest can cause, by name.

use std::alloc::Layout;
use std::hint::black_box;

use crate::bindings::witgate::plugin::{clock, log, metrics, request, settings};

/// A way to behave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behaviour {
    /// `trap`: run into the `unreachable` instruction, saying nothing.
    Trap,
    /// `panic`: panic with the text `hostile on purpose`.
    Panic,
    /// `loop`: never come back.
    Loop,
    /// `memory`: allocate until the host refuses, then abort as Rust does.
    Memory,
    /// `recurse`: call itself until the stack ends.
    Recurse,
    /// `hostcalls`: call the host a million times.
    Hostcalls,
    /// `copy`: have the host copy the body over and over; where there is none, the settings.
    Copy,
    /// `log`: write 100,000 lines of 1 KiB.
    Log,
    /// `forge`: write a text with line ends that looks like lines of the gateway's.
    Forge,
    /// `metrics`: make up 100,000 metric names.
    Metrics,
    /// `huge`: answer with a list of 200,000 elements.
    Huge,
    /// `huge-string`: answer with a text of 8 MiB.
    HugeString,
    /// `nonsense`: answer in words that the contract does not know.
    Nonsense,
    /// `empty-plan`: plan a route to nowhere.
    EmptyPlan,
    /// `refuse`: refuse, as a plugin may.
    Refuse,
    /// `refuse-200`: refuse with a status that is no refusal.
    Refuse200,
}

/// The facts that a guest has to ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Facts {
    /// Those of a request.
    Request,
    /// The settings and the clock alone.
    None,
}

// === impl Behaviour ===

impl Behaviour {
    /// The behaviour of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "trap" => Self::Trap,
            "panic" => Self::Panic,
            "loop" => Self::Loop,
            "memory" => Self::Memory,
            "recurse" => Self::Recurse,
            "hostcalls" => Self::Hostcalls,
            "copy" => Self::Copy,
            "log" => Self::Log,
            "forge" => Self::Forge,
            "metrics" => Self::Metrics,
            "huge" => Self::Huge,
            "huge-string" => Self::HugeString,
            "nonsense" => Self::Nonsense,
            "empty-plan" => Self::EmptyPlan,
            "refuse" => Self::Refuse,
            "refuse-200" => Self::Refuse200,
            _ => return None,
        })
    }

    /// Do what goes wrong before there is an answer; the rest is the hook's.
    pub(crate) fn act(self, facts: Facts) {
        match self {
            Self::Trap => trap(),
            Self::Panic => report_and_panic(),
            Self::Loop => spin(),
            Self::Memory => exhaust(),
            Self::Recurse => {
                black_box(dive(black_box(0)));
            }
            Self::Hostcalls => ask_a_million_times(facts),
            Self::Copy => copy_over_and_over(facts),
            Self::Log => {
                let line = "x".repeat(1024);
                (0..100_000).for_each(|_| log::write(log::Level::Info, &line));
            }
            Self::Forge => log::write(
                log::Level::Info,
                "first\n2026-01-01T00:00:00Z ERROR forged\r\u{85}\u{2028}\u{2029}\u{202e}\u{1b}[2Jend",
            ),
            Self::Metrics => (0..100_000).for_each(|n| metrics::count(&format!("name_{n}"), 1)),
            Self::Huge
            | Self::HugeString
            | Self::Nonsense
            | Self::EmptyPlan
            | Self::Refuse
            | Self::Refuse200 => {}
        }
    }
}

fn trap() {
    #[cfg(target_arch = "wasm32")]
    core::arch::wasm32::unreachable();
}

#[allow(clippy::panic, reason = "it is what was asked for")]
fn report_and_panic() {
    std::panic::set_hook(Box::new(|info| {
        log::failure(&info.to_string());
    }));
    panic!("hostile on purpose");
}

fn spin() {
    let mut turns = 0_u64;
    while black_box(turns) != u64::MAX {
        turns = turns.wrapping_add(2);
    }
}

fn exhaust() {
    const STEP: usize = 1 << 20;
    let mut kept: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut block = Vec::new();
        if block.try_reserve_exact(STEP).is_err() || kept.try_reserve(1).is_err() {
            std::alloc::handle_alloc_error(Layout::new::<[u8; STEP]>());
        }
        kept.push(black_box(block));
    }
}

/// Not a tail call, and nothing that a compiler could fold into a loop.
#[inline(never)]
fn dive(depth: u64) -> u64 {
    if depth == u64::MAX {
        return depth;
    }
    dive(depth.wrapping_add(1)).wrapping_mul(31) ^ depth
}

fn ask_a_million_times(facts: Facts) {
    for _ in 0..1_000_000 {
        match facts {
            Facts::Request => drop(request::header("x-hostile")),
            Facts::None => {
                clock::unix_ms();
            }
        }
    }
}

fn copy_over_and_over(facts: Facts) {
    for _ in 0..100_000 {
        match facts {
            Facts::Request => drop(request::body_read(0, u32::MAX)),
            Facts::None => drop(settings::json()),
        }
    }
}
