//! The gateway is killed again and again in the middle of traffic: streams, retries, faults, uploads, batches, reloads, and
//! upgrades in which the old process dies, the new one, or both. After each kill, ledger, receipts, sums, clients and upstream
//! agree: no finished exchange is lost or counted twice, what a client had got is spent, and no hold stays open.
//!
//! Segments of receipts are as small as they may be, so that each kill may hit a rotation.
//!
//! `make crash` kills it 200 times; `WITGATE_KILLS` is another number. `WITGATE_SEED` repeats the choices of a run, which it
//! prints; the machine's own timing can't be repeated.

mod clients;
mod compare;
pub(super) mod desk;
mod dice;
mod receipts;
mod storm;

use std::hash::{BuildHasher as _, RandomState};
use std::process::Output;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::sleep;
use witgate_artifacts::BUDGET;

use self::clients::Clients;
use self::compare::contradictions;
use self::desk::Desk;
use self::dice::Dice;
use self::receipts::Receipts;
use crate::harness::{GatewayBuilder, Installation, Process, Upstream, text, witgate};

const LIMITS: &str = "[[settings.tiers.pro.limits]]\naccount = \"tenant\"\nwindow = \"total\"\nusd = \"100000.00\"\n\n\
                      [[settings.tiers.pro.limits]]\naccount = \"user\"\nwindow = \"total\"\nrequests = 100000000\n\n\
                      [[settings.tiers.pro.limits]]\naccount = \"key+model\"\nwindow = \"total\"\ntokens = 100000000000\n";

/// Kills in the short run, which is a test like any other: one of each kind.
const KILLS: usize = Trouble::ALL.len();

/// What happens to the gateway.
#[derive(Debug, Clone, Copy)]
enum Trouble {
    /// It is killed.
    Kill,
    /// It is killed after it was told to reload.
    Reload,
    /// It hands over, and the new process is killed.
    HandOver,
    /// It hands over and is killed while it drains.
    OldDies,
    /// The new process is killed somewhere in its start, and the old one after it.
    NewDies,
    /// Both are killed somewhere in the start of the new one.
    BothDie,
}

// === impl Trouble ===

impl Trouble {
    const ALL: [Self; 6] = [
        Self::Kill,
        Self::Reload,
        Self::HandOver,
        Self::OldDies,
        Self::NewDies,
        Self::BothDie,
    ];

    /// Returns whether the files alone tell everything, before another process has looked at what a process left that drained.
    fn leaves_all(self) -> bool {
        match self {
            Self::Kill | Self::Reload | Self::HandOver => true,
            Self::OldDies | Self::NewDies | Self::BothDie => false,
        }
    }

    /// Has it happen to a process under traffic. No process is left.
    async fn strike(
        self,
        process: Process,
        installation: &Installation,
        clients: &Clients,
        dice: &mut Dice,
    ) {
        match self {
            Self::Kill => {
                clients.end();
                process.die().await;
            }
            Self::Reload => {
                process.signal("-HUP").await;
                pause(dice, 50).await;
                clients.end();
                process.die().await;
            }
            Self::HandOver => {
                let next = installation.upgrade().await;
                clients.go_to(Some(next.address));
                process.ended().await;
                pause(dice, 150).await;
                clients.end();
                next.die().await;
            }
            Self::OldDies => {
                let next = installation.upgrade().await;
                clients.go_to(Some(next.address));
                pause(dice, 50).await;
                process.die().await;
                pause(dice, 150).await;
                clients.end();
                next.die().await;
            }
            Self::NewDies => {
                let mut next = installation.begin_upgrade();
                pause(dice, 1_000).await;
                next.kill().await.expect("it is killed");
                pause(dice, 150).await;
                clients.end();
                process.die().await;
            }
            Self::BothDie => {
                let mut next = installation.begin_upgrade();
                pause(dice, 1_000).await;
                clients.end();
                let (one, ()) = tokio::join!(next.kill(), process.die());
                one.expect("it is killed");
            }
        }
    }
}

