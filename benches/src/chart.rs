//! Line charts as SVG, readable on light and on dark pages.

#![allow(clippy::float_arithmetic, reason = "places in a drawing, no amounts")]

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// A chart with its figures.
#[derive(Debug, Deserialize, Serialize)]
pub struct Chart {
    /// The text above it.
    pub title: String,
    /// The text below: the machine and the way in which it was measured.
    pub note: String,
    /// The axis to the right.
    pub x: Axis,
    /// The axis upwards.
    pub y: Axis,
    /// The lines.
    pub series: Vec<Series>,
}

/// An axis.
#[derive(Debug, Deserialize, Serialize)]
pub struct Axis {
    /// The text beside it.
    pub label: String,
    /// The places of its values.
    pub scale: Scale,
}

/// The places of values on an axis.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scale {
    /// From zero, each in proportion.
    Linear,
    /// By logarithm; zero has a place, too.
    Log,
}

/// A line.
#[derive(Debug, Deserialize, Serialize)]
pub struct Series {
    /// The text in the legend.
    pub name: String,
    /// The points, from left to right.
    pub points: Vec<[f64; 2]>,
}

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 24.0;
const BOTTOM: f64 = 76.0;
/// The height of the title, and of a row of the legend.
const ROW: f64 = 22.0;
/// Lines of the legend in a row.
const COLUMNS: usize = 2;

/// Colours of lines: on light and on dark pages. Lines differ in their marks, too.
const COLOURS: [(&str, &str); 6] = [
    ("#57606a", "#9ea7b3"),
    ("#0969da", "#4493f8"),
    ("#bc4c00", "#f0883e"),
    ("#1a7f37", "#3fb950"),
    ("#8250df", "#ab7df8"),
    ("#bf3989", "#f778ba"),
];

/// Values of an axis on pixels.
struct Ruler {
    scale: Scale,
    least: f64,
    most: f64,
    from: f64,
    to: f64,
}

// === impl Ruler ===

impl Ruler {
    fn place(&self, value: f64) -> f64 {
        let of = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.ln_1p(),
        };
        let (least, most) = (of(self.least), of(self.most));
        let share = (of(value) - least) / (most - least).max(f64::EPSILON);
        self.from + share * (self.to - self.from)
    }
}

// === impl Chart ===

impl Chart {
    /// Draws the chart.
    #[must_use]
    pub fn svg(&self) -> String {
        let top = ROW * 2.0 + ROW * rows(self.series.len()) + 8.0;
        let (x_marks, y_marks) = (self.x_marks(), self.y_marks());
        let ruler = |scale, marks: &[f64], from, to| Ruler {
            scale,
            least: marks.first().copied().unwrap_or(0.0),
            most: marks.last().copied().unwrap_or(1.0),
            from,
            to,
        };
        let x = ruler(self.x.scale, &x_marks, LEFT + 12.0, WIDTH - RIGHT - 12.0);
        let y = ruler(self.y.scale, &y_marks, HEIGHT - BOTTOM, top);
        let mut svg = head(&self.title);
        self.legend(&mut svg);
        for mark in y_marks {
            let at = y.place(mark);
            line(&mut svg, "grid", [LEFT, at, WIDTH - RIGHT, at]);
            text(&mut svg, "end", [LEFT - 8.0, at + 4.0], &short(mark));
        }
        for mark in x_marks {
            let at = x.place(mark);
            let below = HEIGHT - BOTTOM;
            line(&mut svg, "axis", [at, below, at, below + 5.0]);
            text(&mut svg, "middle", [at, below + 19.0], &short(mark));
        }
        let below = HEIGHT - BOTTOM;
        line(&mut svg, "axis", [LEFT, below, WIDTH - RIGHT, below]);
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        text(&mut svg, "middle", [middle, HEIGHT - 36.0], &self.x.label);
        text(&mut svg, "note", [12.0, HEIGHT - 10.0], &self.note);
        let upright = (top + HEIGHT - BOTTOM) / 2.0;
        let _ = writeln!(
            svg,
            r#"<text class="middle" transform="translate(16 {upright:.1}) rotate(-90)">{}</text>"#,
            escaped(&self.y.label)
        );
        for (index, series) in self.series.iter().enumerate() {
            let places: Vec<_> = series
                .points
                .iter()
                .map(|[a, b]| (x.place(*a), y.place(*b)))
                .collect();
            let path: Vec<_> = places
                .iter()
                .map(|(a, b)| format!("{a:.1},{b:.1}"))
                .collect();
            let colour = index % COLOURS.len();
            let _ = writeln!(
                svg,
                r#"<polyline class="line c{colour}" points="{}"/>"#,
                path.join(" ")
            );
            places
                .iter()
                .for_each(|(a, b)| mark(&mut svg, index, *a, *b));
        }
        svg + "</svg>\n"
    }

