//! The work of an operator: to start, reload, stop, upgrade, record, and to let the gateway run for long.

mod captures;
mod crash;
mod forget;
mod idle;
mod lasting;
mod operate;
mod sinks;
mod soak;
mod upgrade;
