//! Guests made of random statements over the contract's imports and hooks.

use std::fmt::Write as _;

use witgate_runtime::Source;

use super::random::Random;
use crate::guest::{BASE, Guest, NEWEST, SUBSCRIBED, on_probe};

/// Numbers that matter to somebody.
const NUMBERS: [i64; 20] = [
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    16,
    32,
    100,
    1_024,
    2_056,
    4_096,
    65_535,
    65_536,
    131_072,
    0x7fff_ffff,
    -1,
    -2,
    0x8000_0000,
];

/// Places in the answer that mean something: tags, addresses, lengths.
const PLACES: [u32; 24] = [
    2048, 2052, 2056, 2060, 2064, 2068, 2072, 2076, 2080, 2084, 2088, 2092, 2096, 2100, 2128, 2132,
    2152, 2156, 2168, 4096, 4100, 4104, 8192, 8200,
];

/// A random guest with a random sidecar.
pub(super) fn source(random: &mut Random) -> Source {
    Source::new("fuzz", guest(random).build()).with_sidecar(sidecar(random))
}

fn guest(random: &mut Random) -> Guest {
    let version = *random.pick(&[BASE, NEWEST, NEWEST, NEWEST]);
    let mut guest = Guest::new().version(version);
    if version == NEWEST {
        guest = guest
            .fact("context#all-metadata", "$context", "(param i32)")
            .fact("planned#target", "$planned", "(param i32 i32)")
            .fact("receipts#get-field", "$field", "(param i32 i32 i32 i32)")
            .fact("upstreams#stats", "$stats", "(param i32 i32 i32)");
    }
    for hook in ["envelope", "route", "budget", "audit"] {
        if random.one_in(2) {
            let body = body(random, version);
            guest = guest.with(hook, &at_its_time(random, hook, &body));
        }
    }
    if version == NEWEST && random.one_in(2) {
        let body = body(random, version);
        guest = guest
            .with("guard", &at_its_time(random, "guard", &body))
            .with("lifecycle", SUBSCRIBED);
    } else if random.one_in(8) {
        guest = guest.with("lifecycle", &body(random, version));
    }
    let pages = match random.one_in(8) {
        true => random.below(80) as u32,
        false => 2,
    };
    // Now and then more than there may be, in the sidecar or in the pool.
    let elements = match random.one_in(16) {
        true => random.pick(&[9_999, 20_001]),
        false => random.pick(&[1, 8, 100, 5_000]),
    };
    // The pool has one table a module; sometimes that is tried.
    let more = if random.one_in(20) {
        "(table 3 funcref)"
    } else {
        ""
    };
    guest.pages(pages.max(1)).extra(&format!(
        "(table $t {elements} funcref) (elem (i32.const 0) $dive) {more}
         (type $void (func))
         (func $dive (global.set $calls (i32.add (global.get $calls) (i32.const 1))) {})",
        random.pick(&["", "(call $dive)", "unreachable"])
    ))
}

fn sidecar(random: &mut Random) -> String {
    let mut text = String::new();
    if random.one_in(3) {
        text += "instances = \"fresh\"\n";
    }
    write!(
        text,
        "[limits]\ndeadline_ms = {}\nconfigure_ms = 20\nmemory_mib = {}\nhost_calls = {}\nlog_lines = 5\n\
         kv_entries = 100\nkv_bytes = 10000\nmetric_names = 4\nlist_items = {}\nrecycle_after = {}\n",
        random.pick(&[2, 5, 20]),
        random.pick(&[1, 2, 8]),
        random.pick(&[10, 1_000]),
        random.pick(&[3, 1_024]),
        random.pick(&[1, 2, 1_000]),
    )
    .unwrap();
    match random.below(20) {
        0 => {}
        1 => text += "[grants]\nbody = \"none\"\nkv = true\nmetrics = true\nclock = true\n",
        _ => {
            text += "[grants]\nbody = \"read\"\nheaders = [\"*\"]\nkv = true\nmetrics = true\nclock = true\ncontent = [\"response\"]\n";
        }
    }
    text
}

fn body(random: &mut Random, version: &str) -> String {
    let mut text = String::new();
    for _ in 0..random.below(12) {
        statement(random, version, 0, &mut text);
    }
    text
}

/// Mostly after the smoke test, which few of these would survive: from a later call on, or at a request with a header.
fn at_its_time(random: &mut Random, hook: &str, body: &str) -> String {
    match random.below(8) {
        0 => body.to_owned(),
        1..=4 if hook != "audit" => on_probe(body),
        _ => format!(
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (if (i32.gt_u (global.get $calls) (i32.const {})) (then {body}))",
            4 + random.below(4)
        ),
    }
}

fn number(random: &mut Random) -> String {
    let value = match random.below(3) {
        0 => i64::from(random.next() as i32),
        1 => random.below(140_000) as i64,
        _ => *random.pick(&NUMBERS),
    };
    format!("(i32.const {})", value as i32)
}

fn place(random: &mut Random) -> String {
    match random.below(8) {
        0 => number(random),
        _ => format!("(i32.const {})", random.pick(&PLACES)),
    }
}

