//! Plugins, models and ownership: who can make the gateway refuse others, or pass a policy by.

mod faults;
mod models;
mod ownership;
