//! Metric families that are read at a scrape and written one after another.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeGaugeValue, EncodeLabelSet, MetricEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;

use crate::text::{escaped, is_unsafe};

/// A label with its value.
pub(crate) type Label<'a> = (&'static str, Cow<'a, str>);

/// A writer of metric families.
pub(crate) struct Families<'a>(DescriptorEncoder<'a>);

/// Returns a label whose value may be foreign text, such as the name of a plugin.
pub(crate) fn label<'a>(name: &'static str, value: &'a str) -> Label<'a> {
    // People read the page in terminals, too. The encoder escapes line ends by itself.
    (name, escaped(value, |c| is_unsafe(c) && c != '\n'))
}

// === impl Families ===

impl<'a> Families<'a> {
    pub(crate) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes a gauge without labels.
    pub(crate) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        value: impl EncodeGaugeValue + Copy,
    ) -> fmt::Result {
        self.begin(name, help, MetricType::Gauge)?
            .encode_gauge(&value)
    }

    /// Writes a counter without labels.
    pub(crate) fn counter(&mut self, name: &str, help: &str, count: u64) -> fmt::Result {
        count_into(&mut self.begin(name, help, MetricType::Counter)?, count)
    }

    /// Writes a gauge for each set of labels.
    pub(crate) fn gauges<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Gauge, samples, |encoder, value| {
            encoder.encode_gauge(&value)
        })
    }

    /// Writes a counter for each set of labels.
    pub(crate) fn counters<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, u64)>,
    ) -> fmt::Result {
        self.family(name, help, MetricType::Counter, samples, count_into)
    }

    /// Writes a family whose samples are counters and gauges.
    pub(crate) fn mixed<L: EncodeLabelSet>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (L, impl EncodeGaugeValue)>,
    ) -> fmt::Result {
        self.family(
            name,
            help,
            MetricType::Unknown,
            samples,
            |encoder, value| encoder.encode_gauge(&value),
        )
    }

    /// Writes a family, or nothing if it has no samples.
    fn family<L: EncodeLabelSet, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (L, V)>,
        write: impl Fn(&mut MetricEncoder<'_>, V) -> fmt::Result,
    ) -> fmt::Result {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut encoder = self.begin(name, help, kind)?;
        for (labels, value) in samples {
            write(&mut encoder.encode_family(&labels)?, value)?;
        }
        Ok(())
    }

    fn begin<'s>(
        &'s mut self,
        name: &'s str,
        help: &str,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }
}

fn count_into(encoder: &mut MetricEncoder<'_>, count: u64) -> fmt::Result {
    const NO_EXEMPLAR: Option<&Exemplar<[(&str, &str); 0], u64>> = None;
    encoder.encode_counter(&count, NO_EXEMPLAR)
}

#[cfg(test)]
mod tests {
    use prometheus_client::collector::Collector;
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    #[derive(Debug)]
    struct Hostile;

    impl Collector for Hostile {
        fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
            let labels = [label("plugin", "a\"b\\\n\u{1b}[2J\u{202e}")];
            let mut families = Families::new(encoder);
            families.counters("x", "Some help.", [(labels, 1)])?;
            families.gauges("y", "No samples.", Vec::<([Label<'_>; 1], u32)>::new())
        }
    }

    #[test]
    fn a_label_cannot_break_the_page() {
        let mut registry = Registry::with_prefix("witgate");
        registry.register_collector(Box::new(Hostile));
        let mut page = String::new();
        encode(&mut page, &registry).unwrap();
        assert_eq!(
            page,
            "# HELP witgate_x Some help.\n# TYPE witgate_x counter\n\
             witgate_x_total{plugin=\"a\\\"b\\\\\\n\\\\u{1b}[2J\\\\u{202e}\"} 1\n# EOF\n",
            "everything foreign is escaped, on one line"
        );
    }
}
