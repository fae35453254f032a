//! An empty crate: its manifest turns on the features that tests ask of crates which the gateway uses too.
