use std::sync::Arc;
use std::time::Duration;

use witgate_capacity::{self as capacity, Cause, Limit, Refused as NoRoom};
use witgate_ledger::{Amounts, BalanceKey, Crossing, Unit, UnixMillis, Window};
use witgate_messages::error::{ErrorReport, ErrorType};
use witgate_messages::meter::{Reading, Source};
use witgate_messages::price::{Cost, Pricing};
use witgate_runtime::{Envelope, Hook, Lineup, Value};
use witgate_upstream::{AsSent, Figures};

use super::super::{
    Attempt, Downgrade, Outcome, RequestFacts, ResponseFacts, RouteFacts, Timing, Translated,
    UsageFacts, WithoutRoom, write_line,
};
use super::*;
use crate::answer::refused::{Blame, Refused, Retry};
use crate::exchange::decide::thinking::Thinking;
use crate::receipts::batch_note::BatchNote;
use crate::receipts::charged::Charged;
use crate::receipts::crash_note::CrashNote;
use crate::tenants::keys::Caller;
use crate::tenants::provenance::{Client, Provenance};

/// Texts and names that are written as they are.
const PLAIN: [&str; 5] = ["a", "claude-haiku-4-5", "user:acme/jane", "ü", "{}[],:"];

/// Others, some of which are cut, escaped, or name objects.
const ODD: [&str; 10] = [
    "",
    "a.b",
    "a",
    ".",
    "a.",
    ".a",
    "\"q\\",
    "line\n",
    "b.c.d.e.f.g.h.i.j.k",
    "\u{1}",
];

/// A source of receipts.
struct Dice {
    state: u64,
    /// Set if names are to be plain, and none is to be used twice.
    is_plain: bool,
    /// The texts to choose from.
    texts: Vec<String>,
}

impl Dice {
    fn new(texts: &[&str]) -> Self {
        let is_plain = texts == PLAIN;
        let texts = texts.iter().map(|text| (*text).to_owned());
        Self {
            state: 1,
            is_plain,
            texts: texts.collect(),
        }
    }

