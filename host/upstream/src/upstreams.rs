//! All upstreams and groups of a configuration.

use std::sync::Arc;
use std::time::Instant;

use super::Upstream;
use super::dns::resolver::SharedResolver;
use super::group::{Found, Group};
use super::summary::Summary;
use crate::config::{GroupConfig, UpstreamConfig};

/// The upstreams in the order of the configuration, and the groups of them.
#[derive(Clone)]
pub struct Upstreams {
    list: Arc<[Arc<Upstream>]>,
    groups: Arc<[Group]>,
    default: String,
    resolver: SharedResolver,
}

// === impl Upstreams ===

impl Upstreams {
    /// Prepares the upstreams of a configuration. An upstream of the previous configuration is kept, with its connections
    /// and statistics, if neither its configuration nor the certificates that it trusts have changed.
    ///
    /// # Errors
    ///
    /// An upstream cannot be prepared: the first one, and the reason.
    pub fn try_new(
        configs: &[UpstreamConfig],
        groups: &[GroupConfig],
        default: &str,
        resolver: &SharedResolver,
        previous: Option<&Self>,
    ) -> Result<Self, String> {
        let mut list = Vec::with_capacity(configs.len());
        for config in configs {
            let before = previous.and_then(|previous| previous.get(&config.name));
            let kept = before.filter(|kept| kept.is_as_configured(config));
            let upstream = match kept {
                Some(kept) => {
                    kept.reread_credentials()
                        .map_err(|error| format!("upstream {}: {error}", config.name))?;
                    Arc::clone(kept)
                }
                None => Arc::new(
                    Upstream::try_new(
                        config.clone(),
                        Arc::clone(resolver),
                        before.map(|before| &**before),
                    )
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
    pub fn get(&self, name: &str) -> Option<&Arc<Upstream>> {
        self.list
            .iter()
            .find(|upstream| upstream.config.name == name)
    }

    /// Returns the upstream or the group of this name.
    pub fn find(&self, name: &str) -> Option<Found<'_>> {
        let group = || self.groups().iter().find(|group| group.name == name);
        self.get(name)
            .map(Found::Upstream)
            .or_else(|| group().map(Found::Group))
    }

    /// Returns the name of the upstream or group for requests that no plugin routes.
    pub fn default_name(&self) -> &str {
        &self.default
    }

    /// Returns the resolver of their names.
    pub fn resolver(&self) -> &SharedResolver {
        &self.resolver
    }

    /// Returns all upstreams.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.list.iter()
    }

    /// Returns all groups.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns the names of the upstreams, then those of the groups.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let upstreams = self.list.iter().map(|upstream| &*upstream.config.name);
        upstreams.chain(self.groups.iter().map(|group| &*group.name))
    }

    /// Returns the summary of the upstream or group of this name, or `None` if there is none.
    pub fn summary(&self, name: &str, now: Instant) -> Option<Summary> {
        Some(match self.find(name)? {
            Found::Upstream(upstream) => upstream.summary(now),
            Found::Group(group) => group.summary(now),
        })
    }

    /// Returns the summaries of the upstreams, then those of the groups.
    pub fn summaries(&self, now: Instant) -> impl Iterator<Item = Summary> {
        let upstreams = self.list.iter().map(move |upstream| upstream.summary(now));
        upstreams.chain(self.groups.iter().map(move |group| group.summary(now)))
    }
}
