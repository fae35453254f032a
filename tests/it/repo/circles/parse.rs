//! The modules of a source file: what each defines, imports and mentions.

use std::collections::{BTreeMap, BTreeSet};

use crate::repo::source::Token;

/// The path of a module from its crate's root.
pub(super) type Path = Vec<String>;

/// A module: a file, or a part of one.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The index of the file that it is in.
    pub file: usize,
    /// Names of its items, child modules aside.
    pub items: BTreeSet<String>,
    /// Imported names, with the path and the line of each.
    pub imports: BTreeMap<String, Import>,
    /// Modules of which everything is imported.
    pub globs: Vec<Import>,
    /// Paths of two names or more in its code, with the line of each.
    pub mentions: Vec<(Path, usize)>,
    /// Single words of its code, imports aside, with the first line of each.
    pub words: BTreeMap<String, usize>,
    /// Child modules that are compiled for tests only.
    pub tests: BTreeSet<String>,
}

/// An imported path.
#[derive(Clone, Debug)]
pub(super) struct Import {
    pub path: Path,
    pub line: usize,
    /// Visible to other modules.
    pub passed_on: bool,
}

/// Reads the modules of one file, the file's own first.
pub(super) fn modules(file: usize, path: Path, tokens: &[Token<'_>]) -> BTreeMap<Path, Module> {
    let mut reader = Reader {
        tokens,
        at: 0,
        depth: 0,
        open: vec![(path, 0)],
        modules: BTreeMap::new(),
        file,
    };
    reader.module();
    while reader.at < tokens.len() {
        reader.step();
    }
    reader.modules
}

struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    /// Braces that are open.
    depth: usize,
    /// The modules around this place, each with the braces that are open in it.
    open: Vec<(Path, usize)>,
    modules: BTreeMap<Path, Module>,
    file: usize,
}

// === impl Reader ===

