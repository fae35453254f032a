//! The committed figures, and the comparison with them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The count of a case.
pub(crate) struct Count {
    pub(crate) name: String,
    pub(crate) instructions: u64,
    /// Percent by which the count may differ from its figure.
    pub(crate) tolerance: u64,
}

type Figures = BTreeMap<String, u64>;

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/instructions/figures.json")
}

/// Prints the counts beside the figures, and ends the program with an error if one differs by more than its tolerance.
pub(crate) fn compare(counts: &[Count]) {
    let text = std::fs::read(file()).unwrap_or_else(|_| b"{}".to_vec());
    let figures: Figures = serde_json::from_slice(&text).expect("names and numbers");
    println!("{:44} {:>10} {:>10}", "instructions", "counted", "figure");
    let mut wrong = 0;
    for count in counts {
        let figure = figures.get(&count.name).copied().unwrap_or(0);
        let differs = count.instructions.abs_diff(figure) * 100 > figure * count.tolerance;
        let mark = match (differs, count.instructions > figure) {
            (false, _) => "",
            (true, true) => "  more",
            (true, false) => "  less",
        };
        println!(
            "{:44} {:>10} {figure:>10}{mark}",
            count.name, count.instructions
        );
        wrong += usize::from(differs);
    }
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        let figures: Figures = counts
            .iter()
            .map(|count| (count.name.clone(), count.instructions))
            .collect();
        let mut text = serde_json::to_string_pretty(&figures).expect("a map");
        text.push('\n');
        std::fs::write(file(), text).expect("the file of figures");
    } else if wrong > 0 {
        println!(
            "{wrong} differ: find out why, and run `UPDATE_EXPECT=1 make instructions` if it is meant to be so"
        );
        std::process::exit(1);
    }
}
