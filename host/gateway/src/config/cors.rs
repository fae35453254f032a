//! Apps in browsers, and from which origins they may ask.

use http::HeaderValue;

/// Origins whose apps may ask from a browser; none without a `[cors]` section.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cors {
    /// No word on CORS: browsers keep answers from apps of other origins.
    #[default]
    Off,
    /// Apps of these origins.
    Listed(Vec<HeaderValue>),
    /// Every app.
    Everybody,
}
