//! Budgets, beside the ledger that counts them: the experience that sizes holds, and what is told about limits to clients and to the
//! operator.

pub(crate) mod experience;
pub(crate) mod left;
pub(crate) mod limit_reached;
pub(crate) mod live;
pub(crate) mod warning;
pub(crate) mod webhook;

use std::sync::Arc;

use self::experience::Experience;
use self::live::LiveLimits;
use self::webhook::Post;
use crate::config;
use crate::receipts::receipt::Receipt;

/// The state that all exchanges share about budgets.
#[derive(Debug)]
pub(crate) struct Budgets {
    pub(crate) experience: Experience,
    pub(crate) post: Post,
    /// The limits that operators set while the gateway runs.
    pub(crate) live: Arc<LiveLimits>,
}

// === impl Budgets ===

impl Budgets {
    pub(crate) fn new(live: LiveLimits) -> Self {
        Self {
            experience: Experience::new(),
            post: Post::new(),
            live: Arc::new(live),
        }
    }

    /// Announces the marks that an exchange has crossed.
    pub(crate) fn announce(&self, receipt: &Receipt, config: &config::Budgets) {
        if receipt.usage.crossings.is_empty() {
            return;
        }
        let caller = receipt.request.caller.as_ref();
        let owner = caller.map(|caller| caller.owner()).unwrap_or_default();
        for crossing in &receipt.usage.crossings {
            warning::log(crossing, &receipt.id);
            if config.webhook.is_some() {
                let letter = warning::letter(crossing, &receipt.id, &owner);
                self.post.send(letter);
            }
        }
    }
}
