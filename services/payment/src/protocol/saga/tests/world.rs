//! A ledger, a processor, the network between, and the process that drives the saga: as simple as they can be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::super::*;
use super::{amount, id};

const AMOUNT: i64 = 10;
const DEADLINE_MS: u64 = 1_000_000;

/// A call under way: step, act or look up, its number, its round.
pub(super) type CallUnderWay = (Step, Call, u32, u32);

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Ledger {
    /// By claim: whether it was done. Refusals are remembered.
    claims: BTreeMap<(Step, u64, u32), bool>,
    held: i64,
    captured: i64,
    refund_held: i64,
    reversed: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Processor {
    status: Option<u8>,
    captured: i64,
    refunded: i64,
    keys: BTreeMap<(Step, u64), bool>,
    /// By how much its authorization differs from what was asked for.
    pub(super) lies_by: i64,
}

const AUTHORIZED: u8 = 0;
const CAPTURED: u8 = 1;
const VOIDED: u8 = 2;
const DECLINED: u8 = 3;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct World {
    policy_settle_ms: u64,
    pub(super) saga: Saga,
    pub(super) ledger: Ledger,
    pub(super) processor: Processor,
    now_ms: u64,
    call: Option<CallUnderWay>,
    /// When the saga is resumed; `None` where it rests.
    due_ms: Option<u64>,
    /// Somebody woke it while a process had it: it is due as soon as that lets go.
    woken: bool,
    /// Requests that are still on their way to the processor.
    delayed: Vec<(Step, u64)>,
    /// Answers that are still on their way back.
    late: Vec<(u32, Answer)>,
    waiting: VecDeque<(u64, i64)>,
    pub(super) ended: Vec<(u64, Option<String>)>,
    pub(super) told_failed: u8,
    told: BTreeSet<&'static str>,
}

impl World {
    pub(super) fn new(minor: i64, refunds: &[i64]) -> Self {
        let waiting = (1..).zip(refunds.iter().copied()).collect();
        Self {
            policy_settle_ms: 2_000,
            saga: Saga::new(amount(minor), DEADLINE_MS),
            ledger: Ledger::default(),
            processor: Processor::default(),
            now_ms: 1,
            call: None,
            due_ms: Some(1),
            woken: false,
            delayed: Vec::new(),
            late: Vec::new(),
            waiting,
            ended: Vec::new(),
            told_failed: 0,
            told: BTreeSet::new(),
        }
    }

    /// A payment with two refunds that waits for the answer to `step`.
    pub(super) fn until(step: Step) -> Self {
        let mut world = Self::new(AMOUNT, &[4, 6]);
        for _ in 0..40 {
            if world.call().is_some_and(|(at, ..)| at == step) {
                return world;
            }
            world.advance();
        }
        panic!("{step:?} does not come without a fault");
    }

    pub(super) fn call(&self) -> Option<CallUnderWay> {
        self.call
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.call.is_none() && self.due_ms.is_some()
    }

    /// Nothing is under way, due or on its way, and no refund waits that could be taken up.
    pub(super) fn is_over(&self) -> bool {
        self.call.is_none() && self.due_ms.is_none()
    }

    pub(super) fn is_quiet(&self) -> bool {
        self.is_over() && self.delayed.is_empty() && self.late.is_empty()
    }

    fn input(&mut self, input: &Input) {
        let policy = Policy {
            backoff_ms: 100,
            backoff_ms_max: 1_000,
            settle_ms: self.policy_settle_ms,
        };
        let (saga, outputs) = policy.step(&self.saga, input);
        self.saga = saga;
        for output in outputs {
            match output {
                Output::Make { ticket, step, call } => {
                    assert!(self.call.is_none(), "one call at a time");
                    let round = self.saga.doing.as_ref().unwrap().round;
                    self.call = Some((step, call, ticket, round));
                    self.due_ms = None;
                }
                Output::SleepUntil(at_ms) => self.let_go(Some(at_ms)),
                Output::Rest => self.let_go((!self.waiting.is_empty()).then_some(self.now_ms)),
                Output::RefundEnded { id, refused } => {
                    let (waiting, _) = self.waiting.pop_front().unwrap();
                    assert_eq!(id.as_u64(), waiting);
                    self.ended.push((waiting, refused));
                }
                Output::Tell(told) => self.tell(&told),
            }
        }
    }

    fn let_go(&mut self, due_ms: Option<u64>) {
        let woken = std::mem::take(&mut self.woken);
        self.due_ms = if woken { Some(self.now_ms) } else { due_ms };
    }

    fn tell(&mut self, told: &Told) {
        let name = match told {
            Told::Authorized => "authorized",
            Told::Captured => "captured",
            Told::Failed => {
                self.told_failed += 1;
                "failed"
            }
            Told::Refunded { .. } => "refunded",
        };
        let first = self.told.insert(name);
        assert!(first || name == "refunded", "{name} is told once");
    }

    pub(super) fn resume(&mut self) {
        let due_ms = self.due_ms.take().expect("it is due");
        self.now_ms = self.now_ms.max(due_ms);
        let refund = self
            .waiting
            .front()
            .map(|(number, minor)| (id(*number), amount(*minor)));
        let now_ms = self.now_ms;
        self.input(&Input::Resume { now_ms, refund });
    }

    /// The process dies; another one takes the saga up when the lease is over.
    pub(super) fn crash(&mut self) {
        assert!(self.call.take().is_some());
        self.due_ms = Some(self.now_ms + 10);
    }

    pub(super) fn answer(&mut self, answer: &Answer) {
        let (.., ticket, _) = self.call.take().expect("a call is under way");
        self.answer_to(ticket, answer);
    }

    fn answer_to(&mut self, ticket: u32, answer: &Answer) {
        let (now_ms, answer) = (self.now_ms, answer.clone());
        self.input(&Input::Answered {
            now_ms,
            ticket,
            answer,
        });
    }

    /// An answer that comes when nobody waits for it any more changes nothing.
    pub(super) fn answer_in_vain(&mut self, ticket: u32, answer: &Answer) {
        let before = self.saga.clone();
        let under_way = self.call.take();
        self.answer_to(ticket, answer);
        assert_eq!(self.saga, before, "a late or doubled answer changes nothing");
        assert!(self.call.is_none(), "and asks for nothing");
        self.call = under_way;
    }

    pub(super) fn delay(&mut self) {
        let (step, ..) = self.call.expect("a call is under way");
        self.delayed.push((step, self.refund_number()));
        self.answer(&Answer::Unknown);
    }

    pub(super) fn delayed(&self) -> usize {
        self.delayed.len()
    }

    pub(super) fn late(&self) -> usize {
        self.late.len()
    }

    /// A request that was on its way arrives. The processor tells of what it did by a webhook.
    pub(super) fn deliver(&mut self, place: usize) {
        let (step, refund) = self.delayed.remove(place);
        self.processor_does(step, refund);
        self.wake();
    }

    pub(super) fn keep_answer_for_later(&mut self, answer: Answer) {
        let (.., ticket, _) = self.call.expect("a call is under way");
        self.late.push((ticket, answer));
    }

    pub(super) fn deliver_answer(&mut self, place: usize) {
        let (ticket, answer) = self.late.remove(place);
        self.answer_in_vain(ticket, &answer);
    }

    /// A webhook: the saga is resumed as soon as nobody holds it.
    pub(super) fn wake(&mut self) {
        if self.call.is_none() {
            self.due_ms = Some(self.now_ms);
        } else {
            self.woken = true;
        }
    }

    pub(super) fn pass_deadline(&mut self) {
        self.now_ms = self.now_ms.max(DEADLINE_MS);
    }

    pub(super) fn is_before_deadline(&self) -> bool {
        self.now_ms < DEADLINE_MS
    }

    /// One step without a fault.
    pub(super) fn advance(&mut self) {
        if self.call.is_some() {
            let answer = self.effect();
            self.answer(&answer);
        } else if self.due_ms.is_some() {
            self.resume();
        }
    }

    /// Goes on without faults until it rests.
    pub(super) fn run(&mut self) {
        for _ in 0..100 {
            if self.is_over() {
                return;
            }
            self.advance();
        }
        panic!("it does not end: {self:#?}");
    }

    fn refund_number(&self) -> u64 {
        self.saga.refund.as_ref().map_or(0, |refund| refund.id.as_u64())
    }

    /// Does what the call under way asks for; says what would be answered.
    pub(super) fn effect(&mut self) -> Answer {
        let (step, call, _, round) = self.call.expect("a call is under way");
        let refund = self.refund_number();
        match (call, step) {
            (Call::LookUp, _) => self
                .processor
                .charge(self.saga.amount)
                .map_or(Answer::NotFound, Answer::Found),
            (Call::Act, Step::AssessRisk) => Answer::Done(None),
            (Call::Act, step) if step.is_at_processor() => self.processor_does(step, refund),
            (Call::Act, step) => self.ledger_does(step, refund, round),
        }
    }

    /// The call is refused, and the refusal remembered; `None` where it was done before under the same key.
    pub(super) fn refuse(&mut self) -> Option<Answer> {
        let (step, _, _, round) = self.call.expect("a call is under way");
        let refund = self.refund_number();
        let refused = if step.is_at_processor() {
            if matches!(step, Step::Authorize | Step::SendRefund) {
                *self.processor.keys.entry((step, refund)).or_insert(false)
            } else {
                false
            }
        } else {
            *self.ledger.claims.entry((step, refund, round)).or_insert(false)
        };
        if refused {
            return None;
        }
        if step == Step::Authorize {
            self.processor.status = Some(DECLINED);
        }
        Some(Answer::Refused {
            code: "refused".to_owned(),
        })
    }

    fn ledger_does(&mut self, step: Step, refund: u64, round: u32) -> Answer {
        let wanted = self
            .saga
            .refund
            .as_ref()
            .map_or(0, |refund| refund.amount.minor());
        let whole = self.saga.amount.minor();
        let ledger = &mut self.ledger;
        let done = *ledger.claims.entry((step, refund, round)).or_insert_with(|| {
            match step {
                Step::Reserve => ledger.held += whole,
                Step::Capture => {
                    assert_eq!(ledger.held, whole, "only a hold is captured");
                    ledger.held = 0;
                    ledger.captured += whole;
                }
                Step::ReleaseHold => ledger.held = 0,
                Step::HoldRefund => ledger.refund_held += wanted,
                Step::PostRefund => {
                    assert_eq!(ledger.refund_held, wanted);
                    ledger.refund_held = 0;
                    ledger.reversed += wanted;
                }
                Step::ReleaseRefund => ledger.refund_held = 0,
                _ => unreachable!("{step:?} is not the ledger's"),
            }
            true
        });
        answer(done, None)
    }

    fn processor_does(&mut self, step: Step, refund: u64) -> Answer {
        let wanted = match step {
            Step::SendRefund => [4, 6, 3]
                .get(usize::try_from(refund).unwrap() - 1)
                .copied()
                .unwrap_or(0),
            _ => self.saga.to_return,
        };
        let wanted = self
            .saga
            .refund
            .as_ref()
            .map_or(wanted, |refund| refund.amount.minor());
        let whole = self.saga.amount.minor();
        let processor = &mut self.processor;
        let done = match (step, processor.status) {
            (Step::Authorize, None) => {
                processor.status = Some(AUTHORIZED);
                processor.keys.insert((step, 0), true);
                true
            }
            (Step::Authorize, Some(status)) => status != DECLINED,
            (Step::Charge, Some(AUTHORIZED)) => {
                processor.status = Some(CAPTURED);
                processor.captured = whole + processor.lies_by;
                true
            }
            (Step::Charge, Some(CAPTURED)) | (Step::CancelAuthorization, Some(VOIDED)) => true,
            (Step::CancelAuthorization, Some(AUTHORIZED)) => {
                processor.status = Some(VOIDED);
                true
            }
            (Step::ReturnCharge, Some(CAPTURED)) if processor.captured - processor.refunded >= wanted => {
                processor.refunded += wanted;
                true
            }
            (Step::SendRefund, Some(CAPTURED)) => {
                let room = processor.captured - processor.refunded >= wanted;
                let known = processor.keys.get(&(step, refund)).copied();
                if known.is_none() && room {
                    processor.refunded += wanted;
                }
                *processor.keys.entry((step, refund)).or_insert(room)
            }
            _ => false,
        };
        answer(done, processor.charge(self.saga.amount))
    }

    /// Ledger and processor say the same, and nothing is left hanging.
    pub(super) fn assert_agreement(&self) {
        assert!(self.saga.state.is_at_rest(), "{self:#?}");
        let (ledger, processor) = (&self.ledger, &self.processor);
        assert_eq!(
            ledger.captured - ledger.reversed,
            processor.captured - processor.refunded,
            "ledger and processor disagree: {self:#?}"
        );
        assert_eq!((ledger.held, ledger.refund_held), (0, 0), "{self:#?}");
        assert!(!processor.is_authorized(), "{self:#?}");
        assert_eq!(self.saga.refunded, ledger.reversed, "{self:#?}");
        let net = ledger.captured - ledger.reversed;
        match self.saga.state {
            State::Captured => assert_eq!(net, self.saga.amount.minor()),
            State::PartiallyRefunded => assert!(net > 0),
            _ => assert_eq!(net, 0, "{self:#?}"),
        }
        let failed = self.saga.state == State::Failed;
        assert_eq!(
            (self.told_failed == 1, self.told.contains("captured")),
            (failed, !failed)
        );
    }
}

impl Processor {
    pub(super) fn is_authorized(&self) -> bool {
        self.status == Some(AUTHORIZED)
    }

    fn charge(&self, whole: Amount) -> Option<Charge> {
        Some(Charge {
            id: "ch_1".to_owned(),
            status: match self.status? {
                AUTHORIZED => ChargeStatus::Authorized,
                CAPTURED => ChargeStatus::Captured,
                VOIDED => ChargeStatus::Voided,
                _ => ChargeStatus::Declined,
            },
            amount: whole.minor() + self.lies_by,
            captured: self.captured,
            refunded: self.refunded,
        })
    }
}

fn answer(done: bool, charge: Option<Charge>) -> Answer {
    if done {
        Answer::Done(charge)
    } else {
        Answer::Refused {
            code: "refused".to_owned(),
        }
    }
}
