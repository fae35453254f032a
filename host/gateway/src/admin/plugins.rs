//! The plugins' part of `/metrics`.

use std::fmt;

use witgate_runtime::{CustomMetric, PluginState, PluginStatus};

use super::metrics::families::{Families, Label, label};

/// Writes the metric families of all plugins.
pub(crate) fn collect(plugins: &[PluginStatus], to: &mut Families<'_>) -> fmt::Result {
    let each = || {
        plugins
            .iter()
            .map(|plugin| (label("plugin", &plugin.name), plugin))
    };
    to.gauges(
        "plugin_serving",
        "1 if a version of the plugin serves.",
        each().map(|(name, plugin)| {
            let serves = matches!(plugin.state, PluginState::Serving | PluginState::LastGood);
            ([name], u32::from(serves))
        }),
    )?;
    to.gauges(
        "plugin_refused",
        "1 if the newest files of the plugin were refused; an older version may serve.",
        each().map(|(name, plugin)| ([name], u32::from(plugin.last_error.is_some()))),
    )?;
    to.gauges(
        "plugin_suspended_callers",
        "Number of tenants for which the plugin is suspended after faults at their requests.",
        each().map(|(name, plugin)| ([name], plugin.suspended_callers)),
    )?;
    collect_hooks(plugins, to)?;
    to.counters(
        "plugin_faults",
        "Number of faults of the plugin, by kind.",
        each().flat_map(|(name, plugin)| {
            let faults = plugin.metrics.faults.iter();
            faults.map(move |(kind, count)| ([name.clone(), label("kind", kind)], *count))
        }),
    )?;
    to.counters(
        "plugin_instances_created",
        "Number of instances of the plugin that were created.",
        each().map(|(name, plugin)| ([name], plugin.metrics.instances_created)),
    )?;
    to.counters(
        "plugin_configured",
        "Number of times that the plugin's `lifecycle.configure` ran.",
        each().map(|(name, plugin)| ([name], plugin.metrics.configured)),
    )?;
    collect_tables(plugins, to)?;
    collect_custom(plugins, to)
}

fn collect_tables(plugins: &[PluginStatus], to: &mut Families<'_>) -> fmt::Result {
    let each = || {
        plugins.iter().flat_map(|plugin| {
            plugin.tables.iter().map(|table| {
                let labels = [label("plugin", &plugin.name), label("table", &table.name)];
                (labels, table)
            })
        })
    };
    to.gauges(
        "plugin_table_entries",
        "Number of entries of the plugin's table.",
        each().map(|(labels, table)| (labels, table.entries)),
    )?;
    to.gauges(
        "plugin_table_age_seconds",
        "Time since the source of the plugin's table last had this content; absent if it has never been read.",
        each().filter_map(|(labels, table)| Some((labels, table.age_ms? / 1000))),
    )?;
    to.gauges(
        "plugin_table_failing",
        "1 if the last reading of the plugin's table failed; the last good content stays.",
        each().map(|(labels, table)| (labels, u32::from(table.last_error.is_some()))),
    )?;
    to.counters(
        "plugin_table_refreshes",
        "Number of times that the source of the plugin's table was read or confirmed.",
        each().map(|(labels, table)| (labels, table.refreshes)),
    )?;
    to.counters(
        "plugin_table_failures",
        "Number of times that reading the source of the plugin's table failed.",
        each().map(|(labels, table)| (labels, table.failures)),
    )
}

fn collect_hooks(plugins: &[PluginStatus], to: &mut Families<'_>) -> fmt::Result {
    let each = || {
        plugins.iter().flat_map(|plugin| {
            plugin.metrics.hooks.iter().map(|(hook, metrics)| {
                let labels = [label("plugin", &plugin.name), label("hook", hook.name())];
                (labels, metrics)
            })
        })
    };
    to.counters(
        "plugin_calls",
        "Number of calls of the plugin, by hook.",
        each().map(|(labels, metrics)| (labels, metrics.calls)),
    )?;
    to.counters(
        "plugin_left_out",
        "Number of requests that the plugin's hook was not called for, because it is not interested in them.",
        each().map(|(labels, metrics)| (labels, metrics.left_out)),
    )?;
    to.gauges(
        "plugin_call_p50_ns",
        "Median time of a call in nanoseconds, within 25 %.",
        each().map(|(labels, metrics)| (labels, metrics.p50_ns)),
    )?;
    to.gauges(
        "plugin_call_p99_ns",
        "99th percentile of the time of a call in nanoseconds, within 25 %.",
        each().map(|(labels, metrics)| (labels, metrics.p99_ns)),
    )
}

/// Writes the plugins' own metrics. A plugin chooses for each name whether it is a counter or a gauge, so that the family has
/// no type.
fn collect_custom(plugins: &[PluginStatus], to: &mut Families<'_>) -> fmt::Result {
    let each = plugins.iter().flat_map(|plugin| {
        plugin.metrics.custom.iter().filter_map(|(name, metric)| {
            let labels: [Label<'_>; 2] = [label("plugin", &plugin.name), label("name", name)];
            let value = match metric {
                CustomMetric::Counter(count) => i64::try_from(*count).unwrap_or(i64::MAX),
                CustomMetric::Gauge(value) => *value,
                _ => return None,
            };
            Some((labels, value))
        })
    });
    to.mixed("plugin_custom", "Metrics of the plugins' own.", each)
}
