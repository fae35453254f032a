//! The line of a usual receipt, for the bench that measures how it is written.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use witgate_ledger::{BalanceKey, Unit, UnixMillis, Window};
use witgate_messages::meter::{Reading, Source};
use witgate_messages::price::{Cost, Pricing};
use witgate_runtime::{Envelope, Lineup};

use crate::receipts::charged::Charged;
use crate::receipts::receipt::direct::write_directly;
use crate::receipts::receipt::{
    Attempt, Outcome, Receipt, RequestFacts, ResponseFacts, RouteFacts, Timing, UsageFacts,
    write_line,
};
use crate::tenants::keys::Caller;
use crate::tenants::provenance::{Client, Provenance};

/// A receipt of a request of a session with three budgets, as it is without what is known of plugins.
pub struct Line {
    receipt: Receipt,
    lineup: Lineup,
}

// === impl Line ===

impl Line {
    /// Returns the receipt.
    #[must_use]
    pub fn usual() -> Self {
        let receipt = Receipt {
            request: request(),
            route: RouteFacts {
                rule: text("default"),
                attempts: vec![Attempt {
                    upstream: "default".to_owned(),
                    model: text("claude-haiku-4-5"),
                    credential: None,
                    moved_from: None,
                    request_id: text("req_011CSHoEeqs5C35K2UUqR7Fy"),
                    result: Ok(200),
                    translated: None,
                }],
                ..RouteFacts::default()
            },
            response: ResponseFacts {
                status: Some(200),
                outcome: Some(Outcome::Answered),
                bytes: 1_100,
                ..ResponseFacts::default()
            },
            usage: usage(),
            timing: Timing {
                first_byte: Some(Duration::from_micros(812)),
                total: Duration::from_micros(934),
            },
            ..Receipt::new(
                "req_wg0123456789abcdef0123456789abcdef".into(),
                1_795_225_386_000,
                "POST",
            )
        };
        Self {
            receipt,
            lineup: Lineup::new(1, Vec::new(), &[]),
        }
    }

    /// Appends the line, written at once. Returns `false` if it can't be.
    pub fn write_directly(&self, out: &mut Vec<u8>) -> bool {
        write_directly(&self.receipt, b"", out).is_some()
    }

    /// Appends the line, written from a list of its fields.
    pub fn write_listed(&self, out: &mut Vec<u8>) {
        write_line(&self.receipt.fields(&self.lineup), out);
    }
}

fn text(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn request() -> RequestFacts {
    let address = Ipv4Addr::LOCALHOST.into();
    let client = Client {
        address,
        peer: address,
    };
    RequestFacts {
        endpoint: "messages",
        caller: Some(Arc::new(Caller {
            id: "bench".into(),
            tier: Some("enterprise".into()),
            ..Caller::default()
        })),
        provenance: Provenance {
            client: Some(client),
            ..Provenance::default()
        },
        envelope: Some(Arc::new(Envelope {
            tenant: text("acme"),
            user: text("jane"),
            session: text("5e0a7c8e-31e1-4f1c-9ffc-7b1b5a3d2e11"),
            metadata: vec![("team".to_owned(), "growth".to_owned())],
            ..Envelope::default()
        })),
        model: text("claude-haiku-4-5"),
        bytes: 2_048,
        ..RequestFacts::default()
    }
}

fn usage() -> UsageFacts {
    let mut reading = Reading {
        source: Source::Reported,
        model: text("claude-haiku-4-5-20251001"),
        message_id: text("msg_01XFDUDYJgAACzvnptvVoYEL"),
        stop_reason: text("end_turn"),
        ..Reading::default()
    };
    reading.usage.service_tier = text("standard");
    let charged = [
        ("user:acme/jane", Window::Day, Unit::PicoUsd),
        ("tenant:acme", Window::Month, Unit::PicoUsd),
        ("key:bench", Window::Minute, Unit::Tokens),
    ];
    let charged = charged.map(|(account, window, unit)| Charged {
        balance: BalanceKey {
            account: account.into(),
            window,
            unit,
            resets_at: Some(UnixMillis(1_795_305_600_000)),
        },
        used: 775_000_000,
    });
    UsageFacts {
        reading: Some(reading),
        cost: Some(Cost {
            picousd: 775_000_000,
            pricing: Pricing::Priced,
        }),
        charged: charged.into(),
        ..UsageFacts::default()
    }
}
