//! Rendering errors, which affect at most the receipt in question.

use witgate_audit::{Audit, Lines};

use crate::numbered::{CURSED, Memory, Numbered, eager, patient, render};

#[test]
fn a_panic_in_render_costs_no_receipt_and_not_the_thread() {
    let sink = Memory::default();
    let fragile = |batch: &[Numbered], out: &mut Lines| {
        render(batch, out);
        assert!(batch[0].0 != 13, "unlucky");
    };
    let audit = Audit::start(eager(), sink.clone(), fragile).unwrap();
    for number in [12, 13, 14] {
        audit.submit(Numbered(number));
        audit.flush();
    }
    let stats = audit.shutdown();
    assert_eq!(
        sink.0.lock().lines,
        b"12\n13 render-panicked\n14\n",
        "raw, once, and the next is rendered"
    );
    assert_eq!((stats.render_panics, stats.lost), (1, 0), "counted");
    assert!(
        stats.last_error.unwrap().contains("unlucky"),
        "the panic's text is told"
    );
}

#[test]
fn a_render_that_forgets_a_receipt_gets_the_batch_written_raw() {
    let sink = Memory::default();
    let forgetful = |batch: &[Numbered], out: &mut Lines| render(&batch[1..], out);
    let audit = Audit::start(eager(), sink.clone(), forgetful).unwrap();
    audit.submit(Numbered(1));
    assert_eq!(audit.shutdown().render_miscounts, 1, "noticed");
    assert_eq!(sink.0.lock().lines, b"1 render-miscounted\n", "written");
}

#[test]
fn a_receipt_that_cannot_be_rendered_costs_the_others_of_its_batch_nothing() {
    let sink = Memory::default();
    let fragile = |batch: &[Numbered], out: &mut Lines| {
        render(batch, out);
        assert!(batch.iter().all(|it| it.0 != 13), "unlucky");
    };
    let audit = Audit::start(patient(), sink.clone(), fragile).unwrap();
    for number in [12, 13, 14] {
        audit.submit(Numbered(number));
    }
    audit.shutdown();
    assert_eq!(
        sink.0.lock().lines,
        b"12\n13 render-panicked\n14\n",
        "only one is raw, and all are in their order"
    );
}

#[test]
fn a_receipt_that_panics_takes_only_itself() {
    let sink = Memory::default();
    let audit = Audit::start(eager(), sink.clone(), |_: &[Numbered], _: &mut Lines| {
        panic!("always")
    })
    .unwrap();
    for number in [1, CURSED, 2] {
        audit.submit(Numbered(number));
    }
    assert_eq!(audit.shutdown().lost, 1, "lost and counted");
    assert_eq!(
        sink.0.lock().lines,
        b"1 render-panicked\n2 render-panicked\n",
        "the others are there"
    );
}
