//! The cost of a change: only changed plugins are loaded again.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use witgate_runtime::{Allocation, Plugin, PluginState, Policies, Runtime, RuntimeOptions};

use crate::folder::{
    Folder, LONG, has_plan, next_lineup, open_slowly_with, open_with, plans, plans_nothing, status,
};
use crate::guest::{Guest, PLAN};
use crate::request::{PATIENT, granting};

/// An engine of its own, whose compilations are nobody else's.
fn engine(cache: Option<&Folder>) -> Runtime {
    Runtime::try_new(
        RuntimeOptions::default()
            .with_allocation(Allocation::OnDemand)
            .with_cache(cache.map(|folder| folder.path("code"))),
    )
    .expect("the engine starts")
}

/// Two plugins with all that can be counted, `other` with a call behind it.
fn pair(folder: &Folder, runtime: &Runtime) -> Policies {
    let other = Guest::route(PLAN).with("lifecycle", "").build();
    folder.rename_in("other.toml", format!("order = 1\n{PATIENT}").as_bytes());
    folder.rename_in("other.wasm", &other);
    folder.rename_in("route.toml", granting(PATIENT).as_bytes());
    folder.rename_in("route.wasm", &plans());
    let policies = open_with(folder.dir.path(), runtime.clone());
    assert!(has_plan(&policies.current()), "it serves");
    policies
}

/// Instances that were made, times that `configure` ran, and calls.
fn work(policies: &Policies, name: &str) -> (u64, u64, u64) {
    let figures = status(policies, name).metrics;
    let calls = figures.hooks.values().map(|hook| hook.calls).sum();
    (figures.instances_created, figures.configured, calls)
}

#[test]
fn a_change_of_settings_reloads_that_plugin_and_leaves_the_others_alone() {
    let (folder, cache) = (Folder::new(), Folder::new());
    let runtime = engine(Some(&cache));
    let policies = pair(&folder, &runtime);
    let (before, compiled) = (policies.current(), runtime.compilations());
    let worked = work(&policies, "other");
    assert_eq!(
        worked,
        (1, 1, 1),
        "one instance, configured once, called once"
    );

    folder.rename_in("route.toml", b"order = 7\n[settings]\ncolour = \"blue\"\n");
    let after = policies.reload_now().unwrap();
    assert_eq!(
        after.generation(),
        before.generation() + 1,
        "the change is one lineup"
    );
    let of = |lineup: &witgate_runtime::Lineup, name| Arc::clone(lineup.plugin(name).unwrap());
    assert!(
        !Arc::ptr_eq(&of(&before, "route"), &of(&after, "route")),
        "with another `route`"
    );
    assert!(
        Arc::ptr_eq(&of(&before, "other"), &of(&after, "other")),
        "and the same `other`"
    );
    assert!(has_plan(&after), "which serves");
    assert_eq!(
        work(&policies, "other"),
        (1, 1, 2),
        "with the instance that it had"
    );
    assert_eq!(runtime.compilations(), compiled, "code is no setting");
}

#[test]
fn an_unrelated_change_rebuilds_nothing() {
    let folder = Folder::new();
    let runtime = engine(None);
    let policies = pair(&folder, &runtime);
    let (before, compiled) = (policies.current(), runtime.compilations());
    let worked = (work(&policies, "other"), work(&policies, "route"));

    fs::write(folder.path("notes.txt"), "nothing to load").unwrap();
    fs::write(folder.path("orphan.toml"), "order = 3").unwrap();
    fs::create_dir(folder.path("sub")).unwrap();
    fs::write(folder.path("sub").join("deep.wasm"), plans()).unwrap();
    fs::write(folder.path(".hidden.wasm"), plans()).unwrap();
    // The same bytes, with another time, another inode and other permissions.
    folder.rename_in("route.wasm", &plans());
    fs::set_permissions(folder.path("other.wasm"), Permissions::from_mode(0o600)).unwrap();
    let after = policies.reload_now().unwrap();
    assert_eq!(after.generation(), before.generation(), "the same lineup");
    assert_eq!(runtime.compilations(), compiled, "nothing is compiled");

    folder.rename_in("third.wasm", &plans_nothing());
    let after = policies.reload_now().unwrap();
    assert_eq!(after.plugins().len(), 3, "another plugin came");
    assert_eq!(
        runtime.compilations(),
        compiled + 1,
        "and it alone is compiled"
    );
    assert_eq!(
        (work(&policies, "other"), work(&policies, "route")),
        worked,
        "the others have done nothing for it"
    );
}

