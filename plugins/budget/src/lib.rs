//! Tiers and accounts with limits per window.