/// A text or a list of bytes: mostly one that is there.
fn span(random: &mut Random) -> String {
    match random.below(6) {
        0 => format!("{} {}", number(random), number(random)),
        1 => format!("(i32.const 8192) (i32.const {})", random.below(9_000)),
        _ => format!(
            "{} (i32.const {})",
            random.pick(&["(i32.const 16)", "(i32.const 32)", "(i32.const 64)"]),
            random.below(18)
        ),
    }
}

/// The handle, or what is none.
fn handle(random: &mut Random) -> String {
    match random.below(8) {
        0 => number(random),
        _ => "(local.get $h)".to_owned(),
    }
}

fn statement(random: &mut Random, version: &str, depth: u32, text: &mut String) {
    // Where an import puts its answer.
    let back = "(i32.const 3072)";
    match random.below(if depth < 3 { 25 } else { 19 }) {
        0..=3 => write!(text, "(i32.store {} {})", place(random), number(random)),
        4 => write!(text, "(i32.store8 {} {})", place(random), number(random)),
        5 => write!(
            text,
            "(i64.store {} (i64.const {}))",
            place(random),
            random.next() as i64
        ),
        6 => write!(
            text,
            "(call $header {} {} {back})",
            handle(random),
            span(random)
        ),
        7 => match random.below(4) {
            0 => write!(
                text,
                "(call $headers {} {} {back})",
                handle(random),
                span(random)
            ),
            1 => write!(text, "(call $head {} {back})", handle(random)),
            2 => write!(text, "(call $tools {} {})", handle(random), place(random)),
            _ => write!(
                text,
                "(call $member {} {} {back})",
                handle(random),
                span(random)
            ),
        },
        8 => write!(
            text,
            "(call $body_read {} (i64.const {}) {} {back})",
            handle(random),
            random.pick(&NUMBERS),
            number(random)
        ),
        9 => write!(
            text,
            "(call $log (i32.const {}) {})",
            random.below(7),
            span(random)
        ),
        10 => write!(text, "(call $failure {})", span(random)),
        11 => write!(text, "(call $settings {})", place(random)),
        12 => write!(
            text,
            "(call $count {} (i64.const {}))",
            span(random),
            random.next() as i64
        ),
        13 => write!(text, "(drop (call $unix_ms))"),
        14 => write!(text, "(drop (memory.grow {}))", number(random)),
        15 => write!(
            text,
            "(memory.fill {} {} (i32.const {}))",
            place(random),
            number(random),
            random.below(300)
        ),
        16 => write!(
            text,
            "(drop (table.grow $t (ref.null func) {}))",
            number(random)
        ),
        17 => match random.below(6) {
            0 => write!(text, "unreachable"),
            1 => write!(text, "(call $drop {})", handle(random)),
            2 => write!(text, "(call_indirect $t (type $void) {})", number(random)),
            3 => write!(text, "(return {})", place(random)),
            4 => write!(text, "(call $dive)"),
            _ => write!(text, "(loop $l (br $l))"),
        },
        18 if version == BASE || random.one_in(2) => match random.below(3) {
            0 => write!(
                text,
                "(call $kv_set {} {} (i32.const {}) (i64.const {}) {back})",
                span(random),
                span(random),
                random.below(2),
                random.pick(&NUMBERS)
            ),
            1 => write!(
                text,
                "(call $kv_increment {} (i64.const {}) (i32.const {}) (i64.const {}) {back})",
                span(random),
                random.next() as i64,
                random.below(2),
                random.pick(&NUMBERS)
            ),
            _ => write!(text, "(call $kv_get {} {back})", span(random)),
        },
        18 => match random.below(4) {
            0 => write!(text, "(call $context {back})"),
            1 => write!(text, "(call $planned {} {back})", number(random)),
            2 => write!(
                text,
                "(call $field (i32.const {}) {} {back})",
                random.below(3),
                span(random)
            ),
            _ => write!(text, "(call $stats {} {back})", span(random)),
        },
        19..=21 => return branch(random, version, depth, text),
        _ => return repeat(random, version, depth, text),
    }
    .unwrap();
    text.push('\n');
}

/// Code that runs only sometimes: when a header is there, or in every other call.
fn branch(random: &mut Random, version: &str, depth: u32, text: &mut String) {
    let condition = match random.below(3) {
        0 => "(i32.load8_u (i32.const 3072))",
        1 => "(i32.and (global.get $calls) (i32.const 1))",
        _ => "(local.get $h)",
    };
    write!(text, "(if {condition} (then ").unwrap();
    statement(random, version, depth + 1, text);
    text.push_str(") (else ");
    statement(random, version, depth + 1, text);
    text.push_str("))\n");
}

/// Code that runs repeatedly: a few times, or more often than the deadline allows.
fn repeat(random: &mut Random, version: &str, depth: u32, text: &mut String) {
    let times = random.pick(&[3, 50, 2_000, 100_000_000]);
    text.push_str("(loop $again ");
    statement(random, version, depth + 1, text);
    writeln!(
        text,
        "(br_if $again (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const {times}))))"
    )
    .unwrap();
}
