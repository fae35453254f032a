//! The shipped route plugin: the model of a request names a resource, and a resource is a list of targets.
//!
//! The first of these decides: the first matching rule; the resource of the model's name; `UPSTREAM/MODEL`, if the settings
//! allow it; and the setting `unmatched`. The resulting plan is then vetted, because the rules apply to each model in
//! it.

mod condition;
mod facts;
mod named;
mod network;
mod overrides;
mod resource;
mod settings;
mod unread;
mod vet;

use witgate_plugin::types::{Hook, Interest, Plan, Refusal, Target};
use witgate_plugin::{Glob, Plugin, Problems, Request, Route, Upstreams};

use self::condition::Condition;
use self::facts::{Facts, Model, Refuses};
use self::resource::Resource;
use self::settings::{Settings, Unmatched};

/// The route plugin.
#[derive(Debug)]
pub struct RoutePlugin {
    rules: Vec<Rule>,
    resources: Vec<(Glob, Resource)>,
    direct: bool,
    unmatched: Unmatched,
}

/// An action for requests that meet all conditions.
#[derive(Debug)]
struct Rule {
    name: String,
    when: Vec<Condition>,
    action: Action,
}

#[derive(Debug)]
enum Action {
    /// Continues as if the request had named this resource.
    Use(String),
    /// Sends the request to these targets.
    Send(Resource),
    /// Refuses the request.
    Block(Refusal),
}

witgate_plugin::export!(RoutePlugin: Route);

// === impl RoutePlugin ===

impl Plugin for RoutePlugin {
    type Settings = Settings;

    fn configure(settings: Settings) -> Result<Self, Problems> {
        settings.check()
    }

    /// Without rules, only requests for the models of resources matter, and those that the envelope gave an override.
    fn interests(&self) -> Vec<Interest> {
        if self.refuses() == Refuses::Some {
            return Vec::new();
        }
        let resources = self.resources.iter().map(|(glob, _)| glob.as_str());
        let models = resources.chain(self.direct.then_some("*/*"));
        let route = || Interest::of(Hook::Route);
        vec![
            route().models(models),
            route().attributes([overrides::ATTRIBUTE]),
            route().secondary_index(),
        ]
    }
}

impl Route for RoutePlugin {
    fn decide(&self, request: &Request<'_>) -> Result<Option<Plan>, Refusal> {
        let facts = Facts::new(request, self.refuses());
        let routing = facts.context().routing();
        self.can_decide(&facts)?;
        self.check_named(&facts)?;
        let asked = routing.resource.or_else(|| facts.model());

        let acted = self
            .rules
            .iter()
            .position(|rule| rule.holds(&facts, Model::Asked));
        let (name, found) = match acted.and_then(|acted| self.rules.get(acted)) {
            Some(Rule { name, action, .. }) => match action {
                Action::Block(refusal) => return Err(refusal.clone()),
                Action::Send(resource) => (name.clone(), Some(resource)),
                Action::Use(resource) => (format!("{name}: {resource}"), self.resource(resource)),
            },
            None => match asked {
                Some(model) => (model.to_owned(), self.resource(model)),
                // The request names no model; it may list models, for example.
                None => return Ok(None),
            },
        };

        let index = routing.secondary_index;
        let overrides = routing
            .has_attributes
            .then(|| facts.context().attribute(overrides::ATTRIBUTE));
        let plan = if let Some(overrides) = overrides.flatten() {
            let resource = overrides::apply(found, overrides, facts.upstreams())?;
            resource.plan(&facts, index)?.rule(name)
        } else if let Some(resource) = found {
            resource.plan(&facts, index)?.rule(name)
        } else if index.is_some() {
            return Err(resource::out_of_range(0));
        } else if let Some(target) = asked.and_then(|model| self.direct(model, facts.upstreams())) {
            Plan::new(vec![target]).rule("direct")
        } else {
            return match self.unmatched {
                Unmatched::Pass => Ok(None),
                Unmatched::Refuse => Err(Refusal::not_found(format!("model: {name}"))),
            };
        };
        let plan = match acted.and_then(|acted| self.rules.get(acted)) {
            Some(Rule {
                action: Action::Use(resource),
                ..
            }) => plan.resource(resource),
            _ => plan,
        };
        self.vet(plan, acted, index.is_some(), &facts).map(Some)
    }
}

// === impl Rule ===

impl Rule {
    fn holds(&self, facts: &Facts<'_>, model: Model<'_>) -> bool {
        self.when
            .iter()
            .all(|condition| condition.holds(facts, model))
    }
}

impl RoutePlugin {
    /// Returns whether rules, or the want of a resource, may refuse a request.
    fn refuses(&self) -> Refuses {
        match self.rules.is_empty() && self.unmatched == Unmatched::Pass {
            true => Refuses::Never,
            false => Refuses::Some,
        }
    }

    /// Returns the resource for a name, or `None` if there is none. A literal name comes before globs, which match in the
    /// order of the settings.
    fn resource(&self, name: &str) -> Option<&Resource> {
        let literal = self
            .resources
            .iter()
            .find(|(glob, _)| glob.is_literal() && glob.matches(name));
        let found = literal.or_else(|| self.resources.iter().find(|(glob, _)| glob.matches(name)));
        found.map(|(_, resource)| resource)
    }

    /// Returns the target of `UPSTREAM/MODEL`, or `None` if the host has no such upstream.
    fn direct(&self, model: &str, upstreams: Upstreams<'_>) -> Option<Target> {
        let (upstream, model) = model.split_once('/').filter(|_| self.direct)?;
        let known = !model.is_empty() && upstreams.stats(upstream).is_some();
        known.then(|| Target::new(upstream).model(model))
    }
}

#[cfg(test)]
mod tests;
