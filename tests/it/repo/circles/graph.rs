//! Files and the arrows between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::parse::{Import, Module, Path, modules};
use crate::repo::source::tokens;

/// The most re-exports that a name is followed through.
const MOST_STEPS: usize = 32;

/// The files of a crate, and which of them need which.
pub(super) struct Graph<'a> {
    files: Vec<&'a str>,
    modules: BTreeMap<Path, Module>,
    /// From each file to those that it needs, with the line and the path of the first reason.
    arrows: BTreeMap<usize, BTreeMap<usize, (usize, String)>>,
}

/// An arrow, as it is printed.
pub(super) struct Arrow<'a> {
    from: &'a str,
    line: usize,
    to: &'a str,
    path: &'a str,
}

/// The target of a path.
enum Found {
    Module(Path),
    Item(usize),
}

// === impl Graph ===

impl<'a> Graph<'a> {
    /// Reads the files of a crate, given with their paths below `src`.
    pub(super) fn of(files: &[(&'a str, &str)]) -> Self {
        let has_lib = files.iter().any(|(path, _)| *path == "lib.rs");
        let files: Vec<_> = files
            .iter()
            .filter(|(path, _)| !(has_lib && *path == "main.rs"))
            .collect();
        let mut all = BTreeMap::new();
        for (index, (path, text)) in files.iter().enumerate() {
            all.append(&mut modules(index, module_path(path), &tokens(text)));
        }
        let tests: Vec<Path> = all
            .iter()
            .flat_map(|(path, module)| module.tests.iter().map(|name| child(path, name)))
            .collect();
        all.retain(|path, _| !tests.iter().any(|test| path.starts_with(test)));
        let mut graph = Self {
            files: files.iter().map(|(path, _)| *path).collect(),
            modules: all,
            arrows: BTreeMap::new(),
        };
        graph.draw();
        graph
    }

    fn draw(&mut self) {
        let mut arrows = Vec::new();
        for (path, module) in &self.modules {
            for (alias, import) in &module.imports {
                if import.passed_on && !module.words.contains_key(alias) {
                    continue;
                }
                if let Some(Found::Item(to)) = self.find_import(path, import, 0) {
                    arrows.push((module.file, to, import.line, import.path.join("::")));
                }
            }
            for (mention, line) in &module.mentions {
                if let Some(Found::Item(to)) = self.find(path, mention, 0) {
                    arrows.push((module.file, to, *line, mention.join("::")));
                }
            }
            for glob in module.globs.iter().filter(|glob| !glob.passed_on) {
                self.draw_glob(path, module, glob, &mut arrows);
            }
        }
        for (from, to, line, path) in arrows {
            if from != to {
                let arrows = self.arrows.entry(from).or_default();
                arrows.entry(to).or_insert((line, path));
            }
        }
    }

    /// An arrow for each word that a module has from another one by `use other::*`.
    fn draw_glob(
        &self,
        path: &Path,
        module: &Module,
        glob: &Import,
        arrows: &mut Vec<(usize, usize, usize, String)>,
    ) {
        match self.find_import(path, glob, 0) {
            Some(Found::Item(to)) => {
                arrows.push((module.file, to, glob.line, glob.path.join("::")));
            }
            Some(Found::Module(from)) => {
                for (word, line) in &module.words {
                    if module.items.contains(word) || module.imports.contains_key(word) {
                        continue;
                    }
                    if let Some(Found::Item(to)) = self.named_in(&from, word, 0) {
                        arrows.push((
                            module.file,
                            to,
                            *line,
                            format!("{}::{word}", glob.path.join("::")),
                        ));
                    }
                }
            }
            None => {}
        }
    }

    /// Follows the path of an import.
    fn find_import(&self, here: &Path, import: &Import, steps: usize) -> Option<Found> {
        let first = import.path.first()?;
        if matches!(first.as_str(), "crate" | "self" | "super")
            || self.is_module(&child(here, first))
        {
            return self.find(here, &import.path, steps);
        }
        let module = self.modules.get(here)?;
        if module.items.contains(first) {
            return Some(Found::Item(module.file));
        }
        // `use Kind::A` after `use other::Kind`.
        let other = module
            .imports
            .get(first)
            .filter(|other| other.path != import.path)?;
        let mut path = other.path.clone();
        path.extend(import.path[1..].iter().cloned());
        self.find(here, &path, steps + 1)
    }

    /// Follows a path that stands in a module.
    fn find(&self, here: &Path, path: &[String], steps: usize) -> Option<Found> {
        if steps > MOST_STEPS {
            return None;
        }
        let (first, mut rest) = path.split_first()?;
        let mut from = match first.as_str() {
            "crate" => Path::new(),
            "self" => here.clone(),
            "super" => parent(here)?,
            name => {
                let below = child(here, name);
                if !self.is_module(&below) {
                    let module = self.modules.get(here)?;
                    let import = module.imports.get(name)?;
                    return match self.find_import(here, import, steps + 1)? {
                        Found::Module(module) if !rest.is_empty() => {
                            self.walk(module, rest, steps + 1)
                        }
                        found => Some(found),
                    };
                }
                below
            }
        };
        while rest.first().is_some_and(|name| name == "super") {
            from = parent(&from)?;
            rest = &rest[1..];
        }
        self.walk(from, rest, steps)
    }

    /// Follows the names of a path downwards from a module.
    fn walk(&self, mut from: Path, names: &[String], steps: usize) -> Option<Found> {
        for (at, name) in names.iter().enumerate() {
            let rest = &names[at + 1..];
            let below = child(&from, name);
            let module = self.modules.get(&from)?;
            if self.is_module(&below) && !(rest.is_empty() && module.items.contains(name)) {
                from = below;
                continue;
            }
            return match self.named_in(&from, name, steps + 1) {
                Some(Found::Module(module)) if !rest.is_empty() => {
                    self.walk(module, rest, steps + 1)
                }
                // Made by a macro, or by something else that this does not see.
                None => Some(Found::Item(module.file)),
                found => found,
            };
        }
        Some(Found::Module(from))
    }

    /// Finds what a name means in a module, or `None` if the module does not have it.
    fn named_in(&self, path: &Path, name: &str, steps: usize) -> Option<Found> {
        if steps > MOST_STEPS {
            return None;
        }
        let module = self.modules.get(path)?;
        if module.items.contains(name) {
            return Some(Found::Item(module.file));
        }
        if let Some(import) = module.imports.get(name) {
            return self.find_import(path, import, steps + 1);
        }
        let below = child(path, name);
        if self.is_module(&below) {
            return Some(Found::Module(below));
        }
        module
            .globs
            .iter()
            .find_map(|glob| match self.find_import(path, glob, steps + 1)? {
                Found::Module(module) if module != *path => self.named_in(&module, name, steps + 1),
                _ => None,
            })
    }

    fn is_module(&self, path: &Path) -> bool {
        self.modules.contains_key(path)
    }

    /// Returns the sets of files that reach each other, the largest first.
    pub(super) fn circles(&self) -> Vec<BTreeSet<&'a str>> {
        let reached: Vec<_> = (0..self.files.len())
            .map(|file| self.reached(file))
            .collect();
        let mut circles = BTreeSet::new();
        for (file, ahead) in reached.iter().enumerate() {
            let circle: BTreeSet<_> = ahead
                .iter()
                .filter(|other| reached[**other].contains(&file))
                .map(|other| self.files[*other])
                .collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
        let mut circles: Vec<_> = circles.into_iter().collect();
        circles.sort_by_key(|circle| std::cmp::Reverse(circle.len()));
        circles
    }

    fn reached(&self, from: usize) -> BTreeSet<usize> {
        let mut reached = BTreeSet::new();
        let mut ahead = vec![from];
        while let Some(file) = ahead.pop() {
            for to in self.arrows.get(&file).into_iter().flat_map(BTreeMap::keys) {
                if reached.insert(*to) {
                    ahead.push(*to);
                }
            }
        }
        reached
    }

    /// Returns the arrows between the files of a circle.
    pub(super) fn arrows_within(&self, circle: &BTreeSet<&str>) -> Vec<Arrow<'_>> {
        let mut arrows = Vec::new();
        for (from, ahead) in &self.arrows {
            for (to, (line, path)) in ahead {
                let (from, to) = (self.files[*from], self.files[*to]);
                if circle.contains(from) && circle.contains(to) {
                    arrows.push(Arrow {
                        from,
                        line: *line,
                        to,
                        path,
                    });
                }
            }
        }
        arrows
    }
}

// === impl Arrow ===

impl fmt::Display for Arrow<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            from,
            line,
            to,
            path,
        } = self;
        write!(f, "{from}:{line} -> {to} ({path})")
    }
}

fn module_path(file: &str) -> Path {
    match file.trim_end_matches(".rs") {
        "lib" | "main" => Path::new(),
        path => path.split('/').map(str::to_owned).collect(),
    }
}

fn child(path: &Path, name: &str) -> Path {
    let mut path = path.clone();
    path.push(name.to_owned());
    path
}

fn parent(path: &Path) -> Option<Path> {
    path.split_last().map(|(_, before)| before.to_vec())
}