    fn legend(&self, svg: &mut String) {
        for (index, series) in self.series.iter().enumerate() {
            let column = f64::from(u8::try_from(index % COLUMNS).unwrap_or(0));
            let left = LEFT + column * (WIDTH - LEFT - RIGHT) / 2.0;
            let at = ROW * 2.0 + ROW * (rows(index + 1) - 1.0) + 4.0;
            let class = format!("line c{}", index % COLOURS.len());
            line(svg, &class, [left, at, left + 28.0, at]);
            mark(svg, index, left + 14.0, at);
            text(svg, "start", [left + 36.0, at + 4.0], &series.name);
        }
    }

    /// Returns the values of all points on an axis, in order.
    fn values(&self, axis: usize) -> Vec<f64> {
        let points = self.series.iter().flat_map(|series| &series.points);
        let mut values: Vec<_> = points
            .filter_map(|point| point.get(axis).copied())
            .collect();
        values.sort_by(f64::total_cmp);
        values.dedup();
        values
    }

    /// Returns the marks to the right: the measured values.
    fn x_marks(&self) -> Vec<f64> {
        self.values(0)
    }

    /// Returns the marks upwards, around all values.
    fn y_marks(&self) -> Vec<f64> {
        let values = self.values(1);
        let least = values.first().copied().unwrap_or(0.0);
        let most = values.last().copied().unwrap_or(1.0).max(1e-9);
        let decade = |value: f64| 10_f64.powf(value.max(1e-9).log10().floor());
        match self.y.scale {
            Scale::Linear => {
                let rough = most / 5.0;
                let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade(rough));
                let step = steps.into_iter().find(|step| *step >= rough);
                let step = step.unwrap_or(rough);
                let mut marks = vec![0.0];
                while marks.last().is_some_and(|last| *last < most) {
                    marks.push(step * f64::from(u16::try_from(marks.len()).unwrap_or(u16::MAX)));
                }
                marks
            }
            Scale::Log => {
                let mut marks = vec![decade(least)];
                while let Some(last) = marks.last().copied().filter(|last| *last < most) {
                    marks.push(last * 10.0);
                }
                marks
            }
        }
    }
}

/// Returns the rows of a legend.
fn rows(lines: usize) -> f64 {
    f64::from(u8::try_from(lines.div_ceil(COLUMNS)).unwrap_or(u8::MAX))
}

/// Returns the beginning of the drawing, with its colours and its title.
fn head(title: &str) -> String {
    let colours = |pick: fn(&(&'static str, &'static str)) -> &'static str| {
        let classes = COLOURS.iter().enumerate().map(|(index, pair)| {
            let colour = pick(pair);
            format!(".c{index} {{ stroke: {colour}; fill: {colour} }}")
        });
        classes.collect::<Vec<_>>().join(" ")
    };
    let title = escaped(title);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{title}">
