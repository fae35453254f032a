//! Processor time of some threads of this process, as criterion's measurement.

use std::sync::Mutex;

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

/// Names of the threads that are measured now start with this.
static WATCHED: Mutex<String> = Mutex::new(String::new());

/// Measures the threads whose names start so from now on.
pub(crate) fn watch(prefix: &str) {
    *WATCHED.lock().unwrap() = prefix.to_owned();
}

/// Nanoseconds on a processor, summed over the watched threads.
pub(crate) struct ThreadTime;

// === impl ThreadTime ===

impl ThreadTime {
    fn now() -> u64 {
        let watched = WATCHED.lock().unwrap().clone();
        let tasks = std::fs::read_dir("/proc/self/task").expect("this bench runs on Linux");
        tasks
            .filter_map(Result::ok)
            .filter(|task| {
                let name = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
                name.starts_with(&watched)
            })
            .filter_map(|task| {
                let schedstat = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
                schedstat.split(' ').next()?.parse::<u64>().ok()
            })
            .sum()
    }
}

impl Measurement for ThreadTime {
    type Intermediate = u64;
    type Value = u64;

    fn start(&self) -> u64 {
        Self::now()
    }

    fn end(&self, start: u64) -> u64 {
        // Never zero: criterion divides by it.
        (Self::now() - start).max(1)
    }

    fn add(&self, a: &u64, b: &u64) -> u64 {
        a + b
    }

    fn zero(&self) -> u64 {
        0
    }

    #[allow(
        clippy::cast_precision_loss,
        reason = "nanoseconds of a bench are far below 2^52"
    )]
    fn to_f64(&self, value: &u64) -> f64 {
        *value as f64
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Micros
    }
}

/// Shows nanoseconds as microseconds.
struct Micros;

// === impl Micros ===

#[allow(clippy::float_arithmetic, reason = "figures for people")]
impl ValueFormatter for Micros {
    fn scale_values(&self, _typical: f64, values: &mut [f64]) -> &'static str {
        values.iter_mut().for_each(|value| *value /= 1000.0);
        "µs of CPU"
    }

    fn scale_throughputs(
        &self,
        typical: f64,
        _throughput: &Throughput,
        values: &mut [f64],
    ) -> &'static str {
        self.scale_values(typical, values)
    }

    fn scale_for_machines(&self, _values: &mut [f64]) -> &'static str {
        "ns"
    }
}
