//! Outlets: a slow or broken one holds up nothing, unless it is told to.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use parking_lot::Mutex;
use witgate_audit::outlet::{Bounds, Outlet, Running, Undelivered, WhenFull, WithOutlets};
use witgate_audit::{Audit, Health};

use crate::numbered::{Memory, Numbered, eager, patient, render};

/// An outlet that takes a delivery whenever it is let.
struct Gated {
    let_in: Receiver<Result<(), Undelivered>>,
    got: Arc<Mutex<String>>,
}

impl Outlet for Gated {
    fn deliver(&mut self, lines: &[u8]) -> Result<(), Undelivered> {
        // The other end is gone at the end of a test.
        self.let_in.recv().unwrap_or(Ok(()))?;
        self.got
            .lock()
            .push_str(std::str::from_utf8(lines).unwrap());
        Ok(())
    }
}

struct Scene {
    outlet: Arc<Running>,
    lets: Sender<Result<(), Undelivered>>,
    got: Arc<Mutex<String>>,
    file: Memory,
}

fn scene(queue_bytes: usize, when_full: WhenFull) -> Scene {
    retrying(Duration::from_millis(1), queue_bytes, when_full)
}

fn retrying(retry: Duration, queue_bytes: usize, when_full: WhenFull) -> Scene {
    let (lets, let_in) = channel();
    let got = Arc::<Mutex<String>>::default();
    let outlet = Gated {
        let_in,
        got: Arc::clone(&got),
    };
    let bounds = Bounds {
        name: "probe".into(),
        queue_bytes,
        when_full,
        batch_bytes: 1,
        first_retry: retry,
        longest_retry: retry,
    };
    Scene {
        outlet: Arc::new(Running::start(bounds, outlet).unwrap()),
        lets,
        got,
        file: Memory::default(),
    }
}

impl Scene {
    fn sink(&self) -> WithOutlets {
        WithOutlets::new(self.file.clone(), vec![Arc::clone(&self.outlet)])
    }
}

fn written(file: &Memory) -> String {
    String::from_utf8(file.0.lock().lines.clone()).unwrap()
}

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn an_outlet_that_takes_nothing_holds_up_no_receipt_and_what_it_misses_is_counted() {
    let scene = scene(4, WhenFull::Drop);
    let audit = Audit::start(eager(), scene.sink(), render).unwrap();
    for number in 0..5 {
        audit.submit(Numbered(number));
        assert_eq!(audit.flush(), Health::Well, "the file takes them");
    }
    assert_eq!(
        written(&scene.file),
        "0\n1\n2\n3\n4\n",
        "all are in the file"
    );
    let stats = scene.outlet.stats();
    assert_eq!((stats.dropped, stats.queued_bytes), (3, 4), "{stats:?}");
    drop(scene.lets);
    scene.outlet.shutdown(MINUTE);
    assert_eq!(*scene.got.lock(), "0\n1\n", "the oldest were kept");
    let stats = scene.outlet.stats();
    assert_eq!((stats.delivered, stats.queued_bytes), (2, 0), "{stats:?}");
}

#[test]
fn an_outlet_that_is_to_block_makes_the_audit_keep_its_lines() {
    let scene = scene(4, WhenFull::Block);
    let audit = Audit::start(patient(), scene.sink(), render).unwrap();
    for number in 0..2 {
        audit.submit(Numbered(number));
        assert_eq!(audit.flush(), Health::Well, "there is room");
    }
    audit.submit(Numbered(2));
    let Health::Failing { error, .. } = audit.flush() else {
        panic!("it should be failing");
    };
    assert!(error.contains("the queue of `probe` is full"), "{error}");
    assert_eq!(written(&scene.file), "0\n1\n", "the third waits");
    drop(scene.lets);
    while audit.flush() != Health::Well {
        std::thread::yield_now();
    }
    audit.shutdown();
    scene.outlet.shutdown(MINUTE);
    assert_eq!(written(&scene.file), "0\n1\n2\n", "in the file");
    assert_eq!(*scene.got.lock(), "0\n1\n2\n", "and there, each once");
    assert_eq!(scene.outlet.stats().dropped, 0, "nothing is lost");
}

#[test]
fn a_delivery_that_fails_is_tried_again_and_told_meanwhile() {
    let scene = scene(1_000, WhenFull::Drop);
    let audit = Audit::start(eager(), scene.sink(), render).unwrap();
    audit.submit(Numbered(0));
    audit.flush();
    scene
        .lets
        .send(Err(Undelivered::Later("no route".to_owned())))
        .unwrap();
    while scene.outlet.stats().failing.is_none() {
        std::thread::yield_now();
    }
    assert_eq!(
        scene.outlet.stats().failing.as_deref(),
        Some("no route"),
        "told"
    );
    scene.lets.send(Ok(())).unwrap();
    while scene.outlet.stats().failing.is_some() {
        std::thread::yield_now();
    }
    assert_eq!(*scene.got.lock(), "0\n", "once");
    assert_eq!(scene.outlet.stats().delivered, 1, "and counted");
}

#[test]
fn lines_that_the_file_did_not_take_do_not_reach_an_outlet_twice() {
    let scene = scene(1_000, WhenFull::Drop);
    scene.file.0.lock().room = Some(3);
    let audit = Audit::start(patient(), scene.sink(), render).unwrap();
    audit.submit(Numbered(0));
    audit.submit(Numbered(1));
    assert_ne!(audit.flush(), Health::Well, "a part of the second");
    scene.file.0.lock().room = None;
    assert_eq!(audit.flush(), Health::Well, "the rest");
    drop(scene.lets);
    scene.outlet.shutdown(MINUTE);
    assert_eq!(*scene.got.lock(), "0\n1\n", "each once");
}

#[test]
fn at_the_end_an_outlet_that_takes_nothing_is_given_up() {
    let scene = retrying(60 * MINUTE, 1_000, WhenFull::Drop);
    let audit = Audit::start(eager(), scene.sink(), render).unwrap();
    audit.submit(Numbered(0));
    audit.shutdown();
    scene
        .lets
        .send(Err(Undelivered::Later("away".to_owned())))
        .unwrap();
    scene.outlet.shutdown(Duration::ZERO);
    let stats = scene.outlet.stats();
    assert_eq!((stats.delivered, stats.dropped), (0, 1), "{stats:?}");
}

#[test]
fn lines_that_a_destination_rejects_are_dropped_and_the_next_ones_get_there() {
    let scene = scene(1_000, WhenFull::Drop);
    let audit = Audit::start(eager(), scene.sink(), render).unwrap();
    for number in 0..2 {
        audit.submit(Numbered(number));
        audit.flush();
    }
    let never = Undelivered::Never("no such form".to_owned());
    scene.lets.send(Err(never)).unwrap();
    drop(scene.lets);
    scene.outlet.shutdown(MINUTE);
    let stats = scene.outlet.stats();
    assert_eq!((stats.delivered, stats.dropped), (1, 1), "{stats:?}");
    assert_eq!(*scene.got.lock(), "1\n", "the second");
}

#[test]
fn a_delivery_that_never_ends_does_not_hold_up_the_end() {
    let scene = scene(1_000, WhenFull::Drop);
    let audit = Audit::start(eager(), scene.sink(), render).unwrap();
    audit.submit(Numbered(0));
    audit.shutdown();
    // It waits to be let in for ever.
    scene.outlet.shutdown(Duration::ZERO);
    assert_eq!(scene.outlet.stats().delivered, 0, "given up");
}
