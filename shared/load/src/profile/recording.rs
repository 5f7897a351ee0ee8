//! One request: filled in, sent, judged, written into the history.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use clock::SharedClock;
use history::ledger::{Answer as Told, Operation};
use history::{HistoryError, Kind, Outcome};
use http::{Request, StatusCode};

use super::HistoryRecorder;
use super::captured::{Asker, Captured};
use super::money::{self, Manner};
use super::step::{HistoryRule, Step};
use super::template::{Escape, Template, Variable};
use crate::error::LoadError;
use crate::http_client::{Answer, HttpClient};
use crate::recorder::Started;

/// What every request of a run shares.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) client: HttpClient,
    pub(super) token: RwLock<Option<String>>,
    pub(super) captured: Captured,
    pub(super) recorder: Option<Arc<HistoryRecorder>>,
    /// Why the history is not whole, if it is not.
    pub(super) history_error: OnceLock<String>,
    pub(super) clock: SharedClock,
    /// Decides which requests are repeated.
    pub(super) seed: u64,
}

/// A request as it goes out, and what is written of it: filled in once, so that each copy is the same.
#[derive(Debug)]
pub(super) struct Filled {
    request: Result<Request<String>, LoadError>,
    values: BTreeMap<Variable, String>,
    session: u32,
}

/// What a sender says of a request whose answer it did not wait for.
pub(super) const GIVEN_UP: &str = "given_up";
/// An operation that was not answered is sent again after this; the pause doubles, for who comes back at once keeps a service down.
const INSIST_AFTER: Duration = Duration::from_millis(300);
/// The longest such pause.
const INSIST_AFTER_MAX: Duration = Duration::from_millis(4_800);

/// What became of a request.
#[derive(Debug)]
pub(super) struct Done {
    /// Whether it was answered as expected.
    pub(super) ok: bool,
    /// The status, or the code of why there was none.
    pub(super) what: What,
    /// From when it was sent to the end of its answer.
    pub(super) service: Duration,
    /// The answer to it, of a request that was not as expected.
    pub(super) body: String,
}

/// A status, or why there was none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    Status(u16),
    None(&'static str),
}

impl std::fmt::Display for What {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(out, "{status}"),
            Self::None(code) => write!(out, "{code}"),
        }
    }
}

impl What {
    /// Whether asking again under the same key may say what became of it.
    fn may_be_settled(self) -> bool {
        matches!(self, Self::None(_) | Self::Status(408 | 429 | 500..=599))
    }
}

/// An answer is shown up to here.
const SHOWN_BYTES_MAX: usize = 300;

impl Filled {
    fn value(&self, variable: &Variable) -> String {
        self.values.get(variable).cloned().unwrap_or_default()
    }
}

impl Wire {
    /// Does a step for somebody, once.
    pub(super) async fn perform(&self, step: &Step, asker: Asker) -> Done {
        let filled = self.fill(step, asker);
        self.attempt(step, asker, &filled, 0, None).await
    }

    /// Does a step as senders do: some send it twice, some give up and come again, some never do. With it what is still to be settled.
    pub(super) async fn perform_as_senders_do(&self, step: &Step, asker: Asker) -> (Done, Option<Filled>) {
        let Some(repeats) = &step.repeats else {
            return (self.perform(step, asker).await, None);
        };
        let filled = self.fill(step, asker);
        let once = |copy, patience| self.attempt(step, asker, &filled, copy, patience);
        let done = match repeats.manner(self.seed, asker.index) {
            Manner::Once => once(0, None).await,
            Manner::Doubled => tokio::join!(once(0, None), once(1, None)).0,
            Manner::Abandoned { patience } => return (once(0, Some(patience)).await, None),
            Manner::Late { patience, later } => {
                let first = once(0, Some(patience)).await;
                tokio::time::sleep(later).await;
                let second = once(1, None).await;
                // One that was answered in time has its answer; the copy was for the service alone.
                if first.what == What::None(GIVEN_UP) {
                    second
                } else {
                    first
                }
            }
        };
        let unsettled = !done.ok && done.what.may_be_settled();
        (done, unsettled.then_some(filled))
    }

