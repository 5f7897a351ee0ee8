//! Records what clients did and saw.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use clock::SharedClock;
use history::{HistoryError, Kind, Operation, Outcome, Writer, ledger};

/// Writes the operations of many clients as one history, by one clock.
pub struct Recorder<W: Write> {
    clock: SharedClock,
    writer: Mutex<Writer<W>>,
}

impl<W: Write> fmt::Debug for Recorder<W> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Recorder").finish_non_exhaustive()
    }
}

/// An operation that was begun: what is known before its answer.
#[derive(Debug, Clone)]
pub struct Started {
    operation: Operation,
}

impl Started {
    /// Names the idempotency key that the operation carries.
    #[must_use]
    pub fn intent(mut self, intent: &str) -> Self {
        self.operation.intent = Some(intent.to_owned());
        self
    }
}

impl<W: Write> Recorder<W> {
    /// A recorder onto `out`, which should be buffered.
    pub fn new(clock: SharedClock, out: W) -> Self {
        Self {
            clock,
            writer: Mutex::new(Writer::new(out)),
        }
    }

    /// Notes that `session` begins an operation now. `value` is what it would write.
    pub fn start(&self, session: u64, kind: Kind, key: &str, value: Option<&str>) -> Started {
        let start_us = self.now_us();
        let operation = Operation {
            session,
            kind,
            key: key.to_owned(),
            value: value.map(str::to_owned),
            start_us,
            end_us: start_us,
            outcome: Outcome::Unknown,
            intent: None,
        };
        Started { operation }
    }

    /// Records that a write was answered, or given up, now.
    pub fn end(&self, started: Started, outcome: Outcome) -> Result<(), HistoryError> {
        self.write(Operation {
            outcome,
            ..started.operation
        })
    }

    /// Records that a claim without a key was acknowledged under `key`.
    pub fn end_as(&self, started: Started, key: &str) -> Result<(), HistoryError> {
        self.write(Operation {
            key: key.to_owned(),
            outcome: Outcome::Ok,
            ..started.operation
        })
    }

    /// Records that a read or redirect saw `value` (`None`: absent).
    pub fn saw(&self, started: Started, value: Option<&str>) -> Result<(), HistoryError> {
        let value = value.map(str::to_owned);
        self.write(Operation {
            value,
            outcome: Outcome::Ok,
            ..started.operation
        })
    }

    /// When an operation on money begins that begins now.
    pub fn begins_us(&self) -> u64 {
        self.now_us()
    }

    /// Records that an operation on money was answered, or given up, now.
    pub fn end_money(
        &self,
        mut operation: ledger::Operation,
        answer: ledger::Answer,
    ) -> Result<(), HistoryError> {
        operation.answer = answer;
        operation.end_us = self.now_us();
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(&operation)
    }

    fn write(&self, mut operation: Operation) -> Result<(), HistoryError> {
        operation.end_us = self.now_us();
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(&operation)
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.clock.monotonic().as_micros()).unwrap_or(u64::MAX)
    }

    /// Brings what was recorded to where it belongs.
    pub fn flush(&self) -> Result<(), HistoryError> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner).flush()
    }

    /// Flushes, and gives what it wrote onto.
    pub fn finish(self) -> Result<W, HistoryError> {
        self.writer
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_clients_saw_becomes_a_history_on_one_time_axis() {
        let clock = clock::ManualClock::at(0);
        let recorder = Recorder::new(clock.clone(), Vec::new());
        let claim = recorder.start(1, Kind::Claim, "", Some("u")).intent("i");
        clock.advance(Duration::from_micros(30));
        let read = recorder.start(2, Kind::Redirect, "a", None);
        clock.advance(Duration::from_micros(5));
        recorder.end_as(claim, "a").unwrap();
        recorder.saw(read, Some("u")).unwrap();
        let lost = recorder.start(2, Kind::Delete, "a", None);
        recorder.end(lost, Outcome::Unknown).unwrap();

        let operations = history::read(&recorder.finish().unwrap()[..]).unwrap();
        let told: Vec<String> = operations.iter().map(ToString::to_string).collect();
        let start = operations[0].start_us;
        assert_eq!(operations[1].start_us, start + 30);
        assert!(
            told[0].ends_with("session 1: claim(a) u -> ok (intent i)"),
            "{told:?}"
        );
        assert!(told[1].ends_with("session 2: redirect(a) u -> ok"), "{told:?}");
        assert!(
            told[2].ends_with("session 2: delete(a) absent -> unknown"),
            "{told:?}"
        );
    }
}
