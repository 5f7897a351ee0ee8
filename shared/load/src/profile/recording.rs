//! One request: filled in, sent, judged, written into the history.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use clock::SharedClock;
use history::{HistoryError, Kind, Outcome};
use http::{Request, StatusCode};

use super::HistoryRecorder;
use super::captured::{Asker, Captured};
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
}

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

/// An answer is shown up to here.
const SHOWN_BYTES_MAX: usize = 300;

impl Wire {
    /// Does a step for somebody.
    pub(super) async fn perform(&self, step: &Step, asker: Asker) -> Done {
        let values = |variable: &Variable| self.captured.value(variable, asker);
        let request = self.request(step, &values);
        let begun = self.begin(step, asker, &values);
        let sent = self.clock.monotonic();
        let answer = match request {
            Ok(request) => self.client.send(request).await,
            Err(error) => Err(error),
        };
        let service = self.clock.monotonic().saturating_sub(sent);
        self.end(step, begun, &answer);
        let (what, ok, body) = match &answer {
            Ok(answer) => {
                let status = answer.status.as_u16();
                let ok = step.expect.contains(&status) && self.keep(step, asker, answer);
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

    fn begin(&self, step: &Step, asker: Asker, values: &dyn Fn(&Variable) -> String) -> Option<Started> {
        let (recorder, rule) = (self.recorder.as_ref()?, step.history.as_ref()?);
        let text = |template: &Template| template.render(Escape::None, values);
        let key = rule.key.as_ref().map(text).unwrap_or_default();
        let value = rule.value.as_ref().map(text);
        let started = recorder.start(asker.session.into(), rule.kind, &key, value.as_deref());
        Some(match step.intent() {
            Some(intent) => started.intent(&text(intent)),
            None => started,
        })
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
