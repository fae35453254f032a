//! The prices of each upstream: the price file, under the contracts that name the upstream.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use witgate_messages::price::PriceBook;
use witgate_runtime::Plan;

use crate::config::{Config, Prices as Settings};

/// The price books of all upstreams.
pub struct Prices {
    base: Arc<PriceBook>,
    /// Books by the names of upstreams and groups. A group has that of its first member, for estimates.
    books: HashMap<String, Arc<PriceBook>, RandomState>,
}

// === impl Prices ===

impl Prices {
    /// Reads the price file of a configuration, and applies its contracts.
    ///
    /// # Errors
    ///
    /// The file can't be read, or a contract or `unknown_model` names a model that it does not have.
    pub fn read(config: &Config) -> Result<Self, String> {
        Self::with_book(config, book(&config.prices)?)
    }

    /// Applies the contracts of a configuration to a book.
    ///
    /// # Errors
    ///
    /// A contract or `unknown_model` names a model that the book does not have.
    pub fn with_book(config: &Config, book: PriceBook) -> Result<Self, String> {
        let settings = &config.prices;
        let file = settings.file.as_ref();
        let name = file.map_or("the built-in prices".into(), |file| {
            file.display().to_string()
        });
        for contract in &settings.contracts {
            for pattern in &contract.contract.models {
                if !book.has_like(pattern) {
                    return Err(format!(
                        "prices.contract: no model in {name} is like `{pattern}`: add it to the price file first"
                    ));
                }
            }
        }
        let base = match &settings.unknown_model {
            Some(model) => book
                .with_unknown_as(model)
                .ok_or_else(|| format!("prices.unknown_model: `{model}` is not in {name}"))?,
            None => book,
        };
        let under = |upstream: Option<&str>| {
            let contracts = settings.contracts.iter().filter(|contract| {
                let named = contract.upstreams.as_ref();
                named.is_none_or(|named| {
                    upstream.is_some_and(|upstream| named.iter().any(|it| it == upstream))
                })
            });
            Arc::new(base.under(contracts.map(|contract| &contract.contract)))
        };
        let mut books = HashMap::default();
        for upstream in &config.upstreams {
            books.insert(upstream.name.clone(), under(Some(&upstream.name)));
        }
        for group in &config.groups {
            let first = group
                .members
                .first()
                .and_then(|first| books.get(&first.upstream));
            if let Some(book) = first.map(Arc::clone) {
                books.insert(group.name.clone(), book);
            }
        }
        Ok(Self {
            base: under(None),
            books,
        })
    }

    /// Returns the book of an upstream or a group. Without one, it is the book of contracts that name none.
    #[must_use]
    pub fn of(&self, upstream: Option<&str>) -> &Arc<PriceBook> {
        upstream
            .and_then(|upstream| self.books.get(upstream))
            .unwrap_or(&self.base)
    }

    /// Returns the book of the first target of a plan.
    pub(crate) fn of_plan(&self, plan: &Plan) -> &Arc<PriceBook> {
        self.of(plan.targets.first().map(|target| target.upstream.as_str()))
    }
}

/// Reads the price file, or the prices that ship with this release.
fn book(settings: &Settings) -> Result<PriceBook, String> {
    let Some(path) = &settings.file else {
        return Ok(PriceBook::builtin());
    };
    std::fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|text| PriceBook::parse(&text).map_err(|error| error.to_string()))
        .map_err(|error| format!("{}: {error}", path.display()))
}