<style>
text {{ font: 12px system-ui, sans-serif; fill: #1f2328 }} .title {{ font-size: 15px; font-weight: 600 }} .note {{ font-size: 10px; fill: #57606a }}
.end {{ text-anchor: end }} .middle {{ text-anchor: middle }} .page {{ fill: #ffffff }} .grid {{ stroke: #d8dee4 }} .axis {{ stroke: #57606a }}
{}
.line {{ stroke-width: 2; fill: none }} .line.c0 {{ stroke-dasharray: 6 4 }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3 }} .note {{ fill: #9ea7b3 }} .page {{ fill: #0d1117 }} .grid {{ stroke: #30363d }} .axis {{ stroke: #9ea7b3 }}
{}
.line {{ fill: none }}
}}
</style>
<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>
<text class="title" x="12" y="24">{title}</text>
"#,
        colours(|(light, _)| light),
        colours(|(_, dark)| dark),
    )
}

fn line(svg: &mut String, class: &str, [x1, y1, x2, y2]: [f64; 4]) {
    let _ = writeln!(
        svg,
        r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
    );
}

fn text(svg: &mut String, class: &str, [x, y]: [f64; 2], words: &str) {
    let words = escaped(words);
    let _ = writeln!(
        svg,
        r#"<text class="{class}" x="{x:.1}" y="{y:.1}">{words}</text>"#
    );
}

/// Draws the mark of a line's points: each line has a shape of its own.
fn mark(svg: &mut String, index: usize, x: f64, y: f64) {
    let class = format!("c{}", index % COLOURS.len());
    let corners: &[(f64, f64)] = match index % 4 {
        1 => &[(-4.0, -4.0), (4.0, -4.0), (4.0, 4.0), (-4.0, 4.0)],
        2 => &[(0.0, -5.0), (5.0, 4.0), (-5.0, 4.0)],
        3 => &[(0.0, -5.5), (5.5, 0.0), (0.0, 5.5), (-5.5, 0.0)],
        _ => {
            let _ = writeln!(
                svg,
                r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="4"/>"#
            );
            return;
        }
    };
    let corners: Vec<_> = corners
        .iter()
        .map(|(right, down)| format!("{:.1},{:.1}", x + right, y + down))
        .collect();
    let _ = writeln!(
        svg,
        r#"<polygon class="{class}" points="{}"/>"#,
        corners.join(" ")
    );
}

/// Writes a number with few digits.
fn short(value: f64) -> String {
    let (value, unit) = match value {
        _ if value >= 1e6 => (value / 1e6, "M"),
        _ if value >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{value:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}{unit}")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(scale: Scale, points: &[[f64; 2]]) -> Chart {
        Chart {
            title: "A & B".to_owned(),
            note: "a machine".to_owned(),
            x: Axis {
                label: "plugins".to_owned(),
                scale: Scale::Log,
            },
            y: Axis {
                label: "µs".to_owned(),
                scale,
            },
            series: vec![Series {
                name: "bare".to_owned(),
                points: points.to_vec(),
            }],
        }
    }

    #[test]
    fn marks_surround_all_values() {
        let linear = chart(Scale::Linear, &[[0.0, 12.0], [1.0, 93.0]]);
        assert_eq!(
            linear.y_marks(),
            [0.0, 20.0, 40.0, 60.0, 80.0, 100.0],
            "linear"
        );
        let log = chart(Scale::Log, &[[0.0, 12.0], [1.0, 930.0]]);
        assert_eq!(log.y_marks(), [10.0, 100.0, 1000.0], "log");
    }

    #[test]
    fn points_stay_inside_the_drawing_and_texts_are_escaped() {
        for scale in [Scale::Linear, Scale::Log] {
            let svg = chart(scale, &[[0.0, 0.5], [64.0, 93_000.0]]).svg();
            assert!(svg.contains("A &amp; B"), "the title: {svg}");
            let circles = svg.lines().filter_map(|line| line.strip_prefix("<circle"));
            let places = circles.flat_map(|circle| circle.split('"').skip(1).step_by(2));
            let places: Vec<f64> = places.filter_map(|place| place.parse().ok()).collect();
            assert_eq!(places.len(), 9, "the legend and two points: {svg}");
            let inside = places.iter().all(|place| (0.0..WIDTH).contains(place));
            assert!(inside, "{places:?}");
        }
    }

    #[test]
    fn drawings_in_the_documents_are_those_of_their_figures() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance");
        let entries = std::fs::read_dir(folder).expect("the folder of the drawings");
        let paths = entries.map(|entry| entry.expect("a file").path());
        let read = |path: &std::path::Path| std::fs::read_to_string(path).expect("a file");
        let mut drawings = 0;
        for path in paths.filter(|path| path.extension().is_some_and(|end| end == "svg")) {
            let chart: Chart = serde_json::from_str(&read(&path.with_extension("json")))
                .expect("the figures of the drawing");
            assert!(
                chart.svg() == read(&path),
                "{} is not what its figures draw: run `make shapes-draw`",
                path.display()
            );
            drawings += 1;
        }
        assert!(drawings > 0, "the drawings were found");
    }

    #[test]
    fn numbers_are_short() {
        let written = [0.0, 2.5, 1024.0, 3e7].map(short);
        assert_eq!(written, ["0", "2.5", "1.02k", "30M"], "numbers");
    }
}
