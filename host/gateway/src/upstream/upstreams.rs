//! All upstreams and groups of a configuration.

use std::sync::Arc;
use std::time::Instant;

use witgate_runtime::UpstreamStats;

use super::Upstream;
use super::admission::State;
use super::dns::resolver::Names;
use super::group::{Found, Group};
use crate::config::{GroupConfig, UpstreamConfig};

/// The upstreams in the order of the configuration, and the groups of them.
#[derive(Clone)]
pub(crate) struct Upstreams {
    list: Arc<[Arc<Upstream>]>,
    groups: Arc<[Group]>,
    default: String,
    resolver: Names,
}

// === impl Upstream ===

impl Upstream {
    /// Returns the statistics for the route hook.
    fn snapshot(&self, now: Instant) -> UpstreamStats {
        let minute = self.stats.minute(now);
        let mut attributes = Vec::new();
        // The normal state is left out: this is done for each request.
        let state = self.state(now);
        if state != State::Available {
            attributes.push(("state".to_owned(), state.code().to_owned()));
        }
        if let Some(average) = self.stats.latency.average() {
            attributes.push(("latency_ms".to_owned(), average.as_millis().to_string()));
        }
        UpstreamStats {
            name: self.config.name.clone(),
            in_flight: self.stats.in_flight(),
            requests: minute.requests,
            errors: minute.errors,
            attributes,
        }
    }
}

// === impl Upstreams ===

impl Upstreams {
    /// Prepares the upstreams of a configuration. An upstream of the previous configuration is kept, with its connections
    /// and statistics, if neither its configuration nor the certificates that it trusts have changed.
    ///
    /// # Errors
    ///
    /// An upstream cannot be prepared: the first one, and the reason.
    pub(crate) fn try_new(
        configs: &[UpstreamConfig],
        groups: &[GroupConfig],
        default: &str,
        resolver: &Names,
        previous: Option<&Self>,
    ) -> Result<Self, String> {
        let mut list = Vec::with_capacity(configs.len());
        for config in configs {
            let kept = previous
                .and_then(|previous| previous.get(&config.name))
                .filter(|kept| kept.is_as_configured(config));
            let upstream = match kept {
                Some(kept) => {
                    kept.credential
                        .reread()
                        .map_err(|error| format!("upstream {}: {error}", config.name))?;
                    Arc::clone(kept)
                }
                None => Arc::new(
                    Upstream::try_new(config.clone(), Arc::clone(resolver))
                        .map_err(|error| format!("upstream {}: {error}", config.name))?,
                ),
            };
            list.push(upstream);
        }
        let groups = groups
            .iter()
            .map(|group| Group::try_new(group, &list))
            .collect::<Result<_, _>>()?;
        let upstreams = Self {
            list: list.into(),
            groups,
            default: default.to_owned(),
            resolver: Arc::clone(resolver),
        };
        if upstreams.find(default).is_none() {
            return Err(format!("there is no upstream or group {default}"));
        }
        Ok(upstreams)
    }

    /// Returns the upstream of this name.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.list
            .iter()
            .find(|upstream| upstream.config.name == name)
    }

    /// Returns the upstream or the group of this name.
    pub(crate) fn find(&self, name: &str) -> Option<Found<'_>> {
        let group = || self.groups().iter().find(|group| group.name == name);
        self.get(name)
            .map(Found::Upstream)
            .or_else(|| group().map(Found::Group))
    }

    /// Returns the name of the upstream or group for requests that no plugin routes.
    pub(crate) fn default_name(&self) -> &str {
        &self.default
    }

    /// Returns the resolver of their names.
    pub(crate) fn resolver(&self) -> &Names {
        &self.resolver
    }

    /// Returns all upstreams.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.list.iter()
    }

    /// Returns all groups.
    pub(crate) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns the statistics for the route hook: of the upstreams, then of the groups.
    pub(crate) fn stats(&self, now: Instant) -> Vec<UpstreamStats> {
        let upstreams = self.list.iter().map(|upstream| upstream.snapshot(now));
        upstreams
            .chain(self.groups.iter().map(|group| group.snapshot(now)))
            .collect()
    }
}
