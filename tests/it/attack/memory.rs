//! The sum of what requests hold in memory, and the share of one key.