impl<'a> Reader<'a> {
    fn text(&self, ahead: usize) -> &'a str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |token| token.line)
    }

    fn module(&mut self) -> &mut Module {
        let path = self.open.last().expect("the file's own").0.clone();
        let file = self.file;
        let module = self.modules.entry(path).or_default();
        module.file = file;
        module
    }

    fn step(&mut self) {
        match self.text(0) {
            "#" => self.attribute(),
            "use" if self.text(1) != "<" => self.import(),
            "mod" if self.text(2) == "{" => {
                let mut path = self.open.last().expect("the file's own").0.clone();
                path.push(self.text(1).to_owned());
                self.at += 3;
                self.depth += 1;
                self.open.push((path, self.depth));
                self.module();
            }
            "{" => {
                self.depth += 1;
                self.at += 1;
            }
            "}" => {
                if self.open.len() > 1
                    && self
                        .open
                        .last()
                        .is_some_and(|(_, depth)| *depth == self.depth)
                {
                    self.open.pop();
                }
                self.depth = self.depth.saturating_sub(1);
                self.at += 1;
            }
            text if is_name(text) => self.name(),
            _ => self.at += 1,
        }
    }

    /// Skips an attribute, and the item after it if that is for tests only.
    fn attribute(&mut self) {
        self.at += 1;
        if self.text(0) == "!" {
            self.at += 1;
        }
        let start = self.at;
        self.group();
        let words: Vec<_> = self.tokens[start..self.at]
            .iter()
            .map(|token| token.text)
            .collect();
        let for_tests =
            words.get(1) == Some(&"cfg") && words.contains(&"test") && !words.contains(&"not");
        if for_tests {
            self.skip_item();
        }
    }

    /// Skips a bracket with all that it holds.
    fn group(&mut self) {
        let mut depth = 0_usize;
        loop {
            match self.text(0) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 || self.at >= self.tokens.len() {
                return;
            }
        }
    }

    fn skip_item(&mut self) {
        while self.text(0) == "#" {
            self.at += 1;
            self.group();
        }
        if self.text(0) == "pub" {
            self.at += 1;
            if self.text(0) == "(" {
                self.group();
            }
        }
        if self.text(0) == "mod" && self.text(2) == ";" {
            let name = self.text(1).to_owned();
            self.module().tests.insert(name);
        }
        // A field or a variant ends with a comma, everything else with a semicolon or a brace.
        let is_part = !matches!(
            self.text(0),
            "fn" | "mod"
                | "use"
                | "impl"
                | "struct"
                | "enum"
                | "const"
                | "static"
                | "type"
                | "trait"
                | "async"
                | "unsafe"
                | "extern"
                | "macro_rules"
                | "let"
                | "union"
        );
        while self.at < self.tokens.len() {
            match self.text(0) {
                ";" => {
                    self.at += 1;
                    return;
                }
                "," if is_part => return,
                "}" | ")" => return,
                "{" => {
                    self.group();
                    return;
                }
                "(" | "[" => self.group(),
                _ => self.at += 1,
            }
        }
    }

    fn import(&mut self) {
        let passed_on = self.at > 0 && matches!(self.tokens[self.at - 1].text, "pub" | ")");
        self.at += 1;
        self.tree(&Vec::new(), passed_on);
    }

    /// Reads a part of an import up to its `,`, `}` or `;`.
    fn tree(&mut self, before: &Path, passed_on: bool) {
        let line = self.line();
        let mut path = before.clone();
        loop {
            match self.text(0) {
                "::" => self.at += 1,
                "{" => {
                    self.at += 1;
                    while self.text(0) != "}" && self.at < self.tokens.len() {
                        self.tree(&path, passed_on);
                        if self.text(0) == "," {
                            self.at += 1;
                        }
                    }
                    self.at += 1;
                    return;
                }
                "*" => {
                    self.at += 1;
                    let import = Import {
                        path,
                        line,
                        passed_on,
                    };
                    self.module().globs.push(import);
                    return;
                }
                name if is_name(name) => {
                    let name = name.to_owned();
                    self.at += 1;
                    if name != "self" || path.is_empty() {
                        path.push(name);
                    }
                    if self.text(0) == "::" {
                        continue;
                    }
                    let mut alias = path.last().expect("a name").clone();
                    if self.text(0) == "as" {
                        alias = self.text(1).to_owned();
                        self.at += 2;
                    }
                    if alias == "_" {
                        alias = format!("_ {line} {}", path.join("::"));
                    }
                    let import = Import {
                        path,
                        line,
                        passed_on,
                    };
                    self.module().imports.insert(alias, import);
                    return;
                }
                _ => return,
            }
        }
    }

    /// Reads a name of the code: of an item that is defined here, or the path that it begins.
    fn name(&mut self) {
        let at_home = self
            .open
            .last()
            .is_some_and(|(_, depth)| *depth == self.depth);
        let defines = matches!(
            self.text(0),
            "fn" | "struct"
                | "enum"
                | "union"
                | "trait"
                | "type"
                | "const"
                | "static"
                | "macro_rules"
        );
        if at_home && defines {
            let skipped = if matches!(self.text(1), "!" | "mut") {
                2
            } else {
                1
            };
            let name = self.text(skipped).to_owned();
            if is_name(&name) && name != "fn" {
                self.module().items.insert(name);
                self.at += skipped + 1;
                return;
            }
        }
        let before = if self.at > 0 {
            self.tokens[self.at - 1].text
        } else {
            ""
        };
        let line = self.line();
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && is_name(self.text(1)) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        if before == "::" || before == "." {
            return;
        }
        let first = path[0].clone();
        let module = self.module();
        module.words.entry(first).or_insert(line);
        if path.len() > 1 {
            module.mentions.push((path, line));
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|letter: char| letter.is_alphabetic() || letter == '_')
        && !text.contains('"')
        && !text.contains('\'')
}
