//! Guests written as text: a few instructions a hook, the rest is made here.
//!
//! A body runs with `$h` (the request's handle, or 1 in a version without handles; 0 where there is no request), `$i` and `$p`
//! at hand and answers with what it stored at [`ANSWER`]; zeros are the harmless answer of every hook. It may leave early with
//! the handle kept by returning by itself.

#[path = "guest_imports.rs"]
mod guest_imports;
#[path = "wasi_text.rs"]
mod wasi_text;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use wit_component::StringEncoding;
use wit_parser::Resolve;

use guest_imports::has_handle;

/// The addresses of answers: `result` at 2048, its payload at 2056.
pub(crate) const ANSWER: &str = "(i32.const 2048)";

/// The version of the contract that guests are of, unless they say otherwise: the oldest one that is served.
pub(crate) const BASE: &str = "0.2.0";

/// The newest version of the contract.
pub(crate) const NEWEST: &str = "0.3.0";

/// The versions that promises about all guests are tested with.
pub(crate) const VERSIONS: [&str; 2] = [BASE, NEWEST];

/// A guest in the making.
#[derive(Debug, Clone)]
pub(crate) struct Guest {
    version: &'static str,
    exports: Vec<(&'static str, String)>,
    wit_edits: Vec<(&'static str, &'static str)>,
    pages: u32,
    imports: String,
    facts: Vec<(&'static str, &'static str, &'static str)>,
    wasi: Vec<&'static str>,
    extra: String,
}

impl Guest {
    pub(crate) fn new() -> Self {
        Self {
            version: BASE,
            exports: Vec::new(),
            wit_edits: Vec::new(),
            pages: 2,
            imports: String::new(),
            facts: Vec::new(),
            wasi: Vec::new(),
            extra: String::new(),
        }
    }

    /// A guest with a route hook.
    pub(crate) fn route(body: &str) -> Self {
        Self::new().with("route", body)
    }

    /// The same with one more export: a hook's name, or `lifecycle`.
    pub(crate) fn with(mut self, interface: &'static str, body: &str) -> Self {
        self.exports.push((interface, body.to_owned()));
        self
    }

    /// A guest with one hook, of a version. A guard subscribes to the texts of responses, and is of the newest version.
    pub(crate) fn hook(hook: &'static str, body: &str, version: &'static str) -> Self {
        let guest = Self::new().with(hook, body);
        match hook {
            "guard" => guest.with("lifecycle", SUBSCRIBED).version(NEWEST),
            _ => guest.version(version),
        }
    }

    /// Returns its hooks.
    pub(crate) fn hooks(&self) -> impl Iterator<Item = &'static str> {
        let exports = self.exports.iter().map(|(interface, _)| *interface);
        exports.filter(|interface| *interface != "lifecycle")
    }

    /// Built against another version of the contract.
    pub(crate) fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// Built against a changed contract.
    pub(crate) fn wit_edit(mut self, from: &'static str, to: &'static str) -> Self {
        self.wit_edits.push((from, to));
        self
    }

    /// Linear memory at the start, in pages of 64 KiB.
    pub(crate) fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// A further import: the function `interface#name` of WASI, as `$alias` with these parameters and results.
    pub(crate) fn wasi(mut self, function: &'static str, alias: &str, shape: &str) -> Self {
        let (interface, name) = function.split_once('#').expect("interface#name");
        writeln!(
            self.imports,
            r#"(import "{interface}" "{name}" (func ${alias} {shape}))"#
        )
        .unwrap();
        if !self.wasi.contains(&interface) {
            self.wasi.push(interface);
        }
        self
    }

    /// A further import: the function `interface#name` of the contract, as `alias` with these parameters and results.
    pub(crate) fn fact(
        mut self,
        function: &'static str,
        alias: &'static str,
        shape: &'static str,
    ) -> Self {
        self.facts.push((function, alias, shape));
        self
    }

    /// A further import of the core module, as text.
    pub(crate) fn import(mut self, text: &str) -> Self {
        self.imports.push_str(text);
        self
    }

    /// Further items of the core module.
    pub(crate) fn extra(mut self, text: &str) -> Self {
        self.extra.push_str(text);
        self
    }

    /// The core module with contract metadata, as a compiler would give it.
    pub(crate) fn build(&self) -> Vec<u8> {
        let mut module = wat::parse_str(self.text()).expect("the guest's text is a module");
        let mut resolve = Resolve::default();
        resolve
            .push_dir(self.contract().path())
            .expect("the contract parses");
        let mut world = "package test:guest;\nworld guest {\n".to_owned();
        for import in guest_imports::interfaces(self.version) {
            writeln!(world, "import witgate:plugin/{import}@{};", self.version).unwrap();
        }
        if !self.wasi.is_empty() {
            for package in wasi_text::TEXT {
                resolve.push_str("wasi.wit", package).expect("WASI parses");
            }
        }
        for interface in &self.wasi {
            writeln!(world, "import {interface};").unwrap();
        }
        for (interface, _) in &self.exports {
            writeln!(world, "export witgate:plugin/{interface}@{};", self.version).unwrap();
        }
        world.push('}');
        let package = resolve
            .push_str("guest.wit", &world)
            .expect("the world parses");
        let world = resolve
            .select_world(&[package], Some("guest"))
            .expect("the world");
        wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
            .expect("the metadata is embedded");
        module
    }

    /// A copy of the contract with this guest's changes.
    fn contract(&self) -> tempfile::TempDir {
        let copy = tempfile::tempdir().unwrap();
        for file in wit_files(self.version) {
            let mut text = fs::read_to_string(&file).unwrap();
            for written in VERSIONS {
                text = text.replace(&format!("@{written};"), &format!("@{};", self.version));
            }
            for (from, to) in &self.wit_edits {
                text = text.replace(from, to);
            }
            fs::write(copy.path().join(file.file_name().unwrap()), text).unwrap();
        }
        copy
    }

    fn text(&self) -> String {
        let v = self.version;
        let bodies = self.exports.iter().map(|(_, body)| body);
        let used: String = bodies.chain([&self.extra]).cloned().collect();
        let mut imports = guest_imports::imports(v, &used) + &self.imports;
        for (function, alias, shape) in &self.facts {
            let (interface, name) = function.split_once('#').expect("interface#name");
            writeln!(
                imports,
                r#"(import "witgate:plugin/{interface}@{v}" "{name}" (func {alias} {shape}))"#
            )
            .unwrap();
        }
        let mut text = format!(
            r#"(module
            {imports}
            (memory (export "memory") {pages})
            (global $top (mut i32) (i32.const 65536))
            (global $calls (mut i32) (i32.const 0))
            (data (i32.const 16) "x-probe")
            (data (i32.const 32) "it was the butler")
            (data (i32.const 64) "rules[1].when")
            (data (i32.const 96) "no such word")
            (func (export "cabi_realloc") (param $old i32) (param $size i32) (param $align i32) (param $new i32) (result i32)
              (local $p i32)
              (local.set $p (i32.and (i32.add (global.get $top) (i32.const 15)) (i32.const -16)))
              (global.set $top (i32.add (local.get $p) (local.get $new)))
              (block $fits
                (br_if $fits (i32.le_u (global.get $top) (i32.mul (memory.size) (i32.const 65536))))
                (br_if $fits (i32.ne (i32.const -1)
                  (memory.grow (i32.add (i32.const 1) (i32.div_u (local.get $new) (i32.const 65536))))))
                unreachable)
              (local.get $p))
            {wrappers}
            {extra}
            "#,
            pages = self.pages,
            wrappers = guest_imports::wrappers(v),
            extra = self.extra,
        );
        for (interface, body) in &self.exports {
            export(&mut text, v, interface, body);
        }
        text.push(')');
        text
    }
}

fn export(text: &mut String, version: &str, interface: &str, body: &str) {
    let zero = "(i32.const 0)";
    let one = "(i32.const 1)";
    let parts: &[(&str, &str, &str)] = match (interface, has_handle(version)) {
        ("envelope", true) => &[("read", "(param $a i32)", "(local.get $a)")],
        ("envelope", false) => &[("read", "", one)],
        ("route", true) => &[("decide", "(param $a i32)", "(i32.load (local.get $a))")],
        ("route", false) => &[("decide", "", one)],
        ("budget", true) => &[
            ("charges", "(param $a i32)", "(i32.load (local.get $a))"),
            (
                "exhausted",
                "(param $a i32) (param i32 i32 i32 i32 i32 i32 i64 i64 i64)",
                "(local.get $a)",
            ),
        ],
        ("budget", false) => &[
            ("charges", "(param i64 i64 i32 i64)", one),
            (
                "exhausted",
                "(param i32 i32 i32 i32 i32 i32 i32 i32 i64 i64 i32 i32 i64 i32 i64)",
                one,
            ),
        ],
        ("audit", true) => &[("entries", "(param $list i32) (param $len i32)", zero)],
        ("guard", _) => &[("inspect", "(param i32 i32 i32 i32 i32 i32 i32)", one)],
        ("audit", false) => &[("edit", "(param $count i32)", zero)],
        ("lifecycle", _) => &[("configure", "", zero)],
        (other, _) => panic!("no interface `{other}`"),
    };
    for (function, params, handle) in parts {
        // The second function of an interface is harmless: it overdraws.
        let body = match *function {
            "exhausted" => "(i32.store8 (i32.const 2048) (i32.const 2))",
            _ => body,
        };
        write!(
            text,
            r#"
            (func (export "witgate:plugin/{interface}@{version}#{function}") {params} (result i32)
              (local $h i32) (local $i i32) (local $p i32)
              (local.set $h {handle})
              (memory.fill (i32.const 2048) (i32.const 0) (i32.const 512))
              {body}
              (if (local.get $h) (then (call $drop (local.get $h))))
              {ANSWER})
            (func (export "cabi_post_witgate:plugin/{interface}@{version}#{function}") (param i32)
              (global.set $top (i32.const 65536)))"#
        )
        .unwrap();
    }
}

/// The text of the contract: of the oldest version that is served for it and those before it, and of the newest for all others.
fn wit_files(version: &str) -> Vec<PathBuf> {
    let text = if has_handle(version) {
        "wit/frozen/0.2.0"
    } else {
        "wit"
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = here
        .ancestors()
        .map(|folder| folder.join(text))
        .find(|wit| wit.is_dir())
        .expect("the workspace has the frozen contract");
    let files = fs::read_dir(folder).unwrap();
    files
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "wit"))
        .collect()
}

/// Answers with a plan of one target, under no rule.
pub(crate) const PLAN: &str = "(i32.store8 (i32.const 2056) (i32.const 1))
    (i32.store (i32.const 2072) (i32.const 4096))
    (i32.store (i32.const 2076) (i32.const 1))";

/// Subscribes to the texts of responses, as the body of `lifecycle`.
pub(crate) const SUBSCRIBED: &str = "(i32.store8 (i32.const 3000) (i32.const 4))
    (i32.store (i32.const 2060) (i32.const 3000))
    (i32.store (i32.const 2064) (i32.const 1))";

/// Asks the host for the header `x-probe`.
pub(crate) const PROBE: &str =
    "(call $header (local.get $h) (i32.const 16) (i32.const 7) (i32.const 3072))";

/// Misbehaves if the request has the header `x-probe`.
pub(crate) fn on_probe(body: &str) -> String {
    format!("{PROBE} (if (i32.load8_u (i32.const 3072)) (then {body}))")
}
