//! Builds the guests for wasm32, so that a fresh `cargo test` just works.
//!
//! The guests have a target folder of their own beside ours: an inner cargo would wait for ever for the lock that the
//! outer one holds. They are built with this workspace's `Cargo.lock` and the profile `guest`, whatever the outer build
//! is for. The results are copied to `OUT_DIR`, so that what was compiled in and what the path leads to are the same bytes.

#![allow(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a build script has no other way to say what is wrong"
)]

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";
const PROFILE: &str = "guest";

/// Package, the file that cargo makes, and our name for it, of each shipped plugin.
const SHIPPED: [(&str, &str, &str); 6] = [
    (
        "witgate-plugin-envelope",
        "witgate_plugin_envelope.wasm",
        "envelope",
    ),
    ("witgate-plugin-route", "witgate_plugin_route.wasm", "route"),
    (
        "witgate-plugin-budget",
        "witgate_plugin_budget.wasm",
        "budget",
    ),
    ("witgate-plugin-audit", "witgate_plugin_audit.wasm", "audit"),
    ("witgate-plugin-guard", "witgate_plugin_guard.wasm", "guard"),
    (
        "witgate-plugin-openai",
        "witgate_plugin_openai.wasm",
        "openai",
    ),
];

/// The same of the guests that only tests need, built with the feature `guests`.
const FOR_TESTS: [(&str, &str, &str); 10] = [
    (
        "witgate-plugin-small-first",
        "witgate_plugin_small_first.wasm",
        "rust",
    ),
    ("witgate-guests", "witgate_guests.wasm", "hostile"),
    ("witgate-guests", "examples/swap_a.wasm", "swap_a"),
    ("witgate-guests", "examples/swap_b.wasm", "swap_b"),
    ("witgate-guests", "examples/shapes.wasm", "shapes"),
    (
        "witgate-guests",
        "examples/shapes_arena.wasm",
        "shapes_arena",
    ),
    ("witgate-guests", "examples/keeper.wasm", "keeper"),
    ("witgate-guests", "examples/older.wasm", "older"),
    ("witgate-guests", "examples/lookup.wasm", "lookup"),
    ("witgate-guests", "examples/warden.wasm", "warden"),
];

/// Sources of the guests, as paths from the workspace's root.
const SOURCES: [&str; 8] = [
    "Cargo.lock",
    "Cargo.toml",
    "rust-toolchain.toml",
    "wit",
    "plugins",
    "tests/guests/src",
    "tests/guests/examples",
    "tests/guests/Cargo.toml",
];

/// Flags of the compiler that keep plugins small: the linker otherwise leaves five bytes for each address and index in the code,
/// and all functions that are copied into their callers by default, or loops that are unrolled, are a tenth of it. Copying only the
/// short ones has most of the speed: each call checks the deadline and the stack. They are no part of a
/// configuration file, because the linker's flag fails on builds with debug information.
const FLAGS: &str = r#"target.wasm32-unknown-unknown.rustflags=[
    "-Clink-arg=--compress-relocations",
    "-Cllvm-args=-inline-threshold=100",
    "-Cllvm-args=-unroll-threshold=0",
    "-Cllvm-args=-unroll-runtime=false",
]"#;

/// The end of the name of a section that describes the exports of a hook without naming any, and says nothing that the section of
/// the imports does not. Each plugin gets one for each hook of the SDK, a kilobyte and a half.
const IDLE_SECTION: &[u8] = b"-with-all-of-its-exports-removed:encoded world";

/// The source of the standard library for wasm32.
enum Std {
    /// The target is installed.
    Installed,
    /// Built from `rust-src`.
    FromSource,
}

fn main() {
    let root = root();
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", root.join(source).display());
    }
    println!("cargo::rerun-if-changed=build.rs");

    let out = PathBuf::from(variable("OUT_DIR"));
    let target = target_folder(&out);
    let for_tests = env::var_os("CARGO_FEATURE_GUESTS").map_or(&[][..], |_| &FOR_TESTS[..]);
    let guests = [&SHIPPED[..], for_tests].concat();
    build(&root, &target, &guests);

    for (_, made, name) in guests {
        let made = target.join(TARGET).join(PROFILE).join(made);
        let kept = out.join(name).with_extension("wasm");
        let copied = fs::read(&made).and_then(|module| fs::write(&kept, slim(&module)));
        if let Err(error) = copied {
            panic!(
                "cannot copy the guest {} to {}: {error}",
                made.display(),
                kept.display()
            );
        }
    }
}

