//! The plugins' part of the metrics page.

use witgate_runtime::{CustomMetric, PluginState, PluginStatus};

use crate::admin::metrics::Sample;

/// Samples of all plugins, those of one name together.
pub(crate) fn samples(plugins: &[PluginStatus]) -> Vec<Sample> {
    let mut states = Vec::new();
    let mut refused = Vec::new();
    let mut suspended = Vec::new();
    let mut calls = Vec::new();
    let mut p50 = Vec::new();
    let mut p99 = Vec::new();
    let mut faults = Vec::new();
    let mut instances = Vec::new();
    let mut configured = Vec::new();
    let mut custom = Vec::new();
    for plugin in plugins {
        let label = ("plugin", plugin.name.to_string());
        let of = |name, value| Sample {
            name,
            labels: vec![label.clone()],
            value,
        };
        states.push(of(
            "plugin_serving",
            i128::from(matches!(
                plugin.state,
                PluginState::Serving | PluginState::LastGood
            )),
        ));
        // The newest files are not what serves, if anything does.
        refused.push(of(
            "plugin_refused",
            i128::from(plugin.last_error.is_some()),
        ));
        suspended.push(of(
            "plugin_suspended_callers",
            i128::try_from(plugin.suspended_callers).unwrap_or(i128::MAX),
        ));
        instances.push(of(
            "plugin_instances_created",
            i128::from(plugin.metrics.instances_created),
        ));
        configured.push(of(
            "plugin_configured",
            i128::from(plugin.metrics.configured),
        ));
        for (hook, metrics) in &plugin.metrics.hooks {
            let labels = vec![label.clone(), ("hook", hook.to_string())];
            let of = |name, value| Sample {
                name,
                labels: labels.clone(),
                value,
            };
            calls.push(of("plugin_calls", i128::from(metrics.calls)));
            p50.push(of("plugin_call_p50_ns", i128::from(metrics.p50_ns)));
            p99.push(of("plugin_call_p99_ns", i128::from(metrics.p99_ns)));
        }
        for (kind, count) in &plugin.metrics.faults {
            let labels = vec![label.clone(), ("kind", (*kind).to_owned())];
            faults.push(Sample {
                name: "plugin_faults",
                labels,
                value: i128::from(*count),
            });
        }
        for (name, metric) in &plugin.metrics.custom {
            let value = match metric {
                CustomMetric::Counter(count) => i128::from(*count),
                CustomMetric::Gauge(value) => i128::from(*value),
                _ => continue,
            };
            let labels = vec![label.clone(), ("name", name.clone())];
            custom.push(Sample {
                name: "plugin_custom",
                labels,
                value,
            });
        }
    }
    [
        states, refused, suspended, calls, p50, p99, faults, instances, configured, custom,
    ]
    .into_iter()
    .flatten()
    .collect()
}
