//! Checks of the repository itself: its documents, its crates, its examples, its packages, and the harness.

mod arrows;
mod circles;
mod config_keys;
mod crates;
mod examples;
mod guide;
mod harness_works;
mod imports;
mod packaging;
mod promises;
mod readme;
mod sizes;
mod source;
mod wording;
