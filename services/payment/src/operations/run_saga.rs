//! Carrying a payment through: the saga's core says what is next, this does it.

mod at_ledger;
mod at_processor;
mod events;

use std::sync::Arc;

use clock::SharedClock;
use outbox::Bell;

pub(crate) use events::payment_event;

use super::GroupCommit;
use super::payments::velocity_window;
use crate::metrics::{SagaMetrics, SagaOutcome};
use crate::payment::risk::RiskRules;
use crate::payment::{Payment, StepOutcome};
use crate::processor::ProcessorClient;
use crate::protocol::saga::{Answer, Call, Input, Output, Policy, Saga, State, Step, Told};
use crate::reconciliation::Movement;
use crate::store::StoreError;
use crate::store::ledger::SharedLedger;
use crate::store::payments::{
    Counted, LeaseChange, Leased, RefundEnded, SaveSaga, SharedPayments, StepBegan, StepEnded,
};

/// Carries payments through. Cheap to clone.
#[derive(Clone)]
pub(crate) struct SagaRunner(Arc<SagaRunnerParts>);

/// The parts of [`SagaRunner`].
pub(crate) struct SagaRunnerParts {
    /// Where sagas are kept.
    pub(crate) payments: SharedPayments,
    /// Where money moves.
    pub(crate) commits: GroupCommit,
    /// Where holds are looked at.
    pub(crate) ledger: SharedLedger,
    /// The third party.
    pub(crate) processor: ProcessorClient,
    /// What passes the risk check.
    pub(crate) risk: RiskRules,
    /// How patient a saga is.
    pub(crate) policy: Policy,
    /// Rung when an event was written, so that it leaves at once.
    pub(crate) told: Bell,
    /// What is counted.
    pub(crate) metrics: SagaMetrics,
    /// What time it is.
    pub(crate) clock: SharedClock,
    /// The name of this process among those that share the database.
    pub(crate) owner: String,
    /// How long it has a payment to itself from each write on; longer than any one call may take, in milliseconds.
    pub(crate) lease_ms: u64,
    /// How long the payer's money may be held, in milliseconds: longer than the saga's deadline and all that follows it.
    pub(crate) hold_ms: u64,
}

impl std::ops::Deref for SagaRunner {
    type Target = SagaRunnerParts;

    fn deref(&self) -> &SagaRunnerParts {
        &self.0
    }
}

/// What one turn of the core asks for, sorted.
#[derive(Debug, Default)]
struct Asked {
    call: Option<(u32, Step, Call)>,
    sleep_until_ms: Option<u64>,
    refund: Option<RefundEnded>,
    movement: Option<Movement>,
    uncounted: Option<Counted>,
    events: Vec<streams::Event>,
    /// What came to its end, and when it had begun.
    over: Option<(SagaOutcome, u64)>,
}

impl SagaRunner {
    /// Puts the parts together.
    pub(crate) fn new(parts: SagaRunnerParts) -> Self {
        Self(Arc::new(parts))
    }

    /// Takes a leased payment as far as it goes by itself now. [`StoreError::Fenced`]: another process has it, and nothing was written since.
    pub(crate) async fn run(&self, mut leased: Leased) -> Result<Saga, StoreError> {
        let refund = leased.refund.as_ref();
        let mut input = Input::Resume {
            now_ms: self.clock.unix_ms(),
            refund: refund.map(|refund| (refund.id, refund.amount)),
        };
        loop {
            let now_ms = self.clock.unix_ms();
            let (saga, outputs) = self.policy.step(&leased.payment.saga, &input);
            let was = std::mem::replace(&mut leased.payment.saga, saga).state;
            let mut asked = sort(&leased, outputs, now_ms);
            asked.uncounted = uncounted(&leased.payment, was);
            let (call, over, tells) = (asked.call, asked.over, !asked.events.is_empty());
            self.save(&leased, asked, ended(&input), now_ms).await?;
            if tells {
                self.told.ring(&leased.payment.reference());
            }
            if let Some((outcome, began_ms)) = over {
                self.metrics.ended(outcome, began_ms, now_ms);
            }
            let Some((ticket, step, call)) = call else {
                return Ok(leased.payment.saga);
            };
            let answer = self.make(&leased, step, call).await;
            tracing::debug!(payment = %leased.payment.id, step = step.name(), call = call.name(), ?answer, "a step of a payment ended");
            input = Input::Answered {
                now_ms: self.clock.unix_ms(),
                ticket,
                answer,
            };
        }
    }