    fn below(&mut self, most: u64) -> u64 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.state >> 33) % most
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.below(2) == 1).then(|| make(self))
    }

    fn some<T>(&mut self, most: u64, mut make: impl FnMut(&mut Self, u64) -> T) -> Vec<T> {
        let count = self.below(most + 1);
        (0..count).map(|index| make(self, index)).collect()
    }

    fn number(&mut self) -> u64 {
        [0, 1, 1_234_567, u64::MAX][usize::try_from(self.below(4)).unwrap()]
    }

    fn text(&mut self) -> String {
        let most = u64::try_from(self.texts.len()).unwrap();
        let chosen = usize::try_from(self.below(most)).unwrap();
        self.texts[chosen].clone()
    }

    fn pairs(&mut self, most: u64) -> Vec<(String, String)> {
        self.some(most, |dice, index| {
            let number = match dice.is_plain {
                true => index,
                false => dice.below(2),
            };
            (format!("{}{number}", dice.text()), dice.text())
        })
    }

    fn receipt(&mut self) -> Receipt {
        Receipt {
            id: self.text().into(),
            started_unix_ms: self.number(),
            request: self.request(),
            route: self.route(),
            response: self.response(),
            usage: self.usage(),
            timing: Timing {
                first_byte: self.maybe(|dice| Duration::from_nanos(dice.number() >> 20)),
                total: Duration::from_nanos(self.number() >> 20),
            },
            left_out: self.number(),
            ..Receipt::default()
        }
    }

    fn request(&mut self) -> RequestFacts {
        let caller = self.maybe(|dice| Caller {
            id: dice.text().into(),
            tier: dice.maybe(|dice| dice.text().into()),
            ..Caller::default()
        });
        let envelope = self.maybe(|dice| Envelope {
            correlation_id: dice.maybe(Self::text),
            resource: dice.maybe(Self::text),
            tenant: dice.maybe(Self::text),
            user: dice.maybe(Self::text),
            session: dice.maybe(Self::text),
            agent: dice.maybe(Self::text),
            metadata: dice.pairs(3),
            ..Envelope::default()
        });
        let address = |number: u64| std::net::Ipv4Addr::from_bits(u32::try_from(number).unwrap());
        RequestFacts {
            endpoint: "messages",
            method: crate::text::Cut::to(32, &self.text()),
            caller: caller.map(Arc::new),
            provenance: Provenance {
                client: self.maybe(|dice| Client {
                    address: address(dice.below(2)).into(),
                    peer: address(dice.below(2)).into(),
                }),
                workspace: self.maybe(Self::text),
                environment: self.maybe(Self::text),
            },
            envelope: envelope.map(Arc::new),
            model: self.maybe(Self::text),
            bytes: self.number(),
            ..RequestFacts::default()
        }
    }

    fn route(&mut self) -> RouteFacts {
        RouteFacts {
            resource: self.maybe(Self::text),
            rule: self.maybe(Self::text),
            downgrade: self.maybe(|dice| Downgrade {
                from: dice.maybe(Self::text),
                to: dice.text(),
                account: dice.text(),
                plugin: dice.text().into(),
            }),
            thinking: self.maybe(|dice| Thinking {
                asked: dice.number(),
                allowed: dice.number(),
            }),
            attempts: self.some(3, |dice, _| Attempt {
                upstream: dice.text(),
                model: dice.maybe(Self::text),
                credential: dice.maybe(Self::text).map(Into::into),
                moved_from: dice.maybe(Self::text).map(Into::into),
                request_id: dice.maybe(Self::text),
                result: dice.maybe(Self::text).map_or(Ok(200), Err),
                translated: dice.maybe(Self::translated).map(Box::new),
            }),
            passed_over: self.pairs(2),
            without_room: self.some(2, |dice, _| WithoutRoom {
                upstream: dice.text(),
                no_room: dice.no_room(),
            }),
            ..RouteFacts::default()
        }
    }

    fn no_room(&mut self) -> NoRoom {
        NoRoom {
            resource: self.text().into(),
            limit: Limit {
                unit: capacity::Unit::Tokens,
                window: capacity::Window::Minute,
                amount: self.number(),
            },
            cause: Cause::Shortage {
                gave_way_to: self.maybe(Self::text).map(Into::into),
            },
            retry_after: self.maybe(|dice| Duration::from_millis(dice.number() >> 20)),
        }
    }

    fn translated(&mut self) -> Translated {
        Translated {
            sent: AsSent {
                provider: self.text(),
                model: self.text(),
                removed: self.some(3, |dice, _| dice.text()),
            },
            figures: Figures {
                latency_ms: self.maybe(Self::number),
                first_byte_ms: self.maybe(Self::number),
            },
        }
    }

    fn response(&mut self) -> ResponseFacts {
        ResponseFacts {
            status: self.maybe(|_| 200),
            outcome: self.maybe(|_| Outcome::Answered),
            ending: self.maybe(Self::text),
            refused: self.maybe(|dice| Refused {
                status: 400,
                kind: ErrorType::InvalidRequest,
                message: dice.text(),
                retry_after: None,
                retry: Retry::Useless,
                blame: match dice.below(4) {
                    0 => Blame::Client,
                    1 => Blame::Upstream,
                    2 => Blame::Policy {
                        plugin: dice.text(),
                        hook: Hook::Route,
                    },
                    _ => Blame::Plugin {
                        plugin: dice.text(),
                        hook: dice.maybe(|_| Hook::Route),
                        kind: "deadline",
                    },
                },
            }),
            bytes: self.number(),
        }
    }

    fn usage(&mut self) -> UsageFacts {
        UsageFacts {
            reading: self.maybe(Self::reading),
            cost: self.maybe(|dice| Cost {
                picousd: dice.number(),
                pricing: dice.maybe(|_| Pricing::Unpriced).unwrap_or(Pricing::Priced),
            }),
            charged: self.some(3, |dice, _| Charged {
                balance: BalanceKey {
                    account: dice.text().into(),
                    window: Window::Day,
                    unit: Unit::PicoUsd,
                    resets_at: dice.maybe(|dice| UnixMillis(dice.number())),
                },
                used: dice.number(),
            }),
            overdrawn: self.some(2, |dice, index| format!("{}{index}", dice.text())),
            // Their names have dots.
            crossings: match self.is_plain {
                true => Vec::new(),
                false => self.some(2, |dice, _| Crossing {
                    account: dice.text().into(),
                    window: Window::Day,
                    unit: Unit::Tokens,
                    percent: 80,
                    used: 8,
                    limit: 10,
                    resets_at: None,
                }),
            },
            batch: self.maybe(|dice| {
                let id = dice.text();
                let made = dice.maybe(|dice| BatchNote::made(&id, dice.number()));
                Box::new(made.unwrap_or_else(|| BatchNote::settled_before(&id.into())))
            }),
            crash: self.maybe(|dice| {
                Box::new(CrashNote {
                    owner: dice.text().into(),
                    amounts: Amounts::default(),
                })
            }),
        }
    }

    fn reading(&mut self) -> Reading {
        let mut reading = Reading {
            source: self.maybe(|_| Source::Reported).unwrap_or_default(),
            model: self.maybe(Self::text),
            message_id: self.maybe(Self::text),
            stop_reason: self.maybe(Self::text),
            error: self.maybe(|dice| ErrorReport {
                kind: ErrorType::InvalidRequest,
                message: dice.text(),
            }),
            ..Reading::default()
        };
        reading.usage.tokens.output = self.number();
        reading.usage.tokens.cache_split = self.maybe(|_| Default::default());
        reading.usage.thinking = self.maybe(Self::number);
        reading.usage.web_searches = self.number();
        reading.usage.service_tier = self.maybe(Self::text);
        reading.usage.speed = self.maybe(Self::text);
        reading.usage.unread = self.number();
        reading
    }
}

