//! Attacks on a gateway: by those without a key, by tenants on each other, by plugins, upstreams and web pages. Each test
//! is one attack and the bound that it meets. `make attack` runs these tests alone.

mod door;
mod memory;
mod policies;
mod records;
mod upstream;
