//! Checks of the repository itself: its documents, its crates, its examples, its packages, and the harness.

mod arrows;
mod crates;
mod examples;
mod guide;
mod harness_works;
mod packaging;
mod promises;
mod readme;
