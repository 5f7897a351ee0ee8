//! One line an operation: what a client asked, when, and what it was told.

use std::io::{self, BufRead, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A longer line is refused rather than read into memory.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// More operations than this are refused: a checker holds the whole history in memory.
const OPERATIONS_MAX: usize = 10_000_000;

/// What was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Create the key with a value if it does not exist.
    Claim,
    /// Read the key from its owner.
    Read,
    /// Replace the value of an existing key.
    Write,
    /// Remove an existing key.
    Delete,
    /// Follow the key; the answer may be stale within a stated bound.
    Redirect,
}

/// What the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It was done.
    Ok,
    /// It was judged and not done; the README says what that means for each kind.
    Refused,
    /// No answer: it may have taken effect, may yet, or never will.
    Unknown,
}

/// One operation of one client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Operation {
    /// The client, which has one operation in flight at a time.
    pub session: u64,
    /// What was asked.
    #[serde(rename = "operation")]
    pub kind: Kind,
    /// The key it was asked of; `""` for a claim that never learnt its generated key.
    pub key: String,
    /// The value written, or the value seen (`None`: absent).
    #[serde(default)]
    pub value: Option<String>,
    /// When it was sent, in microseconds on the history's one monotonic axis.
    #[serde(rename = "start")]
    pub start_us: u64,
    /// When its answer was complete or given up, in microseconds on the same axis.
    #[serde(rename = "end")]
    pub end_us: u64,
    /// What the client was told.
    pub outcome: Outcome,
    /// The idempotency key: operations that share one are retries of one wish.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<String>,
}

/// Why a history could not be read or written.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// A line is not an operation.
    #[error("line {line} of the history is not an operation: {reason}")]
    Malformed {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The history has more lines than a checker holds.
    #[error("the history has more than {OPERATIONS_MAX} operations")]
    TooLong,
    /// The reader or the writer failed.
    #[error("the history could not be read or written: {0}")]
    Io(#[from] io::Error),
}

impl HistoryError {
    /// The stable code of the error.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "history_malformed",
            Self::TooLong => "history_too_long",
            Self::Io(_) => "history_io",
        }
    }

    /// Whether trying again may help: never, for a file does not mend itself.
    pub fn retryable(&self) -> bool {
        false
    }
}

/// Reads a history; blank lines are passed over.
pub fn read(reader: impl BufRead) -> Result<Vec<Operation>, HistoryError> {
    read_lines(reader, check_shape)
}

/// Reads lines of one kind, each in the shape that its types cannot say.
pub(crate) fn read_lines<T: DeserializeOwned>(
    mut reader: impl BufRead,
    check_shape: impl Fn(&T) -> Result<(), &'static str>,
) -> Result<Vec<T>, HistoryError> {
    let mut operations = Vec::new();
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        let length = io::Read::take(&mut reader, LINE_BYTES_MAX).read_until(b'\n', &mut line)?;
        if length == 0 {
            break;
        }
        if length as u64 == LINE_BYTES_MAX && line.last() != Some(&b'\n') {
            return Err(malformed(
                number,
                format!("it is longer than {LINE_BYTES_MAX} bytes"),
            ));
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let operation: T =
            serde_json::from_slice(&line).map_err(|error| malformed(number, error.to_string()))?;
        check_shape(&operation).map_err(|reason| malformed(number, reason.to_owned()))?;
        if operations.len() == OPERATIONS_MAX {
            return Err(HistoryError::TooLong);
        }
        operations.push(operation);
    }
    Ok(operations)
}

fn malformed(line: usize, reason: String) -> HistoryError {
    HistoryError::Malformed { line, reason }
}

/// What the types cannot say. A checker may rely on it for histories that were read.
fn check_shape(operation: &Operation) -> Result<(), &'static str> {
    if operation.end_us < operation.start_us {
        return Err("it ends before it starts");
    }
    let writes = matches!(operation.kind, Kind::Claim | Kind::Write);
    if writes && operation.value.is_none() {
        return Err("a claim or write needs a value");
    }
    if operation.key.is_empty() && !(operation.kind == Kind::Claim && operation.outcome != Outcome::Ok) {
        return Err("only a claim without an answer may lack its key");
    }
    Ok(())
}

/// Writes operations as JSON lines.
#[derive(Debug)]
pub struct Writer<W: Write> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// A writer onto `out`, which should be buffered.
    pub fn new(out: W) -> Self {
        Self { out }
    }

    /// Appends one operation, or one line of what was observed.
    pub fn record(&mut self, operation: &impl Serialize) -> Result<(), HistoryError> {
        serde_json::to_writer(&mut self.out, operation).map_err(io::Error::from)?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// Brings what was appended to where it belongs.
    pub fn flush(&mut self) -> Result<(), HistoryError> {
        Ok(self.out.flush()?)
    }

    /// Flushes, and gives what it wrote onto.
    pub fn finish(mut self) -> Result<W, HistoryError> {
        self.out.flush()?;
        Ok(self.out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim() -> Operation {
        Operation {
            session: 1,
            kind: Kind::Claim,
            key: "a".into(),
            value: Some("x".into()),
            start_us: 1,
            end_us: 2,
            outcome: Outcome::Ok,
            intent: Some("k".into()),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let delete = Operation {
            kind: Kind::Delete,
            value: None,
            intent: None,
            ..claim()
        };
        let mut writer = Writer::new(Vec::new());
        writer.record(&claim()).unwrap();
        writer.record(&delete).unwrap();
        let bytes = writer.finish().unwrap();
        assert_eq!(read(&bytes[..]).unwrap(), [claim(), delete]);
    }

    #[test]
    fn a_bad_line_is_named_with_its_number_and_reason() {
        let good = serde_json::to_string(&claim()).unwrap();
        for (bad, reason) in [
            (good.replace("claim", "steal"), "unknown variant"),
            (good.replace("\"end\":2", "\"end\":0"), "ends before"),
            (good.replace("\"x\"", "null"), "needs a value"),
            (good.replace("\"key\":\"a\"", "\"key\":\"\""), "lack its key"),
            (good.replace("session", "sesion"), "unknown field"),
            ("x".repeat(70_000), "longer than"),
        ] {
            let error = read(format!("{good}\n\n{bad}\n").as_bytes()).unwrap_err();
            assert_eq!(error.code(), "history_malformed");
            assert!(error.to_string().contains("line 3"), "{error}");
            assert!(error.to_string().contains(reason), "{error}");
        }
    }
}
