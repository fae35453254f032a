//! Trouble with the disk: full, read-only, slow, damaged.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use witgate_journal::{Damage, Health, OnDamage, Options, RecoverError, recover};

use crate::disk::Memory;
use crate::work::{
    Books, NOW, Work, amounts, charges, counting, held_by, options, read_back, until,
};

/// Runs a future that waits for nothing but its turn.
fn at_once<F: Future>(future: F) -> F::Output {
    const TURNS: usize = 20;
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..TURNS {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
    }
    panic!("it waits")
}

fn timed() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
}

fn is_failing(books: &Books) -> bool {
    matches!(books.log.health(), Health::Failing(_))
}

#[test]
fn a_full_disk_is_reported_at_once_and_what_it_refused_is_written_once_there_is_room() {
    for cuts_fail in [false, true] {
        let disk = Memory::default();
        let mut books = Books::begin(&disk, options());
        books.open(&[0, 1], 10);
        books.log.write().unwrap();
        disk.trouble(|trouble| {
            trouble.space = Some(17);
            trouble.cuts_fail = cuts_fail;
        });
        books.open(&[0, 1], 20);
        let position = books.holds[1].0.position();
        let refused = at_once(books.log.written(position));
        let told = refused.expect_err("there is no room").to_string();
        assert!(told.contains("can't be written"), "{told}");
        assert!(is_failing(&books), "readiness knows");
        books.holds[0].0.extend(amounts(30)).unwrap();
        assert!(
            at_once(books.log.written(books.holds[0].0.position())).is_err(),
            "and no request waits for the disk"
        );
        disk.trouble(|trouble| *trouble = Default::default());
        until("the disk to be well", || !is_failing(&books));
        at_once(books.log.written(books.holds[0].0.position())).expect("it is written");
        let found = read_back(&disk.after_kill()).export(NOW);
        let kept = held_by(&books.ledger);
        assert_eq!(
            counting(&found),
            counting(&kept),
            "nothing is missing or doubled"
        );
    }
}

#[test]
fn requests_that_are_ready_together_are_written_together() {
    let disk = Memory::default();
    let patient = Options {
        // The log's thread has nothing to do meanwhile.
        sync_interval: Duration::from_secs(3600),
        ..options()
    };
    let mut books = Books::begin(&disk, patient);
    let before = books.log.stats().writes;
    let noting = RefCell::new(&mut books.holds);
    let request = async |amount| {
        let charges = charges(&[0, 1], amount);
        let hold = books
            .ledger
            .reserve_as("req", charges, "acme", NOW)
            .unwrap();
        let position = hold.position();
        noting.borrow_mut().push((hold, 0));
        books.log.written(position).await
    };
    timed().block_on(async {
        let (first, second, third) = tokio::join!(request(10), request(20), request(30));
        first.and(second).and(third).expect("the disk is well");
    });
    assert_eq!(books.log.stats().writes - before, 1, "one write for all");
    let found = read_back(&disk.after_kill()).export(NOW);
    assert_eq!(
        counting(&found),
        counting(&held_by(&books.ledger)),
        "and all are there"
    );
}

#[test]
fn a_sync_that_fails_begins_a_new_epoch_because_it_is_not_known_what_survives() {
    let disk = Memory::default();
    let mut books = Books::begin(&disk, options());
    // Before there is anything to sync, because the thread syncs, too.
    disk.trouble(|trouble| {
        trouble.syncs_fail = true;
        trouble.publishing_fails = true;
    });
    books.open(&[0, 1, 2], 10);
    // Whoever found it first: the thread has then tried to begin anew, and gives that as the reason.
    books.log.sync().expect_err("the disk refuses");
    assert!(is_failing(&books), "readiness knows");
    books.open(&[0, 1, 2], 20);
    disk.trouble(|trouble| *trouble = Default::default());
    until("the disk to be well", || !is_failing(&books));
    // The holds that were open before are only counted from here on.
    books.make(&Work::Settle { hold: 0, amount: 7 });
    books.log.sync().expect("the disk is well");
    let found = read_back(&disk.after_power_loss(|_| 0)).export(NOW);
    let kept = held_by(&books.ledger);
    assert!(found.position.epoch > 1, "{:?}", found.position);
    assert_eq!(counting(&found), counting(&kept), "nothing is missing");
    assert_eq!(found.open_holds, 1, "one is open");
}

#[test]
fn steps_that_no_longer_fit_into_memory_are_made_up_for_by_a_snapshot() {
    let disk = Memory::default();
    let bounded = Options {
        buffer_bytes: 2_000,
        ..options()
    };
    let mut books = Books::begin(&disk, bounded);
    disk.trouble(|trouble| {
        trouble.space = Some(0);
        trouble.publishing_fails = true;
    });
    books.open(&[0, 1, 2, 3], 10);
    assert!(books.log.write().is_err(), "the disk is full");
    for _ in 0..100 {
        books.open(&[0, 1, 2, 3], 10);
    }
    disk.trouble(|trouble| *trouble = Default::default());
    until("the disk to be well", || !is_failing(&books));
    books.log.write().expect("it is well");
    let found = read_back(&disk.after_kill()).export(NOW);
    let kept = held_by(&books.ledger);
    assert_eq!(counting(&found), counting(&kept), "nothing is missing");
}

