//! A service that crashes, and clients that double, repeat and abandon: its books are kept, and each bug of it is seen.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::bookkeeper::{HoldRow, Row, Tables, row};
use super::*;

const SEEDS: u64 = 60;
const WISHES: u64 = 200;
const FUNDS: i128 = 4_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bug {
    None,
    /// The record of a key is not in the effect's transaction.
    IdempotencyOutside,
    /// An event is published before its transaction is committed.
    PublishBeforeCommit,
    /// A capture does not look at what its hold has left.
    CaptureUnchecked,
}

/// Where an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    None,
    BeforeCommit,
    AfterCommit,
}

struct Service {
    bug: Bug,
    tables: Tables,
    claims: BTreeMap<String, Answer>,
    next: u64,
}

impl Service {
    fn new(bug: Bug) -> Self {
        let accounts = [("bank", None), ("shop", None), ("ann", Some(0)), ("bob", Some(0))];
        Self {
            bug,
            tables: Tables {
                accounts: accounts.map(|(id, top)| (id.to_owned(), top)).into(),
                beside: vec![Observed::Chain {
                    verified: true,
                    found: String::new(),
                }],
                ..Tables::default()
            },
            claims: BTreeMap::new(),
            next: 0,
        }
    }

    /// What a client is told; nothing, where the process ends before.
    fn ask(&mut self, effect: Effect, intent: &str, request: &Request, crash: Crash) -> Answer {
        if let Some(known) = self.claims.get(intent) {
            return if crash == Crash::None {
                known.clone()
            } else {
                Answer::Unknown
            };
        }
        let before = self.tables.clone();
        let answer = self.done(effect, request);
        match crash {
            Crash::BeforeCommit => {
                let events = self.tables.beside.clone();
                self.tables = before;
                if self.bug == Bug::PublishBeforeCommit {
                    self.tables.beside = events;
                }
                return Answer::Unknown;
            }
            Crash::AfterCommit if self.bug == Bug::IdempotencyOutside => return Answer::Unknown,
            Crash::None | Crash::AfterCommit => {}
        }
        self.claims.insert(intent.to_owned(), answer.clone());
        if crash == Crash::None {
            answer
        } else {
            Answer::Unknown
        }
    }

    fn done(&mut self, effect: Effect, request: &Request) -> Answer {
        let text = |word: &Option<Word>| word.as_ref().map(ToString::to_string).unwrap_or_default();
        let (debit, credit) = (text(&request.debit), text(&request.credit));
        let amount = request.amount.map_or(0, |amount| amount.0);
        self.next += 1;
        let id = format!("r{}", self.next);
        let journal = match effect {
            Effect::Transfer | Effect::Hold if self.tables.available(&debit) < amount => None,
            Effect::Transfer => Some(row(&id, TransactionKind::Transfer, &debit, &credit, amount)),
            Effect::Hold => {
                let state = HoldState::Open;
                let (captured, released, payment) = (0, 0, None);
                self.tables.holds.push(HoldRow {
                    id: id.clone(),
                    debit,
                    credit,
                    amount,
                    captured,
                    released,
                    state,
                    payment,
                });
                Some(Row {
                    moved: None,
                    ..row(&id, TransactionKind::Other, "", "", 0)
                })
            }
            Effect::Capture => self.captured(&id, &text(&request.hold), amount),
            Effect::Void => self.voided(&id, &text(&request.hold)),
            Effect::Reversal => self.reversed(&id, &text(&request.of)),
            Effect::Payment => None,
        };
        let Some(journal) = journal else {
            return Answer::Refused {
                code: "refused".to_owned(),
            };
        };
        self.tables.journal.push(journal);
        let event = Observed::Event {
            id: format!("e-{id}").into(),
            subject: id.as_str().into(),
        };
        self.tables.beside.push(event);
        Answer::Ok { id: Some(id.into()) }
    }

    fn captured(&mut self, id: &str, hold: &str, amount: i128) -> Option<Row> {
        let unchecked = self.bug == Bug::CaptureUnchecked;
        let hold = self.tables.holds.iter_mut().find(|row| row.id == hold)?;
        if hold.state != HoldState::Open || (hold.captured + amount > hold.amount && !unchecked) {
            return None;
        }
        hold.captured += amount;
        if hold.captured == hold.amount {
            hold.state = HoldState::Captured;
        }
        let moved = row(id, TransactionKind::Capture, &hold.debit, &hold.credit, amount);
        Some(Row {
            hold: Some(hold.id.clone()),
            ..moved
        })
    }

    fn voided(&mut self, id: &str, hold: &str) -> Option<Row> {
        let hold = self.tables.holds.iter_mut().find(|row| row.id == hold)?;
        if hold.state != HoldState::Open {
            return None;
        }
        (hold.state, hold.released) = (HoldState::Voided, hold.amount - hold.captured);
        let nothing = row(id, TransactionKind::Void, "", "", 0);
        Some(Row {
            hold: Some(hold.id.clone()),
            moved: None,
            ..nothing
        })
    }