fn plugins(names: &[&str]) -> Vec<Field> {
    let field = |object: &str, name: &str| Field {
        name: format!("{object}.{name}"),
        value: Value::Text("0f".repeat(32)),
    };
    let wasm = names.iter().map(|name| field("plugins", name));
    let sidecars = names.iter().map(|name| field("sidecars", name));
    wasm.chain(sidecars).collect()
}

/// Returns the line that is written directly, or `None` if there is none, and the one that is written from a list.
fn lines(receipt: &Receipt, plugins: &[Field]) -> (Option<String>, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a text");
    let mut listed = receipt.fields(&Lineup::new(1, Vec::new(), &[]));
    listed.fields.extend_from_slice(plugins);
    let mut expected = Vec::new();
    write_line(&listed, &mut expected);
    let members = as_members(plugins).expect("plugins have names of their own");
    let mut direct = b"before".to_vec();
    let written = write_directly(receipt, &members, &mut direct);
    let direct = written.map(|()| text(direct.split_off(6)));
    (direct, text(expected))
}

#[test]
fn the_line_of_a_plain_receipt_is_written_directly_and_is_that_of_its_list() {
    let mut dice = Dice::new(&PLAIN);
    for round in 0..3_000 {
        let receipt = dice.receipt();
        let names = ["route", "budget.eu"];
        let (direct, listed) = lines(&receipt, &plugins(&names[..round % 3]));
        assert_eq!(direct, Some(listed), "{receipt:?}");
    }
}

#[test]
fn the_line_of_any_receipt_is_that_of_its_list_or_is_not_written_directly() {
    let mut texts = ODD.to_vec();
    let long = ["x".repeat(250), "\"".repeat(300), "y".repeat(600)];
    texts.extend(long.iter().map(String::as_str));
    let mut dice = Dice::new(&texts);
    let mut written = 0;
    for _ in 0..20_000 {
        let receipt = dice.receipt();
        let (direct, listed) = lines(&receipt, &plugins(&["route"]));
        if let Some(direct) = direct {
            assert_eq!(direct, listed, "{receipt:?}");
            written += 1;
        }
    }
    assert!((500..19_500).contains(&written), "{written} of both kinds");
}

#[test]
fn objects_that_others_named_are_written_as_those_of_the_list_or_not_directly() {
    fn put(fields: &mut Fields<impl Put>, names: &[&str]) {
        fields.object("guards", |fields| {
            for name in names {
                fields.named(name, |fields| fields.number("pieces", 1));
                fields.named(&format!("{name}1"), |_| {});
                fields.own_under(&format!("{name}2"), "text");
            }
        });
    }
    for (names, is_plain) in [
        (&[][..], true),
        (&["a"], true),
        (&["a", "b"], true),
        (&["a", "a"], false),
        (&["a", "a1"], true),
        (&["a", "a2"], false),
        (&["a.b"], false),
        (&[""], false),
        (&["\""], false),
    ] {
        let mut list = Fields::of(List::default());
        put(&mut list, names);
        let mut listed = Vec::new();
        let receipt = witgate_runtime::Receipt {
            id: String::new(),
            fields: list.done().into_fields(),
        };
        write_line(&receipt, &mut listed);
        let mut out = b"{".to_vec();
        let mut line = Fields::of(Line {
            members: 1,
            out: &mut out,
            is_plain: true,
        });
        put(&mut line, names);
        assert_eq!(line.done().is_plain, is_plain, "{names:?}");
        out.push(b'}');
        if is_plain {
            assert_eq!(out, listed, "{names:?}");
        }
    }
}

#[test]
fn a_name_that_an_object_has_already_is_not_written_twice() {
    let pair = |name: &str| (name.to_owned(), "1".to_owned());
    let receipt = Receipt {
        request: RequestFacts {
            envelope: Some(Arc::new(Envelope {
                metadata: vec![pair("a"), pair("a")],
                ..Envelope::default()
            })),
            ..RequestFacts::default()
        },
        ..Receipt::default()
    };
    let (direct, listed) = lines(&receipt, &[]);
    assert_eq!(direct, None, "the list has its own way with it");
    assert_eq!(listed.matches("\"a\":").count(), 1, "{listed}");
}
