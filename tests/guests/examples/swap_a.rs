//! Side `a` of a hot swap.

#[path = "swap/side.rs"]
mod side;

side::plugin!("a");
