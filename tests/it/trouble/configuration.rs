//! Mistakes in the configuration, all of them told at once, and defaults that are what the docs say.

mod at_once;
mod defaults;
mod plugins;
mod retries;
mod words;