    /// Asks again until there is an answer: its sender had none, and has gone on meanwhile.
    pub(super) async fn insist(&self, step: &Step, asker: Asker, filled: &Filled) {
        let times = step.repeats.as_ref().map_or(0, |repeats| repeats.insist);
        let mut pause = INSIST_AFTER;
        for copy in 0..u64::from(times) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(INSIST_AFTER_MAX);
            let done = self.attempt(step, asker, filled, 2 + copy, None).await;
            if done.ok || !done.what.may_be_settled() {
                return;
            }
        }
    }

    /// Fills a step in. What was taken from answers may change meanwhile: all of it is read once.
    fn fill(&self, step: &Step, asker: Asker) -> Filled {
        let variables = step.templates().into_iter().flat_map(Template::variables);
        let values: BTreeMap<Variable, String> = variables
            .map(|variable| (variable.clone(), self.captured.value(variable, asker)))
            .collect();
        let request = self.request(step, &|variable| {
            values.get(variable).cloned().unwrap_or_default()
        });
        let session = asker.session;
        Filled {
            request,
            values,
            session,
        }
    }

    /// Sends it, waits for the answer or as long as its sender's patience lasts, and writes down what came of it.
    async fn attempt(
        &self,
        step: &Step,
        asker: Asker,
        filled: &Filled,
        copy: u64,
        patience: Option<Duration>,
    ) -> Done {
        let begun = self.begin(step, filled);
        let money = self.begin_money(step, filled, copy);
        let sent = self.clock.monotonic();
        let answer = match &filled.request {
            Ok(request) => {
                let sending = self.client.send(request.clone());
                match patience {
                    None => Some(sending.await),
                    Some(patience) => tokio::time::timeout(patience, sending).await.ok(),
                }
            }
            Err(error) => Some(Err(LoadError::Unbuildable(error.to_string()))),
        };
        let service = self.clock.monotonic().saturating_sub(sent);
        let Some(answer) = answer else {
            self.end_money(step, money, None);
            let (what, body) = (What::None(GIVEN_UP), String::new());
            return Done {
                ok: true,
                what,
                service,
                body,
            };
        };
        self.end(step, begun, &answer);
        self.end_money(step, money, Some(&answer));
        let (what, ok, body) = match &answer {
            Ok(answer) => {
                let status = answer.status.as_u16();
                let ok = step.refused().contains(&status)
                    || step.expect.contains(&status) && self.keep(step, asker, answer);
                let shown = &answer.body[..answer.body.len().min(SHOWN_BYTES_MAX)];
                (
                    What::Status(status),
                    ok,
                    String::from_utf8_lossy(shown).into_owned(),
                )
            }
            Err(error) => (What::None(error.code()), false, error.to_string()),
        };
        Done {
            ok,
            what,
            service,
            body,
        }
    }

    fn request(
        &self,
        step: &Step,
        values: &dyn Fn(&Variable) -> String,
    ) -> Result<Request<String>, LoadError> {
        let mut request = Request::builder()
            .method(step.method.clone())
            .uri(step.path.render(Escape::Path, values));
        for (name, value) in &step.headers {
            request = request.header(name, value.render(Escape::None, values));
        }
        let named = |name: &str| {
            step.headers
                .keys()
                .any(|header| header.eq_ignore_ascii_case(name))
        };
        let token = self.token.read().unwrap_or_else(PoisonError::into_inner);
        if let (true, Some(token)) = (step.token && !named("authorization"), token.as_deref()) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let Some(body) = &step.body else {
            return Ok(request.body(String::new())?);
        };
        if !named("content-type") {
            request = request.header("content-type", body.media_type());
        }
        Ok(request.body(body.render(values))?)
    }

    /// Takes what the step wants of the answer; whether all of it was there.
    fn keep(&self, step: &Step, asker: Asker, answer: &Answer) -> bool {
        let mut all = true;
        for (name, source) in &step.capture {
            match source.of(answer) {
                Some(value) => self.captured.keep(name, asker, value),
                None => all = false,
            }
        }
        all
    }

    fn begin(&self, step: &Step, filled: &Filled) -> Option<Started> {
        let (recorder, rule) = (self.recorder.as_ref()?, step.history.as_ref()?);
        let text = |template: &Template| template.render(Escape::None, &|variable| filled.value(variable));
        let key = rule.key.as_ref().map(text).unwrap_or_default();
        let value = rule.value.as_ref().map(text);
        let started = recorder.start(filled.session.into(), rule.kind, &key, value.as_deref());
        Some(match step.intent() {
            Some(intent) => started.intent(&text(intent)),
            None => started,
        })
    }

    fn begin_money(&self, step: &Step, filled: &Filled, copy: u64) -> Option<Operation> {
        let start_us = self.recorder.as_ref()?.begins_us();
        money::begun(step, filled.session, copy, start_us, &|variable| {
            filled.value(variable)
        })
    }

    /// No answer at all: its sender gave it up.
    fn end_money(&self, step: &Step, begun: Option<Operation>, answer: Option<&Result<Answer, LoadError>>) {
        let told = answer.map_or(Some(Told::Unknown), |answer| money::told(step, answer));
        if let (Some(recorder), Some(operation), Some(told)) = (&self.recorder, begun, told) {
            self.note(recorder.end_money(operation, told));
        }
    }

    /// A request that was never sent is not part of the history; one that was sent and lost is.
    fn end(&self, step: &Step, begun: Option<Started>, answer: &Result<Answer, LoadError>) {
        let (Some(recorder), Some(rule), Some(started)) = (&self.recorder, &step.history, begun) else {
            return;
        };
        let written = match answer {
            Err(error) if error.outcome_is_unknown() => recorder.end(started, Outcome::Unknown),
            Err(_) => return,
            Ok(answer) if matches!(rule.kind, Kind::Read | Kind::Redirect) => {
                let status = answer.status.as_u16();
                if step.expect.contains(&status) && !rule.absent.contains(&status) {
                    recorder.saw(
                        started,
                        rule.seen.as_ref().and_then(|seen| seen.of(answer)).as_deref(),
                    )
                } else if rule.absent.contains(&status) {
                    recorder.saw(started, None)
                } else {
                    recorder.end(started, Outcome::Refused)
                }
            }
            Ok(answer) => match changed(rule, step, answer) {
                Some((Outcome::Ok, Some(key))) => recorder.end_as(started, &key),
                Some((outcome, _)) => recorder.end(started, outcome),
                None => return,
            },
        };
        self.note(written);
    }

    /// A history that cannot be written any more must not pass for a whole one.
    pub(super) fn note(&self, written: Result<(), HistoryError>) {
        if let Err(error) = written {
            let _ = self.history_error.set(error.to_string());
        }
    }
}

/// What a claim, write or delete was told, and the key it was given; nothing, where it was turned away before any work.
fn changed(rule: &HistoryRule, step: &Step, answer: &Answer) -> Option<(Outcome, Option<String>)> {
    let status = answer.status.as_u16();
    if rule.refused.contains(&status) {
        return Some((Outcome::Refused, None));
    }
    if step.expect.contains(&status) {
        let Some(source) = &rule.key_from else {
            return Some((Outcome::Ok, None));
        };
        // An answer that does not say its key proves nothing of one.
        return Some(
            source
                .of(answer)
                .map_or((Outcome::Unknown, None), |key| (Outcome::Ok, Some(key))),
        );
    }
    let before_any_work = answer.status.is_client_error() && answer.status != StatusCode::REQUEST_TIMEOUT;
    (!before_any_work).then_some((Outcome::Unknown, None))
}
