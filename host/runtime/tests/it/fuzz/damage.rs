//! Guests made of real ones by random damage.

use witgate_artifacts::{AUDIT, BUDGET, ENVELOPE, HOSTILE, ROUTE, SWAP_A};
use witgate_runtime::Source;

use super::random::Random;
use crate::guest::{Guest, PLAN, on_probe};

const SIDECAR: &str = "[limits]\ndeadline_ms = 20\nconfigure_ms = 50\nmemory_mib = 8\nhost_calls = 1000\nlog_lines = 5\n\
    [grants]\nbody = \"read\"\nheaders = [\"*\"]\nkv = true\nmetrics = true\nclock = true\n";

/// The files to damage: core modules with metadata, and components made from them.
pub(super) struct Seeds {
    /// Quick to compile, so that what survives costs little.
    small: Vec<Vec<u8>>,
    /// The shipped plugins and the hostile guest.
    large: Vec<Vec<u8>>,
}

// === impl Seeds ===

impl Seeds {
    pub(super) fn new() -> Self {
        let small = [
            Guest::route(&on_probe(PLAN)),
            Guest::route(PLAN).with("lifecycle", ""),
            Guest::new()
                .with("envelope", "(call $head (local.get $h) (i32.const 3072))")
                .with("budget", "")
                .with(
                    "audit",
                    "(call $log (i32.const 2) (i32.const 32) (i32.const 17))",
                ),
        ];
        let both = |module: Vec<u8>| [component(&module), module];
        let large = [AUDIT, BUDGET, ENVELOPE, HOSTILE, ROUTE, SWAP_A];
        Self {
            small: small.iter().flat_map(|guest| both(guest.build())).collect(),
            large: large
                .iter()
                .flat_map(|guest| both(guest.bytes().to_vec()))
                .collect(),
        }
    }

    pub(super) fn damaged(&self, random: &mut Random) -> Source {
        let of = |random: &mut Random| match random.one_in(8) {
            true => random.pick(&self.large).clone(),
            false => random.pick(&self.small).clone(),
        };
        let mut bytes = of(random);
        for _ in 0..=random.below(3) {
            let other = of(random);
            bytes = damage(bytes, &other, random);
        }
        Source::new("fuzz", bytes).with_sidecar(SIDECAR)
    }
}

fn component(module: &[u8]) -> Vec<u8> {
    let encoded = wit_component::ComponentEncoder::default()
        .module(module)
        .and_then(|mut encoder| encoder.encode());
    encoded.expect("a component")
}

fn damage(mut bytes: Vec<u8>, other: &[u8], random: &mut Random) -> Vec<u8> {
    if bytes.len() < 16 {
        return bytes;
    }
    let (at, to) = (random.below(bytes.len()), random.below(bytes.len()));
    match random.below(9) {
        0 => {
            for _ in 0..=random.below(8) {
                let at = random.below(bytes.len());
                bytes[at] ^= 1 << random.below(8);
            }
        }
        1 => {
            for _ in 0..=random.below(4) {
                let at = random.below(bytes.len());
                bytes[at] = *random.pick(&[0, 1, 0x0a, 0x0b, 0x7f, 0x80, 0xff]);
            }
        }
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(at.min(to)..at.max(to).min(at.min(to) + 64))),
        4 => {
            let piece = bytes[at..(at + random.below(64)).min(bytes.len())].to_vec();
            bytes.splice(to..to, piece);
        }
        5 => {
            let from = random.below(other.len());
            bytes.truncate(at);
            bytes.extend_from_slice(&other[from..]);
        }
        _ => return reordered(&bytes, random),
    }
    bytes
}

/// The same sections in another order, some of them missing or there twice.
fn reordered(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let (head, rest) = bytes.split_at(8);
    let mut sections = sections(rest);
    let (a, b) = (random.below(sections.len()), random.below(sections.len()));
    match random.below(3) {
        0 => sections.swap(a, b),
        1 => drop(sections.remove(a)),
        _ => {
            let again = sections[a];
            sections.insert(b, again);
        }
    }
    [head]
        .into_iter()
        .chain(sections)
        .collect::<Vec<_>>()
        .concat()
}

/// The sections of a module or a component, as far as it has any; the last one may be cut short.
fn sections(mut rest: &[u8]) -> Vec<&[u8]> {
    let mut sections = Vec::new();
    while rest.len() > 1 {
        let (mut len, mut shift, mut at) = (0_usize, 0, 1);
        while let Some(byte) = rest.get(at) {
            at += 1;
            len |= usize::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 || shift > 28 {
                break;
            }
        }
        let (section, more) = rest.split_at(at.saturating_add(len).min(rest.len()));
        sections.push(section);
        rest = more;
    }
    if sections.is_empty() {
        sections.push(rest);
    }
    sections
}
