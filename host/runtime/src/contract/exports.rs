//! The exports of a plugin, in any version of the contract. If a plugin exports two versions, the host calls the newer one.

use wasmtime::component::{Instance, InstancePre, Resource};
use wasmtime::{Result, Store};

use super::generated::{v0_2, v0_3};
use super::guard::{Piece, Verdict};
use super::lifecycle::Configured;
use super::translate::{Asked, Response};
use super::v0_2 as older;
use super::{
    Charge, Envelope, Estimate, Plan, Receipt, ReceiptEdits, Refusal, Remedy, RequestHandle,
    SettingsProblem,
};
use crate::guest::Guest;

type Answer<T> = Result<std::result::Result<T, Refusal>>;

/// Defines the index and the functions of an interface, with one type for all versions.
macro_rules! interface {
    ($module:ident, $index:ident, $functions:ident) => {
        #[derive(Clone)]
        pub(crate) enum $index {
            V0_2(v0_2::exports::witgate::plugin::$module::GuestIndices),
            V0_3(v0_3::exports::witgate::plugin::$module::GuestIndices),
        }

        pub(crate) enum $functions {
            V0_2(v0_2::exports::witgate::plugin::$module::Guest),
            V0_3(v0_3::exports::witgate::plugin::$module::Guest),
        }

        impl $index {
            /// Finds the interface by its name.
            pub(crate) fn find(pre: &InstancePre<Guest>) -> Option<Self> {
                let newer = v0_3::exports::witgate::plugin::$module::GuestIndices::new(pre);
                let older = || v0_2::exports::witgate::plugin::$module::GuestIndices::new(pre);
                newer
                    .map(Self::V0_3)
                    .or_else(|_| older().map(Self::V0_2))
                    .ok()
            }

            /// Loads the functions, which checks their types.
            pub(crate) fn load(
                &self,
                store: &mut Store<Guest>,
                instance: &Instance,
            ) -> Result<$functions> {
                match self {
                    Self::V0_2(index) => index.load(store, instance).map($functions::V0_2),
                    Self::V0_3(index) => index.load(store, instance).map($functions::V0_3),
                }
            }

            /// Returns the interface's version of the contract.
            pub(crate) const fn version(&self) -> &'static str {
                match self {
                    Self::V0_2(_) => super::V0_2,
                    Self::V0_3(_) => super::V0_3,
                }
            }
        }
    };
}

interface!(lifecycle, LifecycleIndex, LifecycleExport);
interface!(envelope, EnvelopeIndex, EnvelopeExport);
interface!(route, RouteIndex, RouteExport);
interface!(budget, BudgetIndex, BudgetExport);
interface!(audit, AuditIndex, AuditExport);

/// The index of the interface `guard`, which version 0.2 does not have.
#[derive(Clone)]
pub(crate) struct GuardIndex(v0_3::exports::witgate::plugin::guard::GuestIndices);

pub(crate) struct GuardExport(v0_3::exports::witgate::plugin::guard::Guest);

/// The index of the interface `translate`, which version 0.2 does not have.
#[derive(Clone)]
pub(crate) struct TranslateIndex(v0_3::exports::witgate::plugin::translate::GuestIndices);

pub(crate) struct TranslateExport(v0_3::exports::witgate::plugin::translate::Guest);

/// The result of an audit call.
pub(crate) enum AuditAnswer {
    /// The receipts to write, from a plugin of version 0.2.
    Receipts(Vec<Receipt>),
    /// The edits of the receipts.
    Edits(Vec<ReceiptEdits>),
}

/// Returns a handle to the store's request, for one call of a plugin of version 0.2.
fn handle() -> Resource<RequestHandle> {
    Resource::new_borrow(0)
}

// === impl LifecycleExport ===

impl LifecycleExport {
    pub(crate) fn configure(
        &self,
        store: &mut Store<Guest>,
    ) -> Result<std::result::Result<Configured, Vec<SettingsProblem>>> {
        match self {
            Self::V0_2(guest) => {
                let problem =
                    |problem: v0_2::exports::witgate::plugin::lifecycle::Problem| SettingsProblem {
                        path: problem.path,
                        message: problem.message,
                    };
                let given = guest.call_configure(store)?;
                Ok(match given {
                    Ok(()) => Ok(Configured {
                        interests: Vec::new(),
                        content: Vec::new(),
                        correlation_header: None,
                        windows: Vec::new(),
                        dialect: None,
                    }),
                    Err(problems) => Err(problems.into_iter().map(problem).collect()),
                })
            }
            Self::V0_3(guest) => guest.call_configure(store),
        }
    }
}

// === impl GuardIndex ===

impl GuardIndex {
    /// Finds the interface by its name.
    pub(crate) fn find(pre: &InstancePre<Guest>) -> Option<Self> {
        let index = v0_3::exports::witgate::plugin::guard::GuestIndices::new(pre);
        index.map(Self).ok()
    }

    /// Loads the functions, which checks their types.
    pub(crate) fn load(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> Result<GuardExport> {
        self.0.load(store, instance).map(GuardExport)
    }

    /// Returns the interface's version of the contract.
    #[allow(clippy::unused_self, reason = "as the other indices have it")]
    pub(crate) const fn version(&self) -> &'static str {
        super::V0_3
    }
}

