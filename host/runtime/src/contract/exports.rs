//! The exports of a plugin, in any version of the contract. If a plugin exports two versions, the host calls the newer one.

use wasmtime::component::{Instance, InstancePre, Resource};
use wasmtime::{Result, Store};

use super::generated::{v0_1, v0_2};
use super::{
    Charge, Envelope, Estimate, Plan, Receipt, Refusal, Remedy, RequestHandle, SettingsProblem,
    UpstreamStats,
};
use crate::guest::Guest;

type Handle = Resource<RequestHandle>;
type Answer<T> = Result<std::result::Result<T, Refusal>>;

/// Defines the index and the functions of an interface, with one type for all versions.
macro_rules! interface {
    ($module:ident, $index:ident, $functions:ident) => {
        #[derive(Clone)]
        pub(crate) enum $index {
            V0_1(v0_1::exports::witgate::plugin::$module::GuestIndices),
            V0_2(v0_2::exports::witgate::plugin::$module::GuestIndices),
        }

        pub(crate) enum $functions {
            V0_1(v0_1::exports::witgate::plugin::$module::Guest),
            V0_2(v0_2::exports::witgate::plugin::$module::Guest),
        }

        impl $index {
            /// Finds the interface by its name.
            pub(crate) fn find(pre: &InstancePre<Guest>) -> Option<Self> {
                let newer = v0_2::exports::witgate::plugin::$module::GuestIndices::new(pre);
                let older = || v0_1::exports::witgate::plugin::$module::GuestIndices::new(pre);
                newer
                    .map(Self::V0_2)
                    .or_else(|_| older().map(Self::V0_1))
                    .ok()
            }

            /// Loads the functions, which checks their types.
            pub(crate) fn load(
                &self,
                store: &mut Store<Guest>,
                instance: &Instance,
            ) -> Result<$functions> {
                match self {
                    Self::V0_1(index) => index.load(store, instance).map($functions::V0_1),
                    Self::V0_2(index) => index.load(store, instance).map($functions::V0_2),
                }
            }

            /// Returns the interface's version of the contract.
            pub(crate) const fn version(&self) -> &'static str {
                match self {
                    Self::V0_1(_) => super::V0_1,
                    Self::V0_2(_) => super::V0_2,
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

// === impl LifecycleExport ===

impl LifecycleExport {
    pub(crate) fn configure(
        &self,
        store: &mut Store<Guest>,
    ) -> Result<std::result::Result<(), Vec<SettingsProblem>>> {
        match self {
            Self::V0_1(guest) => {
                let given = guest.call_configure(store)?;
                Ok(given.map_err(|problems| problems.into_iter().map(newer_problem).collect()))
            }
            Self::V0_2(guest) => guest.call_configure(store),
        }
    }
}

fn newer_problem(problem: v0_1::exports::witgate::plugin::lifecycle::Problem) -> SettingsProblem {
    SettingsProblem {
        path: problem.path,
        message: problem.message,
    }
}

// === impl EnvelopeExport ===

impl EnvelopeExport {
    pub(crate) fn read(&self, store: &mut Store<Guest>, request: Handle) -> Answer<Envelope> {
        match self {
            Self::V0_1(guest) => guest.call_read(store, request),
            Self::V0_2(guest) => guest.call_read(store, request),
        }
    }
}

// === impl RouteExport ===

impl RouteExport {
    pub(crate) fn decide(
        &self,
        store: &mut Store<Guest>,
        request: Handle,
        envelope: &Envelope,
        upstreams: &[UpstreamStats],
    ) -> Answer<Option<Plan>> {
        match self {
            Self::V0_1(guest) => guest.call_decide(store, request, envelope, upstreams),
            Self::V0_2(guest) => guest.call_decide(store, request, envelope, upstreams),
        }
    }
}

// === impl BudgetExport ===

impl BudgetExport {
    pub(crate) fn charges(
        &self,
        store: &mut Store<Guest>,
        request: Handle,
        envelope: &Envelope,
        plan: &Plan,
        estimate: Estimate,
    ) -> Answer<Vec<Charge>> {
        match self {
            Self::V0_1(guest) => guest.call_charges(store, request, envelope, plan, estimate),
            Self::V0_2(guest) => guest.call_charges(store, request, envelope, plan, estimate),
        }
    }

    /// Calls `exhausted`. Version 0.1 does not pass the request.
    pub(crate) fn exhausted(
        &self,
        store: &mut Store<Guest>,
        request: Handle,
        charge: &Charge,
        remaining: u64,
    ) -> Result<Remedy> {
        match self {
            Self::V0_1(guest) => guest.call_exhausted(store, charge, remaining),
            Self::V0_2(guest) => guest.call_exhausted(store, request, charge, remaining),
        }
    }
}

// === impl AuditExport ===

impl AuditExport {
    pub(crate) fn entries(
        &self,
        store: &mut Store<Guest>,
        receipts: &[Receipt],
    ) -> Result<Vec<Receipt>> {
        match self {
            Self::V0_1(guest) => guest.call_entries(store, receipts),
            Self::V0_2(guest) => guest.call_entries(store, receipts),
        }
    }
}