/// Lets traffic go on for a random time.
async fn pause(dice: &mut Dice, millis: u64) {
    sleep(Duration::from_micros(dice.below(millis * 1_000))).await;
}

fn installation_with(limits: &str, upstream: &Upstream) -> Installation {
    let upstream = format!(
        "[upstreams.default]\nbase_url = \"{}\"\ncredential = {{ file = \"upstream.key\" }}\n\
         retry = {{ attempts = 2, base_ms = 1, cap_ms = 2, budget_ratio = 1.0 }}\n",
        upstream.url()
    );
    let builder = GatewayBuilder::shipped()
        .plugin("budget", BUDGET, limits)
        .top("default_upstream = \"default\"")
        .extra("[state]\ndirectory = \"state\"\n\n[upgrade]\nsocket = \"witgate.sock\"\n")
        .extra("[batches]\npoll_ms = 50\n")
        .receipts("rotate_bytes = 65536\nkeep = 1000000\n")
        .extra(&upstream);
    Installation::new(&builder)
}

/// Compares ledger and receipts while no gateway runs.
fn verify(installation: &Installation, after: &str) {
    let verified = ledger(installation, "verify");
    assert!(
        verified.status.success(),
        "after {after}: {}",
        text(&verified)
    );
}

fn ledger(installation: &Installation, command: &str) -> Output {
    witgate(
        &installation.file(""),
        &["ledger", command, "--config", "witgate.toml"],
    )
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_in_the_middle_of_traffic_lose_nothing_and_count_nothing_twice() {
    let kills = number("WITGATE_KILLS").map_or(KILLS, |kills| usize::try_from(kills).unwrap());
    let seed = number("WITGATE_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    println!("WITGATE_SEED={seed} repeats this run");
    let mut dice = Dice::new(seed);
    let (desk, upstream) = Desk::open().await;
    let installation = Arc::new(installation_with(LIMITS, &upstream));
    let mut clients = Clients::new(&installation);
    let mut receipts = Receipts::default();
    let begun = Instant::now();
    let mut process = installation.start().await;
    for kill in 0..kills {
        let trouble = Trouble::ALL[kill % Trouble::ALL.len()];
        clients.go_to(Some(process.address));
        clients.begin(&mut dice);
        pause(&mut dice, 150).await;
        trouble
            .strike(process, &installation, &clients, &mut dice)
            .await;
        clients.ended().await;
        if trouble.leaves_all() {
            verify(
                &installation,
                &format!("kill {kill} ({trouble:?}), WITGATE_SEED={seed}"),
            );
        }
        process = installation.start().await;
        let seen = clients.seen.lock().clone();
        let known = (&seen, &desk);
        let faults = contradictions(&installation, &process, &mut receipts, known).await;
        assert!(
            faults.is_empty(),
            "after kill {kill} ({trouble:?}) with WITGATE_SEED={seed}: {faults:#?}\n{}",
            process.log()
        );
    }
    process.signal("-TERM").await;
    process.ended().await;
    verify(&installation, "the last stop");
    std::fs::remove_dir_all(installation.file("state/ledger")).expect("it is there");
    let rebuilt = ledger(&installation, "rebuild");
    assert!(rebuilt.status.success(), "{}", text(&rebuilt));
    verify(&installation, "it was made again from receipts");
    let chain = witgate(
        &installation.file(""),
        &["receipts", "verify", "--config", "witgate.toml"],
    );
    assert!(chain.status.success(), "{}", text(&chain));
    let process = installation.start().await;
    let seen = clients.seen.lock().clone();
    let known = (&seen, &desk);
    let faults = contradictions(&installation, &process, &mut receipts, known).await;
    assert!(faults.is_empty(), "made again from receipts: {faults:#?}");
    let seen = clients.seen.lock().clone();
    println!(
        "{kills} kills in {:?}: {} receipts, {} answers whole and {} in part, {} batches, {} files",
        begun.elapsed(),
        receipts.count(),
        seen.whole.len(),
        seen.parts.len(),
        seen.batches.len(),
        seen.files.len()
    );
    assert!(!seen.whole.is_empty() || kills < KILLS, "there was traffic");
}
