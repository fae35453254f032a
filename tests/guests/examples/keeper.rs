//! Asks for the facts of a request, and keeps copies of them for later calls.
//!
//! The rule of its plan tells the number of the request of 64 calls ago, then the bytes of the facts of this call. It panics if a
//! copy is no longer what it was, or if two answers of one call differ.

use std::cell::RefCell;
use std::collections::VecDeque;

use witgate_plugin::types::{Plan, Refusal};
use witgate_plugin::{NoSettings, Plugin, Problems, Request, Route};

/// Number of calls whose facts are kept.
const KEPT: usize = 64;

struct Keeper(RefCell<VecDeque<Call>>);

/// What a call left.
struct Call {
    number: String,
    facts: Vec<String>,
    sum: u64,
}

witgate_plugin::export!(Keeper: Route);

impl Plugin for Keeper {
    type Settings = NoSettings;

    fn configure(_: NoSettings) -> Result<Self, Problems> {
        Ok(Self(RefCell::default()))
    }
}

impl Route for Keeper {
    fn decide(&self, request: &Request<'_>) -> Result<Option<Plan>, Refusal> {
        let facts = facts(request);
        let again = self::facts(request);
        assert_eq!(facts, again, "the facts of one call don't change");
        let bytes: usize = facts.iter().map(|fact| fact.len()).sum();

        // Large facts are counted and not kept.
        let small = || facts.iter().filter(|fact| fact.len() < 1024);
        let mut calls = self.0.borrow_mut();
        if calls.len() == KEPT {
            calls.pop_front();
        }
        calls.push_back(Call {
            number: request.header("x-number").unwrap_or_default().to_owned(),
            sum: sum(small().copied()),
            facts: small().map(|fact| (*fact).to_owned()).collect(),
        });
        // Each copy is looked at once, when it is the oldest.
        if let Some(call) = calls.front() {
            let now = sum(call.facts.iter().map(String::as_str));
            assert_eq!(now, call.sum, "the copies of call {}", call.number);
        }
        let oldest = calls.front().map_or("", |call| &call.number);
        Ok(Some(Plan::to("default").rule(format!("{oldest} {bytes}"))))
    }
}

/// Returns every fact of a request that is a text.
fn facts<'a>(request: &'a Request<'_>) -> Vec<&'a str> {
    let (caller, context) = (request.caller(), request.context());
    let mut facts = vec![
        request.id(),
        request.method(),
        request.path(),
        caller.key_id(),
        context.correlation_id(),
    ];
    facts.extend(
        [
            request.header("x-number"),
            request.header("x-absent"),
            request.head().model,
            request.user_id(),
            request.member("team"),
            request.member("large"),
            caller.tenant(),
            caller.user(),
            caller.tier(),
            caller.label("team"),
            context.tenant(),
            context.session(),
            context.metadata("team"),
            context.attribute("workspace"),
        ]
        .into_iter()
        .flatten(),
    );
    let pairs = [
        request.headers("x-"),
        request.head_attributes(),
        caller.labels(),
        context.all_metadata(),
        context.attributes(),
    ];
    facts.extend(
        pairs
            .into_iter()
            .flatten()
            .flat_map(|(name, value)| [name, value]),
    );
    facts.extend(request.tools());
    facts
}

/// Returns a sum over texts, FNV-1a.
fn sum<'a>(texts: impl Iterator<Item = &'a str>) -> u64 {
    let bytes = texts.flat_map(|text| text.bytes().chain([0xff]));
    bytes.fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
