//! What moves money: how it is written into a history, and how its sender repeats it.

use std::time::Duration;

use history::ledger::{Answer as Told, Effect, Minor, Operation, Request, Word};
use serde::Deserialize;

use super::step::{Source, Step};
use super::template::{Escape, Template, Variable};
use crate::error::LoadError;
use crate::http_client::Answer;
use crate::keys::draw;

/// What the chance of a repeat is drawn from beside the seed.
const REPEATS: u64 = 0x7265;
/// Copies of a request are sessions of their own in a history: beyond any load's.
const SESSION_OF_COPY: u64 = 1 << 32;

/// What an operation is in a history of money. Its intent is the value of `Idempotency-Key`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerRule {
    /// What was asked.
    pub effect: Effect,
    /// The account that is debited; of a payment the payer's.
    #[serde(default)]
    pub debit: Option<Template>,
    /// The account that is credited; of a payment the merchant's.
    #[serde(default)]
    pub credit: Option<Template>,
    /// How much, in minor units.
    #[serde(default)]
    pub amount: Option<Template>,
    /// In which currency.
    #[serde(default)]
    pub currency: Option<Template>,
    /// Of a capture or void: the hold.
    #[serde(default)]
    pub hold: Option<Template>,
    /// Of a reversal: the transaction.
    #[serde(default)]
    pub of: Option<Template>,
    /// Where in the answer the id stands of what was made.
    #[serde(default)]
    pub id: Option<Source>,
    /// Statuses that say that it was judged and not done; such an answer is as expected. The problem's `code` says why.
    #[serde(default)]
    pub refused: Vec<u16>,
}

/// How senders repeat an operation: each share is of its arrivals.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Repeats {
    /// Sent twice at the same time.
    #[serde(default)]
    pub doubled: f64,
    /// Given up after `patience_ms` and sent again `later_ms` after that, behind whatever came between.
    #[serde(default)]
    pub late: f64,
    /// Given up after `patience_ms` and never sent again.
    #[serde(default)]
    pub abandoned: f64,
    /// How long a sender waits that gives up.
    #[serde(default = "patience_default")]
    pub patience_ms: u64,
    /// How long after that it comes again.
    #[serde(default = "later_default")]
    pub later_ms: u64,
    /// So often at most an operation is sent again that was not answered, after 300 ms and then twice as long each time, 4.8 s at most.
    #[serde(default)]
    pub insist: u32,
}

fn patience_default() -> u64 {
    5
}

fn later_default() -> u64 {
    400
}

/// What a sender does with its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Once,
    Doubled,
    Late { patience: Duration, later: Duration },
    Abandoned { patience: Duration },
}

impl Repeats {
    /// Decided by the seed and the arrival's number alone.
    pub(super) fn manner(&self, seed: u64, index: u64) -> Manner {
        let chance = draw(seed ^ REPEATS, index);
        let (patience, later) = (
            Duration::from_millis(self.patience_ms),
            Duration::from_millis(self.later_ms),
        );
        if chance < self.doubled {
            Manner::Doubled
        } else if chance < self.doubled + self.late {
            Manner::Late { patience, later }
        } else if chance < self.doubled + self.late + self.abandoned {
            Manner::Abandoned { patience }
        } else {
            Manner::Once
        }
    }

    /// The share of arrivals that are sent otherwise than once.
    pub(super) fn share(&self) -> f64 {
        self.doubled + self.late + self.abandoned
    }
}

impl LedgerRule {
    /// Every text with places that it has.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Template> {
        let fields = [
            &self.debit,
            &self.credit,
            &self.amount,
            &self.currency,
            &self.hold,
            &self.of,
        ];
        fields.into_iter().flatten()
    }

    /// What it lacks for its effect.
    pub(super) fn lacks(&self) -> Option<&'static str> {
        let moves =
            self.debit.is_some() && self.credit.is_some() && self.amount.is_some() && self.currency.is_some();
        match self.effect {
            Effect::Transfer | Effect::Hold | Effect::Payment if !moves => {
                Some("a transfer, hold or payment needs debit, credit, amount and currency")
            }
            Effect::Capture | Effect::Void if self.hold.is_none() => Some("a capture or void needs hold"),
            Effect::Reversal if self.of.is_none() => Some("a reversal needs `of`: the transaction"),
            _ => None,
        }
    }

    fn request(&self, values: &dyn Fn(&Variable) -> String) -> Request {
        let word = |template: &Option<Template>| {
            let text = template.as_ref()?.render(Escape::None, values);
            Some(Word::from(text))
        };
        let amount = self.amount.as_ref().and_then(|template| {
            let text = template.render(Escape::None, values);
            text.parse().ok().map(Minor)
        });
        Request {
            debit: word(&self.debit),
            credit: word(&self.credit),
            amount,
            currency: word(&self.currency),
            hold: word(&self.hold),
            of: word(&self.of),
        }
    }
}

/// An attempt as it is begun; the answer is unknown until it comes.
pub(super) fn begun(
    step: &Step,
    session: u32,
    copy: u64,
    start_us: u64,
    values: &dyn Fn(&Variable) -> String,
) -> Option<Operation> {
    let rule = step.ledger.as_ref()?;
    Some(Operation {
        session: u64::from(session) + copy * SESSION_OF_COPY,
        effect: rule.effect,
        intent: step.intent()?.render(Escape::None, values),
        request: rule.request(values),
        start_us,
        end_us: start_us,
        answer: Told::Unknown,
    })
}

/// What an answer said; nothing, where it was turned away before any work or never sent.
pub(super) fn told(step: &Step, answer: &Result<Answer, LoadError>) -> Option<Told> {
    let rule = step.ledger.as_ref()?;
    match answer {
        Err(error) if error.outcome_is_unknown() => Some(Told::Unknown),
        Err(_) => None,
        Ok(answer) => {
            let status = answer.status.as_u16();
            let before_any_work =
                answer.status.is_client_error() && answer.status != http::StatusCode::REQUEST_TIMEOUT;
            if step.expect.contains(&status) {
                let id = rule.id.as_ref().and_then(|id| id.of(answer)).map(Word::from);
                Some(Told::Ok { id })
            } else if rule.refused.contains(&status) {
                let code = Source::Json("/code".to_owned()).of(answer);
                Some(Told::Refused {
                    code: code.unwrap_or_else(|| status.to_string()),
                })
            } else {
                (!before_any_work).then_some(Told::Unknown)
            }
        }
    }
}