// === impl GuardExport ===

impl GuardExport {
    pub(crate) fn inspect(&self, store: &mut Store<Guest>, piece: &Piece) -> Result<Verdict> {
        self.0.call_inspect(store, piece)
    }
}

// === impl TranslateIndex ===

impl TranslateIndex {
    /// Finds the interface by its name.
    pub(crate) fn find(pre: &InstancePre<Guest>) -> Option<Self> {
        let index = v0_3::exports::witgate::plugin::translate::GuestIndices::new(pre);
        index.map(Self).ok()
    }

    /// Loads the functions, which checks their types.
    pub(crate) fn load(
        &self,
        store: &mut Store<Guest>,
        instance: &Instance,
    ) -> Result<TranslateExport> {
        self.0.load(store, instance).map(TranslateExport)
    }

    /// Returns the interface's version of the contract.
    #[allow(clippy::unused_self, reason = "as the other indices have it")]
    pub(crate) const fn version(&self) -> &'static str {
        super::V0_3
    }
}

// === impl TranslateExport ===

impl TranslateExport {
    pub(crate) fn request(&self, store: &mut Store<Guest>, body: &str) -> Answer<Asked> {
        self.0.call_request(store, body)
    }

    pub(crate) fn answer(&self, store: &mut Store<Guest>, response: &Response) -> Result<Response> {
        self.0.call_answer(store, response)
    }

    pub(crate) fn event(&self, store: &mut Store<Guest>, data: &str) -> Result<String> {
        self.0.call_event(store, data)
    }
}

// === impl EnvelopeExport ===

impl EnvelopeExport {
    pub(crate) fn read(&self, store: &mut Store<Guest>) -> Answer<Envelope> {
        match self {
            Self::V0_2(guest) => {
                let given = guest.call_read(store, handle())?;
                Ok(given.map(older::new_envelope).map_err(older::new_refusal))
            }
            Self::V0_3(guest) => Ok(guest.call_read(store)?.map(Envelope::without_empty_texts)),
        }
    }
}

// === impl RouteExport ===

impl RouteExport {
    pub(crate) fn decide(&self, store: &mut Store<Guest>) -> Answer<Option<Plan>> {
        match self {
            Self::V0_2(guest) => {
                let facts = store.data().facts();
                let envelope = older::old_envelope(&facts.context.clone().unwrap_or_default());
                let upstreams: Vec<_> = facts
                    .upstreams
                    .iter()
                    .flat_map(|all| all.names().into_iter().filter_map(|name| all.stats(&name)))
                    .map(older::old_stats)
                    .collect();
                let given = guest.call_decide(store, handle(), &envelope, &upstreams)?;
                Ok(given
                    .map(|plan| plan.map(older::new_plan))
                    .map_err(older::new_refusal))
            }
            Self::V0_3(guest) => guest.call_decide(store),
        }
    }
}

// === impl BudgetExport ===

impl BudgetExport {
    pub(crate) fn charges(
        &self,
        store: &mut Store<Guest>,
        estimate: Estimate,
    ) -> Answer<Vec<Charge>> {
        match self {
            Self::V0_2(guest) => {
                let facts = store.data().facts();
                let envelope = older::old_envelope(&facts.context.clone().unwrap_or_default());
                let plan = facts.plan.as_deref().map(older::old_plan);
                let plan = plan.unwrap_or_else(|| older::old_plan(&Plan::to("")));
                let estimate = older::old_estimate(estimate);
                let given = guest.call_charges(store, handle(), &envelope, &plan, estimate)?;
                Ok(given
                    .map(|charges| charges.into_iter().map(older::new_charge).collect())
                    .map_err(older::new_refusal))
            }
            Self::V0_3(guest) => guest.call_charges(store, estimate),
        }
    }

    pub(crate) fn exhausted(
        &self,
        store: &mut Store<Guest>,
        charge: &Charge,
        remaining: u64,
        resets_in_ms: Option<u64>,
    ) -> Result<Remedy> {
        match self {
            Self::V0_2(guest) => guest
                .call_exhausted(store, handle(), &older::old_charge(charge), remaining)
                .map(older::new_remedy),
            Self::V0_3(guest) => guest.call_exhausted(store, charge, remaining, resets_in_ms),
        }
    }
}

// === impl AuditExport ===

impl AuditExport {
    /// Calls the hook for the receipts of the call's facts.
    pub(crate) fn edit(&self, store: &mut Store<Guest>) -> Result<AuditAnswer> {
        let receipts = store.data().facts().receipts.clone().unwrap_or_default();
        match self {
            Self::V0_2(guest) => {
                let receipts: Vec<_> = receipts.iter().map(older::old_receipt).collect();
                let given = guest.call_entries(store, &receipts)?;
                let given = given.into_iter().map(older::new_receipt);
                Ok(AuditAnswer::Receipts(given.collect()))
            }
            Self::V0_3(guest) => {
                let count = u32::try_from(receipts.len()).unwrap_or(u32::MAX);
                drop(receipts);
                let given = guest.call_edit(store, count)?;
                Ok(AuditAnswer::Edits(given.unwrap_or_default()))
            }
        }
    }
}
