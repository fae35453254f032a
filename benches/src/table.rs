//! Tables in Markdown, aligned so that they can be read on a terminal, too.

use std::fmt;

/// A table. The first column is aligned to the left, the others to the right.
pub struct Table {
    rows: Vec<Vec<String>>,
}

// === impl Table ===

impl Table {
    /// Returns a table with these titles.
    pub fn new<T: Into<String>>(titles: impl IntoIterator<Item = T>) -> Self {
        Self {
            rows: vec![titles.into_iter().map(Into::into).collect()],
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().filter_map(|row| row.get(column));
        let widths = cells.map(|cell| cell.chars().count());
        widths.max().unwrap_or(0).max(2)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, row) in self.rows.iter().enumerate() {
            write!(formatter, "|")?;
            for (column, cell) in row.iter().enumerate() {
                let width = self.width(column);
                match column {
                    0 => write!(formatter, " {cell:width$} |")?,
                    _ => write!(formatter, " {cell:>width$} |")?,
                }
            }
            writeln!(formatter)?;
            if index == 0 {
                write!(formatter, "|")?;
                for column in 0..row.len() {
                    let line = "-".repeat(self.width(column) + 1);
                    match column {
                        0 => write!(formatter, "{line}-|")?,
                        _ => write!(formatter, "{line}:|")?,
                    }
                }
                writeln!(formatter)?;
            }
        }
        Ok(())
    }
}

/// Writes `value` in units of `one`, rounded down to so many digits behind the point.
#[must_use]
pub fn decimal(value: i64, one: i64, digits: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let (value, scale) = (value.unsigned_abs(), 10_u64.pow(digits));
    let scaled = value * scale / one.unsigned_abs().max(1);
    match usize::try_from(digits) {
        Ok(width @ 1..) => format!("{sign}{}.{:0width$}", scaled / scale, scaled % scale),
        _ => format!("{sign}{scaled}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_markdown_with_aligned_columns() {
        let mut table = Table::new(["", "µs"]);
        table.row(["bare".to_owned(), "1.5".to_owned()]);
        table.row(["witgate".to_owned(), "12.5".to_owned()]);
        let expected =
            "|         |   µs |\n|---------|-----:|\n| bare    |  1.5 |\n| witgate | 12.5 |\n";
        assert_eq!(table.to_string(), expected, "the text of the table");
    }

    #[test]
    fn decimals_have_their_digits_and_their_sign() {
        let written = [
            decimal(1_500, 1000, 1),
            decimal(-1_050, 1000, 2),
            decimal(7, 1, 0),
            decimal(-20, 1000, 2),
        ];
        assert_eq!(written, ["1.5", "-1.05", "7", "-0.02"], "decimals");
    }
}