/// Returns a module without its idle sections.
fn slim(module: &[u8]) -> Vec<u8> {
    let (header, mut rest) = module.split_at(8);
    let mut kept = header.to_vec();
    while let Some((id, behind)) = rest.split_first() {
        let (size, body) = number(behind);
        let section = rest.len() - body.len() + size;
        let (section, later) = rest.split_at(section);
        let is_idle = *id == 0 && {
            let (length, name) = number(&body[..size]);
            name[..length].ends_with(IDLE_SECTION)
        };
        if !is_idle {
            kept.extend_from_slice(section);
        }
        rest = later;
    }
    kept
}

/// Reads a number in LEB128, and returns what comes behind it.
fn number(bytes: &[u8]) -> (usize, &[u8]) {
    let mut number = 0;
    for (index, byte) in bytes.iter().enumerate() {
        number |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (number, &bytes[index + 1..]);
        }
    }
    panic!("a module ends in a number");
}

fn build(root: &Path, target: &Path, guests: &[(&str, &str, &str)]) {
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .current_dir(root)
        .arg("build")
        .args(["--target", TARGET, "--profile", PROFILE])
        .args(["--config", FLAGS])
        .arg("--target-dir")
        .arg(target);
    let mut packages: Vec<&str> = guests.iter().map(|(package, ..)| *package).collect();
    packages.dedup();
    for package in packages {
        cargo.args(["--package", package]);
    }
    cargo.args(["--lib", "--examples"]);
    // What is meant for the outer build: flags of another target, clippy in the place of the compiler.
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_TARGET_DIR",
        "RUSTC_WRAPPER",
        "RUSTC_WORKSPACE_WRAPPER",
        "CLIPPY_ARGS",
        "CLIPPY_CONF_DIR",
    ] {
        cargo.env_remove(name);
    }
    if let Std::FromSource = find_std() {
        cargo
            .env("RUSTC_BOOTSTRAP", "1")
            .arg("-Zbuild-std=std,panic_abort");
    }
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => panic!(
            "the guests do not build ({status}); cargo's words are above, the command was {cargo:?}"
        ),
        Err(error) => panic!("cannot start cargo for the guests: {error}"),
    }
}

fn find_std() -> Std {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| OsString::from("rustc"));
    let sysroot = match Command::new(rustc).args(["--print", "sysroot"]).output() {
        Ok(output) => PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()),
        Err(error) => panic!("cannot ask rustc for its sysroot: {error}"),
    };
    let rustlib = sysroot.join("lib/rustlib");
    if rustlib.join(TARGET).join("lib").is_dir() {
        return Std::Installed;
    }
    if rustlib.join("src/rust/library/Cargo.lock").is_file() {
        return Std::FromSource;
    }
    panic!(
        "the guests need the target {TARGET}, which this toolchain ({}) does not have.\n\
         Run:  rustup target add {TARGET}\n\
         or, where that target cannot be had:  rustup component add rust-src",
        sysroot.display()
    );
}

/// `guests` in the outer target folder, where all profiles share it: above `OUT_DIR` there is `build`, above that the
/// profile. Where the layout is another one, `OUT_DIR` itself has room.
fn target_folder(out: &Path) -> PathBuf {
    out.ancestors()
        .find(|folder| folder.ends_with("build"))
        .and_then(|build| build.parent()?.parent())
        .unwrap_or(out)
        .join("guests")
}

fn root() -> PathBuf {
    let here = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    match here.ancestors().nth(2) {
        Some(root) => root.to_path_buf(),
        None => panic!("{} is not inside the workspace", here.display()),
    }
}

fn variable(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("cargo sets {name} for build scripts"))
}