    /// State, history, events and lease in one transaction, before the call that they tell of.
    async fn save(
        &self,
        leased: &Leased,
        asked: Asked,
        ended: Option<StepEnded>,
        now_ms: u64,
    ) -> Result<(), StoreError> {
        let lease = match asked.call {
            Some(_) => LeaseChange::KeepUntil(now_ms.saturating_add(self.lease_ms)),
            // Another refund may wait: a look at it is cheap.
            None if asked.refund.is_some() => LeaseChange::LetGo { due_ms: Some(now_ms) },
            None => LeaseChange::LetGo {
                due_ms: asked.sleep_until_ms,
            },
        };
        self.payments
            .save(&SaveSaga {
                tenant: leased.payment.tenant.clone(),
                id: leased.payment.id,
                owner: self.owner.clone(),
                fence: leased.fence,
                wakes: leased.wakes,
                saga: leased.payment.saga.clone(),
                now_ms,
                lease,
                ended,
                began: asked
                    .call
                    .map(|(ticket, step, call)| StepBegan { ticket, step, call }),
                refund: asked.refund,
                movement: asked.movement,
                uncounted: asked.uncounted,
                events: asked.events,
            })
            .await
    }

    async fn make(&self, leased: &Leased, step: Step, call: Call) -> Answer {
        let payment = &leased.payment;
        match step {
            _ if call == Call::LookUp => self.processor.look_up(&payment.reference()).await,
            Step::AssessRisk => self.assess_risk(payment).await,
            step if step.is_at_processor() => self.act_at_processor(leased, step).await,
            step => self.act_at_ledger(leased, step).await,
        }
    }
}

fn sort(leased: &Leased, outputs: Vec<Output>, now_ms: u64) -> Asked {
    let mut asked = Asked::default();
    for output in outputs {
        match output {
            Output::Make { ticket, step, call } => asked.call = Some((ticket, step, call)),
            Output::SleepUntil(until_ms) => asked.sleep_until_ms = Some(until_ms),
            Output::Rest => {}
            Output::RefundEnded { id, refused } => asked.refund = Some(RefundEnded { id, refused }),
            Output::Tell(told) => {
                let movement = events::movement(&leased.payment, &told, now_ms);
                asked.movement = movement.or(asked.movement);
                asked.over = over(leased, &told).or(asked.over);
                asked.events.push(events::told(&leased.payment, &told, now_ms));
            }
        }
    }
    asked
}

/// What counts in the payer's window no more: whoever could not even set the money aside paid nothing, and is not to be kept from paying.
/// What failed later counts on, for money was held and the processor may have been asked: that is what velocity is watched for.
fn uncounted(payment: &Payment, was: State) -> Option<Counted> {
    // From `created` the only way to `failed` that leads over no other state is a hold that was certainly not placed.
    ((was, payment.saga.state) == (State::Created, State::Failed)).then(|| Counted {
        payer_account_id: payment.payer_account_id,
        window_ms: velocity_window(payment.created_at_ms),
        amount: payment.amount,
    })
}

/// What this tells the end of.
fn over(leased: &Leased, told: &Told) -> Option<(SagaOutcome, u64)> {
    match told {
        Told::Authorized => None,
        Told::Captured => Some((SagaOutcome::Captured, leased.payment.created_at_ms)),
        Told::Failed => Some((SagaOutcome::Failed, leased.payment.created_at_ms)),
        Told::Refunded { .. } => {
            let refund = leased.refund.as_ref()?;
            Some((SagaOutcome::Refunded, refund.created_at_ms))
        }
    }
}

/// What the history says of the call that this input ends.
fn ended(input: &Input) -> Option<StepEnded> {
    let Input::Answered { ticket, answer, .. } = input else {
        return None;
    };
    let (outcome, code) = match answer {
        Answer::Done(_) => (StepOutcome::Done, None),
        Answer::Refused { code } => (StepOutcome::Refused, Some(code.clone())),
        Answer::Unknown => (StepOutcome::Unknown, None),
        Answer::Unavailable => (StepOutcome::Unavailable, None),
        Answer::Found(charge) => (StepOutcome::Found, Some(charge.status.name().to_owned())),
        Answer::NotFound => (StepOutcome::NotFound, None),
    };
    Some(StepEnded {
        ticket: *ticket,
        outcome,
        code,
    })
}
