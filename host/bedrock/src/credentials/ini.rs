//! The form of AWS's shared files: sections in brackets, and lines `name = value`.

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Section<'a> {
    /// The title between the brackets.
    pub(super) title: &'a str,
    /// Settings in order, of which the last one of a name counts.
    settings: Vec<(&'a str, &'a str)>,
}

/// The error of a line that is none of the form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} is neither `[section]` nor `name = value`")]
pub struct BadLine {
    /// The number of the line, from 1.
    pub line: usize,
}

/// Reads a file. Comments are lines that begin with `#` or `;`, and the rest of a line after a blank and one of them. An indented line
/// belongs to the setting before it, and is not read.
pub(super) fn sections(text: &str) -> Result<Vec<Section<'_>>, BadLine> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (index, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let bad = BadLine { line: index + 1 };
        let indented = line.starts_with([' ', '\t']);
        let line = without_comment(line);
        if line.is_empty() || indented && !sections.is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let title = rest.strip_suffix(']').ok_or(bad)?.trim();
            sections.push(Section {
                title,
                settings: Vec::new(),
            });
            continue;
        }
        let (name, value) = line.split_once('=').ok_or_else(|| bad.clone())?;
        let section = sections.last_mut().ok_or(bad)?;
        section.settings.push((name.trim(), value.trim()));
    }
    Ok(sections)
}

fn without_comment(line: &str) -> &str {
    let line = line.trim();
    if line.starts_with(['#', ';']) {
        return "";
    }
    let marks = [" #", " ;", "\t#", "\t;"];
    let end = marks.iter().filter_map(|mark| line.find(mark)).min();
    line.get(..end.unwrap_or(line.len()))
        .unwrap_or(line)
        .trim_end()
}

// === impl Section ===

impl<'a> Section<'a> {
    /// Returns a setting that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&'a str> {
        let named = |(other, _): &&(&str, &str)| other.eq_ignore_ascii_case(name);
        let (_, value) = self.settings.iter().rfind(named)?;
        Some(*value).filter(|value| !value.is_empty())
    }
}
