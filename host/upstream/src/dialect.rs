//! The dialects of upstreams that serve the same models and don't speak the API's own: requests are translated on their way there, and
//! answers on their way back, so that the rest of the gateway knows the API alone.
//!
//! A further dialect is a [`Dialect`] here, with its settings in `config/` and its way to a credential in `credential/leased` and
//! `endpoint`. Nothing of it is in the way of upstreams without one.

mod bedrock;
mod compose;
pub(crate) mod decode;
mod foundry;
mod plain;
mod probe;
mod send;
pub(crate) mod translation;
mod vertex;

use crate::config::{DialectConfig, UpstreamConfig};

use self::bedrock::Bedrock;
use self::foundry::Foundry;
use self::translation::Dialect;
use self::vertex::Vertex;

pub use self::decode::Figures;
pub use self::probe::Counted;
pub use self::translation::{AsSent, Consequence, Unfit};

/// Returns the dialect of an upstream, or `None` for one that speaks the API's own.
pub(crate) fn of(config: &UpstreamConfig) -> Option<Box<dyn Dialect>> {
    Some(match config.dialect.as_deref()? {
        DialectConfig::Bedrock(bedrock) => Box::new(Bedrock::new(bedrock, &config.name)),
        DialectConfig::Vertex(vertex) => Box::new(Vertex::new(vertex)),
        DialectConfig::Foundry(foundry) => Box::new(Foundry::new(foundry)),
    })
}