#[test]
fn a_disk_that_does_not_answer_is_failing_and_only_one_thread_waits_for_it() {
    let disk = Memory::default();
    let impatient = Options {
        patience: Duration::ZERO,
        ..options()
    };
    let mut books = Books::begin(&disk, impatient);
    disk.trouble(|trouble| trouble.appends_wait = true);
    books.open(&[0], 10);
    let books = Arc::new(books);
    let position = books.holds[0].0.position();
    let waiting = {
        let books = Arc::clone(&books);
        std::thread::spawn(move || books.log.write().is_ok())
    };
    until("the disk to be too slow", || is_failing(&books));
    let told = at_once(books.log.written(position)).expect_err("it takes too long");
    assert!(told.to_string().contains("takes more than"), "{told}");
    disk.trouble(|trouble| trouble.appends_wait = false);
    let _ = waiting.join().unwrap();
    until("the disk to be well", || {
        !is_failing(&books) && books.log.stats().written > 0
    });
    let found = read_back(&disk.after_kill()).export(NOW);
    assert_eq!(found.position, position, "it is there");
}

#[test]
fn steps_are_synced_after_every_pause_between_them() {
    let disk = Memory::default();
    let often = Options {
        sync_interval: Duration::from_micros(1),
        ..options()
    };
    let mut books = Books::begin(&disk, often);
    // The thread is at any point between two of its rounds, or asleep.
    for round in 0..2_000 {
        let before = books.log.stats().syncs;
        books.open(&[0], 10);
        until("a sync", || books.log.stats().syncs > before);
        (0..round % 50).for_each(|_| std::thread::yield_now());
    }
}

#[test]
fn a_request_that_finds_another_writing_asks_for_no_sync() {
    const ROUNDS: u64 = 40;
    let disk = Memory::default();
    let rare = Options {
        sync_interval: Duration::from_secs(3600),
        ..options()
    };
    let mut books = Books::begin(&disk, rare);
    books.open(&[0], 10);
    until("the first sync", || books.log.stats().syncs > 0);
    let before = books.log.stats().syncs;
    for _ in 0..ROUNDS {
        disk.trouble(|trouble| trouble.appends_wait = true);
        books.open(&[0], 10);
        let position = books.holds.last().expect("it was opened").0.position();
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| books.log.write().is_ok());
            until("the write to begin", || disk.is_waiting());
            let runtime = timed();
            let _timers = runtime.enter();
            let mut waiting = pin!(books.log.written(position));
            let polled = waiting
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "it waits for the other");
            disk.trouble(|trouble| trouble.appends_wait = false);
            assert!(writing.join().unwrap(), "the disk is well");
            runtime.block_on(waiting).expect("it was written with it");
        });
    }
    // A round on a machine that stalls is a slow write, which the thread takes over.
    let syncs = books.log.stats().syncs - before;
    assert!(syncs < ROUNDS / 2, "{syncs} syncs");
}

/// Two segments and no newer snapshot, as a process leaves them that was killed before it wrote one.
fn two_segments() -> (Memory, Vec<String>) {
    let disk = Memory::default();
    let mut books = Books::begin(&disk, options());
    books.open(&[0], 10);
    books.log.write().unwrap();
    disk.trouble(|trouble| {
        trouble.space = Some(5);
        trouble.cuts_fail = true;
    });
    books.open(&[1], 20);
    assert!(books.log.write().is_err(), "the disk is full");
    disk.trouble(|trouble| *trouble = Default::default());
    until("the disk to be well", || !is_failing(&books));
    books.open(&[2], 30);
    books.log.write().unwrap();
    let disk = disk.after_kill();
    let names = disk.names(".log");
    assert_eq!(names.len(), 2, "two segments: {names:?}");
    (disk, names)
}

#[test]
fn a_failed_write_that_could_not_be_cut_off_is_no_damage() {
    let (disk, _) = two_segments();
    assert_eq!(read_back(&disk).orphans().len(), 3, "all holds are there");
}

#[test]
fn damage_before_the_end_is_an_error_unless_the_operator_accepts_it() {
    let (disk, names) = two_segments();
    let mut bytes = disk.content(&names[0]);
    bytes[40] ^= 1;
    disk.replace(&names[0], bytes);
    let refused = recover(&disk, OnDamage::Refuse).expect_err("a step is missing");
    let told = refused.to_string();
    assert!(
        matches!(
            refused,
            RecoverError::Damaged(Damage::Missing { from: 1, to: 2, .. })
        ),
        "{told}"
    );
    assert!(told.contains(&names[1]), "with the file: {told}");
    let accepted = recover(&disk, OnDamage::Accept).unwrap();
    assert_eq!(accepted.orphans().len(), 2, "what can be read is there");
    assert_eq!(accepted.damage.len(), 1, "and the damage is told");

    let (disk, _) = two_segments();
    let snapshot = disk.names(".snapshot").pop().unwrap();
    let mut bytes = disk.content(&snapshot);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    disk.replace(&snapshot, bytes);
    let refused = recover(&disk, OnDamage::Refuse).expect_err("the snapshot is damaged");
    assert!(refused.to_string().contains(&snapshot), "{refused}");
    let accepted = recover(&disk, OnDamage::Accept).unwrap();
    assert_eq!(accepted.orphans().len(), 3, "the segments are there");
}

#[test]
fn a_file_of_another_version_is_refused_as_what_it_is() {
    for kind in [".log", ".snapshot"] {
        let (disk, _) = two_segments();
        let name = disk.names(kind).pop().unwrap();
        let mut bytes = disk.content(&name);
        // The version is the last byte of the first eight, and the checksum of the head behind the numbers.
        bytes[7] += 1;
        let sum = crc32c::crc32c(&bytes[..24]).to_le_bytes();
        bytes[24..28].copy_from_slice(&sum);
        disk.replace(&name, bytes);
        let refused = recover(&disk, OnDamage::Refuse).expect_err("it can't be read");
        assert!(
            matches!(&refused, RecoverError::Damaged(Damage::Unknown { file }) if *file == name),
            "not cut off: {refused}"
        );
        assert!(
            refused
                .to_string()
                .contains("start the version that wrote it"),
            "with the cure: {refused}"
        );
    }
}
