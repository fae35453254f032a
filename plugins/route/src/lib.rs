//! Resources, targets, weights, conditions and blocks.
