use std::io;
use std::sync::Arc;

use clock::ManualClock;
use serde_json::Value;

use super::*;
use crate::context::{SpanId, TraceId};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Closed;

impl Write for Closed {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Err(io::ErrorKind::BrokenPipe.into())
    }
}

/// 2026-11-22T00:00:00Z.
const NOW_MS: u64 = 1_795_305_600_000;

fn logged(settings: &TelemetrySettings, work: impl FnOnce()) -> String {
    let buffer = Buffer::default();
    let dispatch =
        dispatch("shortener", settings, ManualClock::at(NOW_MS), buffer.clone()).expect("settings are valid");
    tracing::dispatcher::with_default(&dispatch, work);
    let bytes = buffer.0.lock().expect("no panic").clone();
    String::from_utf8(bytes).expect("logs are UTF-8")
}

fn json(work: impl FnOnce()) -> Vec<Value> {
    let text = logged(&TelemetrySettings::default(), work);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("each line is JSON"))
        .collect()
}

fn context() -> TraceContext {
    let trace_id = TraceId::from_u128(0xabc).expect("not zero");
    TraceContext::new(trace_id, SpanId::from_u64(0xdef).expect("not zero"), true)
}

#[test]
fn an_event_is_one_line_with_its_time_level_service_and_flat_fields() {
    let lines = json(|| {
        tracing::info!(target: "shortener::links", tenant = "acme", count = 3, ratio = 0.5, ok = true, "made\na link");
    });
    let expected = serde_json::json!({
        "ts": "2026-11-22T00:00:00.000000Z", "level": "info", "service": "shortener", "target": "shortener::links",
        "message": "made\na link", "tenant": "acme", "count": 3, "ratio": 0.5, "ok": true,
    });
    assert_eq!(lines, [expected]);
}

#[test]
fn an_event_carries_the_trace_of_the_task() {
    let lines = json(|| context().sync_scope(|| tracing::error!("failed")));
    assert_eq!(lines[0]["trace_id"], "00000000000000000000000000000abc");
    assert_eq!(lines[0]["span_id"], "0000000000000def");
}

#[test]
fn a_trace_that_the_event_names_itself_is_the_one_that_counts() {
    let text = logged(&TelemetrySettings::default(), || {
        context().sync_scope(|| tracing::error!(trace_id = "feed", "failed"));
    });
    assert_eq!(text.matches("trace_id").count(), 1);
    assert!(text.contains("\"trace_id\":\"feed\""), "{text}");
}

#[test]
fn no_name_stands_twice_in_a_line() {
    let lines = json(|| tracing::warn!(level = "high", service = "else", "hm"));
    assert_eq!(lines[0]["level"], "warn");
    assert_eq!(lines[0]["field_level"], "high");
    assert_eq!(lines[0]["field_service"], "else");
}

#[test]
fn secrets_are_masked_by_name_and_by_shape() {
    let text = logged(&TelemetrySettings::default(), || {
        tracing::info!(
            access_token = "plain-secret-1",
            password = 987_654_321,
            idempotency_key = "plain-secret-2",
            url = "https://u:plain-secret-3@h.example/p?q=plain-secret-4",
            header = ?"Bearer plain-secret-5",
            "took Bearer plain-secret-6 from https://h.example/x?plain-secret-7",
        );
    });
    assert!(!text.contains("plain-secret") && !text.contains("987"), "{text}");
    assert!(text.contains("https://h.example/p"), "{text}");
}

#[test]
fn an_error_is_written_with_its_causes() {
    let error = TelemetryError::Encode(std::fmt::Error);
    let lines = json(|| tracing::error!(error = &error as &dyn std::error::Error, "scrape failed"));
    let text = lines[0]["error"].as_str().expect("text");
    assert!(
        text.starts_with("the metrics could not be encoded: an error occurred"),
        "{text}"
    );
}

#[test]
fn a_huge_value_is_cut() {
    let lines = json(|| tracing::info!(body = "ü".repeat(100_000), "huge"));
    let body = lines[0]["body"].as_str().expect("text");
    assert!(
        body.len() < 5_000 && body.ends_with("bytes more)"),
        "{}",
        body.len()
    );
}

#[test]
fn the_level_is_a_filter_by_target_too() {
    let settings = TelemetrySettings {
        log_level: "warn,chatty=debug".to_owned(),
        ..Default::default()
    };
    let text = logged(&settings, || {
        tracing::info!("hidden");
        tracing::debug!(target: "chatty", "shown");
    });
    assert!(!text.contains("hidden") && text.contains("shown"), "{text}");
}

#[test]
fn a_level_that_is_none_is_refused_by_the_name_of_its_setting() {
    let settings = TelemetrySettings {
        log_level: "info,=,".to_owned(),
        ..Default::default()
    };
    let error = dispatch("shortener", &settings, ManualClock::at(0), io::sink()).expect_err("no filter");
    assert!(error.to_string().contains("telemetry.log_level"), "{error}");
}

#[test]
fn text_for_people_is_one_line_whatever_the_message() {
    let settings = TelemetrySettings {
        log_format: LogFormat::Text,
        ..Default::default()
    };
    let text = logged(&settings, || {
        context()
            .sync_scope(|| tracing::info!(target: "t", code = "0aB", note = "two words", "a\nb \u{1b}[31m"));
    });
    let expected = "2026-11-22T00:00:00.000000Z  INFO shortener t: a\\nb \\u{1b}[31m code=0aB note=\"two words\" \
                    trace_id=00000000000000000000000000000abc\n";
    assert_eq!(text, expected);
}

#[test]
fn a_closed_standard_error_does_not_stop_the_work() {
    let dispatch = dispatch(
        "shortener",
        &TelemetrySettings::default(),
        ManualClock::at(0),
        Closed,
    )
    .expect("valid");
    tracing::dispatcher::with_default(&dispatch, || {
        tracing::error!("nobody reads this");
        tracing::error!("nor this");
    });
}
