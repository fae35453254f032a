//! The rows of the bench: a call of each shape.

use std::cell::RefCell;
use std::hint::black_box;
use std::rc::Rc;

use wasmtime::{Engine, Instance, Module, Result, Store, UpdateDeadline};

use crate::host::generated::Shapes;
use crate::host::{Guest, Running, State, handle};
use crate::values::{self, Facts};

/// A shape and a call of it.
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) call: Box<dyn FnMut()>,
}

/// The rows of one guest.
pub(crate) struct Rows {
    guest: Rc<Guest>,
    running: Rc<RefCell<Running>>,
}

/// Returns a call of a core module's function, without the component model.
pub(crate) fn core(engine: &Engine) -> Row {
    let bytes = wat::parse_str(r#"(module (func (export "nop")))"#).expect("it is a module");
    let module = Module::new(engine, bytes).expect("it compiles");
    let mut store = Store::new(engine, ());
    store.epoch_deadline_callback(|_| Ok(UpdateDeadline::Continue(1_000)));
    let instance = Instance::new(&mut store, &module, &[]).expect("it starts");
    let nop = instance
        .get_typed_func::<(), ()>(&mut store, "nop")
        .expect("it is there");
    Row {
        name: "nop of a core module".to_owned(),
        call: Box::new(move || {
            store.set_epoch_deadline(1_000);
            nop.call(&mut store, ()).expect("it serves");
        }),
    }
}

// === impl Rows ===

impl Rows {
    pub(crate) fn new(guest: Guest) -> Self {
        Self {
            running: Rc::new(RefCell::new(guest.start())),
            guest: Rc::new(guest),
        }
    }

    fn row<R>(
        &self,
        name: impl Into<String>,
        mut call: impl FnMut(&Shapes, &mut Store<State>) -> Result<R> + 'static,
    ) -> Row {
        let running = Rc::clone(&self.running);
        Row {
            name: name.into(),
            call: Box::new(move || {
                black_box(running.borrow_mut().call(&mut call));
            }),
        }
    }

    fn fresh_row<R>(
        &self,
        name: &str,
        mut call: impl FnMut(&Shapes, &mut Store<State>) -> Result<R> + 'static,
    ) -> Row {
        let guest = Rc::clone(&self.guest);
        Row {
            name: name.to_owned(),
            call: Box::new(move || {
                black_box(guest.start().call(&mut call));
            }),
        }
    }

    pub(crate) fn nop(&self) -> Vec<Row> {
        vec![self.row("nop", |shapes, store| shapes.call_nop(store))]
    }

    pub(crate) fn fresh(&self) -> Vec<Row> {
        let (facts, basics) = (Facts::typical(), Facts::typical().basics);
        vec![
            self.fresh_row("fresh: nop", |shapes, store| shapes.call_nop(store)),
            self.fresh_row("fresh: basics as arguments", move |shapes, store| {
                shapes.call_by_arguments(store, &basics)
            }),
            self.fresh_row("fresh: 0.2, a plan back", move |shapes, store| {
                shapes.call_today(store, handle(), &facts.envelope, &facts.upstreams)
            }),
        ]
    }

    /// The hooks as contract 0.3 has them.
    pub(crate) fn chosen(&self) -> Vec<Row> {
        let Facts {
            basics, estimate, ..
        } = Facts::typical();
        let route = basics.clone();
        vec![
            self.row("0.3: envelope, 8 getters, changes back", |shapes, store| {
                shapes.call_envelope_of(store)
            }),
            self.row("0.3: route, a plan back", move |shapes, store| {
                shapes.call_route(store, &route)
            }),
            self.row("0.3: budget, three charges back", move |shapes, store| {
                shapes.call_budget(store, &basics, estimate)
            }),
        ]
    }

    pub(crate) fn arguments(&self) -> Vec<Row> {
        let data = vec![7_u8; 600];
        let basics = Facts::typical().basics;
        let mut rows = vec![
            self.row("600 bytes as one list", move |shapes, store| {
                shapes.call_bytes(store, &data)
            }),
            self.row("basics as arguments", move |shapes, store| {
                shapes.call_by_arguments(store, &basics)
            }),
        ];
        for (name, facts) in [
            ("a plan back", Facts::typical()),
            ("nothing back", Facts::without_tenant()),
            ("all empty, nothing back", Facts::empty()),
        ] {
            let facts = Rc::new(facts);
            let (route, extra, pushed) = (Rc::clone(&facts), Rc::clone(&facts), facts);
            rows.push(self.row(format!("0.2: {name}"), move |shapes, store| {
                shapes.call_today(store, handle(), &route.envelope, &route.upstreams)
            }));
            let title = format!("0.2: caller() and head() asked: {name}");
            rows.push(self.row(title, move |shapes, store| {
                shapes.call_today_extra(store, handle(), &extra.envelope, &extra.upstreams)
            }));
            rows.push(
                self.row(format!("all pushed: {name}"), move |shapes, store| {
                    let Facts {
                        caller,
                        head,
                        envelope,
                        estimate,
                        upstreams,
                        ..
                    } = &*pushed;
                    shapes.call_pushed(store, caller, head, envelope, *estimate, upstreams)
                }),
            );
        }
        rows
    }

    pub(crate) fn getters(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (texts, numbers) in [(0, 0), (1, 1), (3, 3), (6, 6), (0, 6), (6, 0)] {
            let read = format!("{texts} texts, {numbers} numbers");
            rows.push(
                self.row(format!("by handle: {read}"), move |shapes, store| {
                    shapes.call_by_handle(store, handle(), texts, numbers)
                }),
            );
            rows.push(
                self.row(format!("by function: {read}"), move |shapes, store| {
                    shapes.call_by_function(store, texts, numbers)
                }),
            );
        }
        for (texts, numbers) in [(0, 0), (1, 1), (4, 0)] {
            let name = format!("one record, then {texts} texts, {numbers} numbers");
            rows.push(self.row(name, move |shapes, store| {
                shapes.call_by_record(store, texts, numbers)
            }));
        }
        rows
    }

    pub(crate) fn results(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (change, what) in [(false, "nothing to say"), (true, "something")] {
            rows.extend([
                self.row(format!("option of a plan: {what}"), move |shapes, store| {
                    shapes.call_gives_option(store, change)
                }),
                self.row(
                    format!("variant with one text: {what}"),
                    move |shapes, store| shapes.call_gives_choice(store, change),
                ),
                self.row(
                    format!("one text, by an import: {what}"),
                    move |shapes, store| shapes.call_gives_by_call(store, change),
                ),
                self.row(
                    format!("list of two edits: {what}"),
                    move |shapes, store| shapes.call_gives_edits(store, change),
                ),
                self.row(
                    format!("receipt of 25 fields: {what}"),
                    move |shapes, store| shapes.call_gives_receipt(store, change),
                ),
            ]);
        }
        rows
    }

    /// Results without `post-return`. The guest keeps the last one, so its arena would never be empty.
    pub(crate) fn lean_results(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (change, what) in [(false, "nothing to say"), (true, "something")] {
            rows.extend([
                self.row(
                    format!("option of a plan, no post-return: {what}"),
                    move |shapes, store| shapes.call_lean_option(store, change),
                ),
                self.row(
                    format!("variant with one text, no post-return: {what}"),
                    move |shapes, store| shapes.call_lean_choice(store, change),
                ),
                self.row(
                    format!("list of two edits, no post-return: {what}"),
                    move |shapes, store| shapes.call_lean_edits(store, change),
                ),
            ]);
        }
        rows
    }

    /// Batches of receipts. A row is a whole batch.
    pub(crate) fn receipts(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for count in [1, 32] {
            let receipts = values::receipts(count);
            rows.push(self.row(
                format!("{count} receipts: in and out"),
                move |shapes, store| shapes.call_receipts_today(store, &receipts),
            ));
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            for reads in [0, 2, 6] {
                let name = format!("{count} receipts: {reads} fields read of each, two edits out");
                rows.push(self.row(name, move |shapes, store| {
                    shapes.call_receipts_edits(store, count, reads)
                }));
            }
        }
        rows
    }
}
