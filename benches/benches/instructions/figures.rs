//! The committed figures, and the comparison with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use witgate_benches::table::decimal;

/// The architecture whose instructions the figures count.
const ARCHITECTURE: &str = "x86_64";

/// The count of a case.
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) instructions: u64,
    /// Percent by which the count may differ from its figure.
    pub(crate) tolerance: u64,
}

/// The outcome of comparing a count with its figure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Same,
    More,
    Less,
    /// There is no figure.
    New,
}

type Figures = BTreeMap<String, u64>;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/figures.json")
}

/// Prints the counts beside the figures. Ends the program with an error if one is above its figure by more than its tolerance, or has
/// none.
pub(crate) fn compare(counts: &[Count]) {
    let text = std::fs::read(file()).unwrap_or_else(|_| b"{}".to_vec());
    let figures: Figures = serde_json::from_slice(&text).expect("names and numbers");
    let figure = |count: &Count| figures.get(&count.name).copied().unwrap_or(0);
    println!(
        "{:44} {:>10} {:>10} {:>9}",
        "instructions", "counted", "figure", ""
    );
    for count in counts {
        let (counted, figure) = (count.instructions, figure(count));
        println!(
            "{:44} {counted:>10} {figure:>10} {:>9}",
            count.name,
            change(counted, figure)
        );
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        write(counts);
    } else if std::env::consts::ARCH == ARCHITECTURE {
        report(counts, figure);
    } else {
        println!("the figures are of {ARCHITECTURE}, so that nothing is compared here");
    }
}

/// Says which counts differ from their figures, and ends the program with an error if one has grown.
fn report(counts: &[Count], figure: impl Fn(&Count) -> u64) {
    let mut grown = 0;
    for count in counts {
        let (counted, figure) = (count.instructions, figure(count));
        let by = change(counted, figure);
        let by = by.trim_start_matches(['+', '-']);
        let said = match outcome(count, figure) {
            Outcome::Same => continue,
            Outcome::More => format!(
                "takes {by} more instructions than before ({counted}, and {figure} then); {} % are tolerated",
                count.tolerance
            ),
            Outcome::New => format!("takes {counted} instructions and has no figure yet"),
            Outcome::Less => {
                println!(
                    "`{}` takes {by} less: write that down with `UPDATE_EXPECT=1 make instructions`, or the next change may take it back",
                    count.name
                );
                continue;
            }
        };
        println!("error: `{}` {said}", count.name);
        grown += 1;
    }
    if grown > 0 {
        println!(
            "error: find out what grew (callgrind_annotate, `make profile-gate`). If it is meant to be so, write the counts down as the new \
             figures with `UPDATE_EXPECT=1 make instructions`, and commit benches/benches/instructions/figures.json with the change that needs it"
        );
        std::process::exit(1);
    }
}

fn outcome(count: &Count, figure: u64) -> Outcome {
    let counted = count.instructions;
    if figure == 0 {
        Outcome::New
    } else if counted.abs_diff(figure) * 100 <= figure * count.tolerance {
        Outcome::Same
    } else if counted > figure {
        Outcome::More
    } else {
        Outcome::Less
    }
}

/// Returns by how many percent a count differs from its figure.
fn change(counted: u64, figure: u64) -> String {
    if figure == 0 {
        return "new".to_owned();
    }
    let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
    let more = signed(counted) - signed(figure);
    let sign = if more < 0 { "" } else { "+" };
    format!("{sign}{} %", decimal(more * 100, signed(figure), 1))
}

fn write(counts: &[Count]) {
    let figures: Figures = counts
        .iter()
        .map(|count| (count.name.clone(), count.instructions))
        .collect();
    let mut text = serde_json::to_string_pretty(&figures).expect("a map");
    text.push('\n');
    std::fs::write(file(), text).expect("the file of figures");
}
