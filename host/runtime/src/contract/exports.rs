//! The exports of a plugin, each in the version that it has. Of an interface that is there twice the newer one is called.

use super::generated::{v0_1, v0_2};
use super::{
    Charge, Envelope, Estimate, Plan, Receipt, Refusal, Remedy, RequestHandle, SettingsProblem,
    UpstreamStats,
};
use crate::guest::Guest;
use wasmtime::component::{Instance, InstancePre, Resource};
use wasmtime::{Result, Store};

type Handle = Resource<RequestHandle>;
type Answer<T> = Result<std::result::Result<T, Refusal>>;

/// Where an interface is, and its functions: one type for all versions.
macro_rules! interface {
    ($module:ident, $place:ident, $functions:ident) => {
        #[derive(Clone)]
        pub(crate) enum $place {
            V0_1(v0_1::exports::witgate::plugin::$module::GuestIndices),
            V0_2(v0_2::exports::witgate::plugin::$module::GuestIndices),
        }

        pub(crate) enum $functions {
            V0_1(v0_1::exports::witgate::plugin::$module::Guest),
            V0_2(v0_2::exports::witgate::plugin::$module::Guest),
        }

        impl $place {
            /// Looks for the interface by its name.
            pub(crate) fn find(pre: &InstancePre<Guest>) -> Option<Self> {
                let newer = v0_2::exports::witgate::plugin::$module::GuestIndices::new(pre);
                let older = || v0_1::exports::witgate::plugin::$module::GuestIndices::new(pre);
                newer
                    .map(Self::V0_2)
                    .or_else(|_| older().map(Self::V0_1))
                    .ok()
            }

            /// Loads its functions, which compares their types.
            pub(crate) fn load(
                &self,
                store: &mut Store<Guest>,
                instance: &Instance,
            ) -> Result<$functions> {
                match self {
                    Self::V0_1(place) => place.load(store, instance).map($functions::V0_1),
                    Self::V0_2(place) => place.load(store, instance).map($functions::V0_2),
                }
            }

            /// The version of the contract that it is of.
            pub(crate) const fn version(&self) -> &'static str {
                match self {
                    Self::V0_1(_) => super::V0_1,
                    Self::V0_2(_) => super::V0_2,
                }
            }
        }
    };
}

interface!(lifecycle, LifecyclePlace, LifecycleExport);
interface!(envelope, EnvelopePlace, EnvelopeExport);
interface!(route, RoutePlace, RouteExport);
interface!(budget, BudgetPlace, BudgetExport);
interface!(audit, AuditPlace, AuditExport);

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

    /// Before 0.2 the request was not told.
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
