//! The shapes of cost: how it grows with plugins, bodies, streams, workers and reloads.
//!
//! Each shape is a chart in `docs/performance`: its figures as JSON, and the drawing that is made of them.

#[path = "shapes/body.rs"]
mod body;
#[path = "shapes/plugins.rs"]
mod plugins;
#[path = "shapes/reload.rs"]
mod reload;
#[path = "shapes/streams.rs"]
mod streams;
#[path = "shapes/workers.rs"]
mod workers;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use witgate_benches::chart::{Axis, Chart, Scale, Series};
use witgate_benches::median;
use witgate_benches::table::Table;

use crate::load;
use crate::machine;
use crate::options::Options;
use crate::proxies::{Proxy, Site};
use crate::report::{Figure, signed};
use crate::work::Work;

/// A function that measures a shape.
type Shape = fn(&Site, Measuring) -> Vec<Drawing>;

/// All shapes by their names on the command line.
const SHAPES: [(&str, Shape); 5] = [
    ("plugins", plugins::measure),
    ("body", body::measure),
    ("streams", streams::measure),
    ("workers", workers::measure),
    ("reload", reload::measure),
];

/// A chart with the name of its file.
struct Drawing {
    file: &'static str,
    chart: Chart,
}

/// The effort of measuring.
#[derive(Clone, Copy)]
struct Measuring {
    rounds: usize,
    turn: Duration,
}

/// Measures the shapes that are asked for, all of them with `all`, and draws them.
pub(crate) fn run(site: &Site, names: &str, options: &Options) {
    let measuring = Measuring {
        rounds: options.number("--rounds", 3),
        turn: options.seconds(3),
    };
    let folder = folder(options);
    fs::create_dir_all(&folder).expect("a folder");
    let wanted = |name: &str| names == "all" || names.split(',').any(|wanted| wanted == name);
    for (_, measure) in SHAPES.iter().filter(|(name, _)| wanted(name)) {
        for Drawing { file, chart } in measure(site, measuring) {
            println!("\n{file}: {}\n\n{}", chart.title, table(&chart));
            let mut json = serde_json::to_string_pretty(&chart).expect("figures");
            json.push('\n');
            fs::write(folder.join(file).with_extension("json"), json).expect("a file");
            fs::write(folder.join(file).with_extension("svg"), chart.svg()).expect("a file");
        }
    }
    println!("figures and drawings are in {}", folder.display());
}

/// Draws the figures that are there once more.
pub(crate) fn draw(options: &Options) {
    for entry in fs::read_dir(folder(options)).expect("the folder of the figures") {
        let path = entry.expect("a file").path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read(&path).expect("a file");
            let chart: Chart = serde_json::from_slice(&text).expect("figures");
            fs::write(path.with_extension("svg"), chart.svg()).expect("a file");
            println!("{}", path.with_extension("svg").display());
        }
    }
}

fn folder(options: &Options) -> PathBuf {
    let usual = || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/performance"));
    options.text("--out").map_or_else(usual, PathBuf::from)
}

// === impl Drawing ===

impl Drawing {
    /// Returns a chart of cost on linear axes upwards and logarithmic ones to the right, as most are.
    fn new(file: &'static str, title: &str, [x, y]: [&str; 2], series: Vec<Series>) -> Self {
        let axis = |label: &str, scale| Axis {
            label: label.to_owned(),
            scale,
        };
        Self {
            file,
            chart: Chart {
                title: title.to_owned(),
                note: machine::line(),
                x: axis(x, Scale::Log),
                y: axis(y, Scale::Linear),
                series,
            },
        }
    }
}

// === impl Measuring ===

impl Measuring {
    /// Returns the medians of a figure of each proxy, which take their turns.
    fn medians(self, proxies: &[&Proxy], work: &Work, figure: Figure) -> Vec<i64> {
        load::in_turns(proxies, work, self.rounds, self.turn)
            .iter()
            .map(|turns| median(turns.iter().map(figure)))
            .collect()
    }
}

/// Returns a line through whole numbers and nanoseconds, which are shown as microseconds.
fn microseconds(name: &str, points: impl IntoIterator<Item = (usize, i64)>) -> Series {
    line(name, points, 1000)
}

/// Returns a line through whole numbers and values in a unit.
fn line(name: &str, points: impl IntoIterator<Item = (usize, i64)>, unit: i64) -> Series {
    let number = |text: String| text.parse::<f64>().expect("a number");
    let points = points.into_iter().map(|(x, y)| {
        let y = witgate_benches::table::decimal(y, unit, 2);
        [number(x.to_string()), number(y)]
    });
    Series {
        name: name.to_owned(),
        points: points.collect(),
    }
}

/// Returns the figures of a chart as a table.
fn table(chart: &Chart) -> Table {
    let mut places: Vec<f64> = Vec::new();
    for [x, _] in chart.series.iter().flat_map(|series| &series.points) {
        if !places.contains(x) {
            places.push(*x);
        }
    }
    places.sort_by(f64::total_cmp);
    let names = chart.series.iter().map(|series| series.name.as_str());
    let mut table = Table::new(std::iter::once(chart.x.label.as_str()).chain(names));
    for place in places {
        let cells = chart.series.iter().map(|series| {
            let point = series.points.iter().find(|[x, _]| *x == place);
            point.map_or(String::new(), |[_, y]| y.to_string())
        });
        table.row(std::iter::once(place.to_string()).chain(cells));
    }
    table
}

/// Returns the resident memory of a proxy in KiB.
fn memory(proxy: &Proxy) -> i64 {
    signed(crate::usage::memory(proxy.id()))
}
