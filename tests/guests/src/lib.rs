//! The hostile guest: a plugin with every hook that behaves badly when asked to, and passes everything otherwise.
//!
//! It is written against the bare contract, without the SDK, so that nothing stands between it and the host. Which
//! hook does what is chosen, in this order, by
//!
//! - the request header `x-hostile: HOOK:BEHAVIOUR`, with hook `envelope`, `guard`, `route`, `budget` or `exhausted`;
//! - for `audit`, the receipt field `metadata.hostile` with a behaviour as its text;
//! - the setting of the hook's name, also `configure`: `{"audit": "trap"}`.
//!
//! The behaviours are the cases of [`Behaviour`]; words that it does not know pass. With the setting `marker = "a"` the
//! guest sets the response header `x-witgate-marker` and plans everything to the upstream of the setting `upstream`
//! (`default` if absent) under the rule `a`, so that tests can tell two versions of the settings apart.
//!
//! Values of its own choice are settings as well, and answer where nothing else was asked for: `edits` is a table of members
//! and the JSON text that each is set to; `targets` a list of `UPSTREAM` or `UPSTREAM/MODEL`, which is the plan; `charges`
//! a list of texts `ACCOUNT WINDOW UNIT LIMIT AMOUNT`; `block` a text, which refuses every model that has it in its name.
//! With `only.header = "NAME"` they answer requests with that header alone.

#![cfg_attr(
    not(target_arch = "wasm32"),
    allow(
        dead_code,
        reason = "the guest is only whole on wasm32; elsewhere it is compiled for the linters"
    )
)]

mod behaviour;
mod bindings;
mod guard;
mod hooks;
mod settings;
mod translate;

pub use behaviour::Behaviour;