#[test]
fn two_changes_within_one_quiet_time_are_one() {
    let folder = Folder::new();
    let runtime = engine(None);
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans_nothing());
    let policies = open_slowly_with(folder.dir.path(), runtime.clone());
    policies.watch().unwrap();
    let (first, compiled) = (policies.current(), runtime.compilations());

    let begun = Instant::now();
    folder.rename_in(
        "route.wasm",
        &Guest::route("").extra("(func $gone)").build(),
    );
    folder.rename_in("route.wasm", &plans());
    let took = begun.elapsed();
    let lineup = next_lineup(&policies, first.generation());
    assert!(has_plan(&lineup), "what was there last serves");
    if took < Duration::from_millis(400) {
        assert_eq!(
            lineup.generation(),
            first.generation() + 1,
            "one lineup for both"
        );
        assert_eq!(
            runtime.compilations(),
            compiled + 1,
            "what was there in between was never compiled"
        );
    }
}

#[test]
fn a_hundred_files_at_once_are_all_admitted_once() {
    let folder = Folder::new();
    let runtime = engine(None);
    let policies = pair(&folder, &runtime);
    policies.watch().unwrap();
    let (before, compiled) = (policies.current(), runtime.compilations());
    let bytes = plans_nothing();
    thread::scope(|threads| {
        for part in 0..4 {
            let (folder, bytes) = (&folder, &bytes);
            threads.spawn(move || {
                for number in 0..25 {
                    let name = format!("new-{part}-{number}");
                    folder.rename_in(&format!("{name}.toml"), PATIENT.as_bytes());
                    folder.rename_in(&format!("{name}.wasm"), bytes);
                }
            });
        }
    });
    policies
        .wait(LONG, |_| policies.current().plugins().len() == 102)
        .expect("all are admitted");
    let all = policies.status();
    assert!(
        all.iter().all(|one| one.state == PluginState::Serving),
        "all serve"
    );
    let made: u64 = all.iter().map(|one| one.metrics.instances_created).sum();
    assert_eq!(made, 102, "with one instance each");
    // A sidecar that is there before its plugin costs nothing, so each was compiled once.
    assert_eq!(runtime.compilations(), compiled + 100, "compiled once each");
    for name in ["other", "route"] {
        assert!(
            Arc::ptr_eq(
                before.plugin(name).unwrap(),
                policies.current().plugin(name).unwrap()
            ),
            "`{name}` is the same as before"
        );
    }
}

/// Takes note of what a policies directory says of its plugins whenever a line is logged.
struct Looking {
    policies: Policies,
    /// Whether the status said what requests get.
    agreed: Mutex<Vec<bool>>,
}

impl Subscriber for Looking {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn event(&self, _: &Event<'_>) {
        let lineup = self.policies.current();
        let serving = |plugin: &Arc<Plugin>| Some(plugin.identity().wasm.to_string());
        let lineup: Vec<_> = lineup.plugins().iter().map(serving).collect();
        let status = self.policies.status();
        let told: Vec<_> = status.into_iter().map(|status| status.sha256).collect();
        self.agreed.lock().push(lineup == told);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[test]
fn the_status_never_tells_of_another_lineup_than_requests_get() {
    let folder = Folder::new();
    folder.rename_in("route.toml", PATIENT.as_bytes());
    folder.rename_in("route.wasm", &plans_nothing());
    let looking = Arc::new(Looking {
        policies: folder.open(),
        agreed: Mutex::default(),
    });
    folder.rename_in("route.wasm", &plans());
    tracing::subscriber::with_default(Arc::clone(&looking), || looking.policies.reload_now())
        .expect("it can be read");
    let agreed = looking.agreed.lock();
    assert!(
        !agreed.is_empty(),
        "it looked while the lineup was replaced"
    );
    assert!(agreed.iter().all(|agreed| *agreed), "{agreed:?}");
}