    fn reversed(&mut self, id: &str, of: &str) -> Option<Row> {
        let rows = &self.tables.journal;
        let original = rows
            .iter()
            .find(|row| row.id == of && row.kind == TransactionKind::Transfer)?;
        let (debit, credit, amount) = original.moved.clone()?;
        let again = rows.iter().any(|row| row.of.as_deref() == Some(of));
        if again || self.tables.available(&credit) < amount {
            return None;
        }
        let back = row(id, TransactionKind::Reversal, &credit, &debit, amount);
        Some(Row {
            of: Some(of.to_owned()),
            ..back
        })
    }
}

fn between(debit: &str, credit: &str, amount: i128) -> Request {
    Request {
        debit: Some(debit.into()),
        credit: Some(credit.into()),
        amount: Some(Minor(amount)),
        currency: Some("EUR".into()),
        ..Request::default()
    }
}

/// What a client wants next: of what it was told before, where it needs that.
fn wish(rng: &mut StdRng, number: u64, told: &[(Effect, Word)]) -> (Effect, Request) {
    // A third are of the same few shapes: nothing but the answers tells them apart.
    let amount = i128::from(if number.is_multiple_of(3) {
        number % 4
    } else {
        number
    }) + 1;
    let mut of = |effect| {
        let known: Vec<&Word> = told
            .iter()
            .filter(|(kind, _)| *kind == effect)
            .map(|(_, id)| id)
            .collect();
        (!known.is_empty()).then(|| known[rng.random_range(0..known.len())].clone())
    };
    let hold = of(Effect::Hold);
    let transfer = of(Effect::Transfer);
    let who = if rng.random_bool(0.5) { "ann" } else { "bob" };
    match (rng.random_range(0..10), hold, transfer) {
        (0..2, ..) => (Effect::Hold, between(who, "shop", amount)),
        (2..5, Some(hold), _) => (
            Effect::Capture,
            Request {
                hold: Some(hold),
                amount: Some(Minor(amount)),
                ..Request::default()
            },
        ),
        (5, Some(hold), _) => (
            Effect::Void,
            Request {
                hold: Some(hold),
                ..Request::default()
            },
        ),
        (6, _, Some(of)) => (
            Effect::Reversal,
            Request {
                of: Some(of),
                ..Request::default()
            },
        ),
        _ => (Effect::Transfer, between(who, "shop", amount)),
    }
}

fn simulate(seed: u64, bug: Bug) -> (Vec<Operation>, Vec<Observed>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut service = Service::new(bug);
    let mut operations = Vec::new();
    let mut told: Vec<(Effect, Word)> = Vec::new();
    let mut late: Vec<(Effect, String, Request)> = Vec::new();
    let mut now_us = 0;
    let mut attempt = |service: &mut Service, effect, intent: &str, request: &Request, crash| {
        let answer = service.ask(effect, intent, request, crash);
        now_us += 10;
        operations.push(Operation {
            session: 1,
            effect,
            intent: intent.to_owned(),
            request: request.clone(),
            start_us: now_us,
            end_us: now_us + 5,
            answer: answer.clone(),
        });
        answer
    };
    for who in ["ann", "bob"] {
        attempt(
            &mut service,
            Effect::Transfer,
            who,
            &between("bank", who, FUNDS),
            Crash::None,
        );
    }
    for number in 0..WISHES {
        let (effect, request) = wish(&mut rng, number, &told);
        let intent = format!("k{number}");
        let crash = match rng.random_range(0..10) {
            0 => Crash::BeforeCommit,
            1 => Crash::AfterCommit,
            _ => Crash::None,
        };
        if let Answer::Ok { id: Some(id) } = attempt(&mut service, effect, &intent, &request, crash) {
            told.push((effect, id));
        }
        if rng.random_bool(0.1) {
            attempt(&mut service, effect, &intent, &request, Crash::None);
        } else if rng.random_bool(0.3) {
            // Later, behind others; or never, where the run ends before.
            late.push((effect, intent, request));
        }
        if late.len() > 5 {
            let (effect, intent, request) = late.remove(rng.random_range(0..late.len()));
            attempt(&mut service, effect, &intent, &request, Crash::None);
        }
    }
    (operations, service.tables.observed())
}

#[test]
fn a_service_that_crashes_and_keeps_its_promises_is_kept() {
    for seed in 0..SEEDS {
        let (operations, observed) = simulate(seed, Bug::None);
        let report = check(&operations, &observed);
        assert!(report.is_kept(), "seed {seed}: {report}");
    }
}

#[test]
fn each_bug_is_seen_by_its_rule_and_most_of_the_time() {
    for (bug, rule) in [
        (Bug::IdempotencyOutside, ONCE),
        (Bug::PublishBeforeCommit, PUBLISHED),
        (Bug::CaptureUnchecked, CAPTURED),
    ] {
        let seen = (0..SEEDS).filter(|seed| {
            let (operations, observed) = simulate(*seed, bug);
            broken(&operations, &observed).contains(&rule)
        });
        let seen = seen.count() as u64;
        assert!(seen * 10 >= SEEDS * 9, "{bug:?}: {seen} of {SEEDS}");
    }
}
