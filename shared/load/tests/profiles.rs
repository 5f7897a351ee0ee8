//! Profiles against servers that stall, refuse or go away, and what becomes of their answers.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use history::Kind;
use history::ledger::Answer;
use load::Recorder;
use load::profile::{HistoryRecorder, Profile, Report, Target, run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Answers every request by a function of how many came before and of its head and body.
fn server<F>(answer: F) -> String
where
    F: Fn(u64, &str) -> String + Send + Sync + 'static,
{
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    // On a thread of its own: where it stands still, the load must not.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(serve(listener, answer));
    });
    url
}

async fn serve<F>(listener: std::net::TcpListener, answer: F)
where
    F: Fn(u64, &str) -> String + Send + Sync + 'static,
{
    let listener = TcpListener::from_std(listener).unwrap();
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicU64::new(0)));
    while let Ok((mut stream, _)) = listener.accept().await {
        let (answer, count) = (answer.clone(), count.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 8_192];
            // One request fits one read: they are small and sent whole.
            while let Ok(length @ 1..) = stream.read(&mut buffer).await {
                let head = String::from_utf8_lossy(&buffer[..length]).into_owned();
                let text = answer(count.fetch_add(1, Ordering::SeqCst), &head);
                if stream.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
        });
    }
}

fn answer(status: &str, extra: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\n{extra}content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

async fn offer(profile: &Profile, url: &str, recorder: Option<Arc<HistoryRecorder>>) -> Report {
    let target = Target {
        url: url.to_owned(),
        token: None,
        given: std::collections::BTreeMap::new(),
    };
    // Nobody is left who could say stop: the run must not take that for one.
    let (_, stop) = watch::channel(false);
    let clock = clock::SystemClock::shared();
    run(profile, &target, &clock, recorder, stop, |_| ())
        .await
        .unwrap()
}

fn looking(sessions: u32, per_second: u32, seconds: u32) -> Profile {
    Profile::parse(&format!(
        "name: looking\ndescription: d\nsessions: {sessions}\nin_flight_max: 1000\n\
         arrivals: {{kind: constant, per_second: {per_second}, duration_s: {seconds}}}\n\
         operations: [{{name: look, weight: 1, method: GET, path: /, expect: [200], objective: o}}]\n"
    ))
    .unwrap()
}

/// Stands still once, for 200 ms, for everybody.
fn stalling() -> impl Fn(u64, &str) -> String + Send + Sync + 'static {
    |number, _| {
        if number == 300 {
            std::thread::park_timeout(Duration::from_millis(200));
        }
        answer("200 OK", "", "ok")
    }
}

#[tokio::test]
async fn a_stall_shows_in_the_latency_of_those_who_came_during_it_and_not_in_that_of_requests_sent() {
    // Four users send 250 a second: during the stall 50 arrivals are due, and four requests are under way.
    let url = server(stalling());
    let report = offer(&looking(4, 250, 4), &url, None).await;
    let total = &report.total;
    assert!(report.passed() && total.offered > 990, "{report}");
    assert!(
        total.latency.p99_ms > 100.0,
        "50 of 1,000 came during the stall: {report}"
    );
    assert!(total.latency.max_ms >= 150.0, "{report}");
    assert!(
        total.service.p99_ms < total.latency.p99_ms / 3.0,
        "four of 1,000 were sent into it: {report}"
    );
    assert!(total.latency.p50_ms < 50.0, "the others felt nothing: {report}");
    let worst = report
        .seconds
        .iter()
        .map(|second| second.p99_ms)
        .fold(0.0, f64::max);
    assert!(worst > 100.0, "it shows in its second: {:?}", report.seconds);
}

#[tokio::test]
async fn a_user_who_waits_for_each_answer_hides_the_stall_from_the_uncorrected_figure() {
    let url = server(stalling());
    let report = offer(&looking(1, 250, 4), &url, None).await;
    let (latency, service) = (&report.total.latency, &report.total.service);
    assert!(
        service.max_ms >= 150.0 && service.p99_ms < 100.0,
        "one request of 1,000 met it: {report}"
    );
    assert!(latency.p99_ms > 100.0, "and fifty waited for it: {report}");
}

#[tokio::test]
async fn what_was_not_expected_is_counted_by_what_it_was_and_fails_the_run() {
    let url = server(|number, _| match number % 10 {
        0 => answer("503 Service Unavailable", "", ""),
        _ => answer("200 OK", "", ""),
    });
    let report = offer(&looking(8, 200, 1), &url, None).await;
    let total = &report.total;
    assert_eq!(total.failed, total.statuses["503"], "{report}");
    assert_eq!(total.offered, total.ok + total.failed + total.dropped, "{report}");
    assert!(
        (0.05..0.15).contains(&report.errors_share()) && !report.passed(),
        "{report}"
    );
    let failed_of_due: u64 = report.seconds.iter().map(|second| second.failed_of_due).sum();
    assert_eq!(failed_of_due, total.failed, "{:?}", report.seconds);
    let offered: u64 = report.seconds.iter().map(|second| second.offered).sum();
    assert_eq!(offered, total.offered, "{:?}", report.seconds);
    assert!(
        report.to_string().contains("503 × ") && report.to_string().contains("FAILED"),
        "{report}"
    );
    let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
    assert_eq!(json["operations"][0]["objective"], "o");
    assert!(report.svg().matches("<svg").count() == 3, "a drawing of two");
}

#[tokio::test]
async fn nobody_there_is_an_error_of_the_setup_or_a_failed_run() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let report = offer(&looking(2, 20, 1), &format!("http://{gone}"), None).await;
    assert_eq!(
        report.total.statuses.get("not_sent"),
        Some(&report.total.failed),
        "{report}"
    );
    assert!(!report.passed() && report.total.ok == 0, "{report}");
}

#[tokio::test]
async fn a_run_that_is_told_to_stop_ends_with_a_report() {
    let url = server(|_, _| answer("200 OK", "", ""));
    let profile = looking(2, 50, 600);
    let target = Target {
        url,
        token: None,
        given: std::collections::BTreeMap::new(),
    };
    let (stop, stopped) = watch::channel(false);
    let seen = AtomicBool::new(false);
    let clock = clock::SystemClock::shared();
    let report = run(&profile, &target, &clock, None, stopped, |second| {
        seen.fetch_or(second.offered > 0, Ordering::SeqCst);
        stop.send_replace(true);
    });
    let report = tokio::time::timeout(Duration::from_secs(20), report)
        .await
        .unwrap()
        .unwrap();
    assert!(
        report.stopped && report.elapsed_s < 15.0 && seen.into_inner(),
        "{report}"
    );
    assert!(
        report.total.ok > 0 && report.passed(),
        "what was offered was answered: {report}"
    );
}

const SHELF: &str = "
name: shelf
description: Things that are put on a shelf, looked at and taken away.
arrivals: {kind: poisson, per_second: 200, duration_s: 1}
keys: {count: 3, zipf: 1}
sessions: 4
setup:
  - {name: put, each: key, method: POST, path: /things, headers: {idempotency-key: 'k-{{key}}'}, body: {v: 'v{{key}}', n: 1},
     expect: [201], capture: {id: 'json:/id'}, history: {kind: claim, key_from: 'json:/id', value: 'v{{key}}'}}
operations:
  - {name: look, weight: 3, method: GET, path: '/things/{{captured.id}}', expect: [200, 404],
     history: {kind: read, key: '{{captured.id}}', seen: 'header:x-value'}}
  - {name: take, weight: 1, method: DELETE, path: '/things/{{captured.id}}', expect: [204, 404],
     history: {kind: delete, key: '{{captured.id}}', refused: [404]}}
";

/// A shelf that tells its things by their ids.
fn shelf() -> impl Fn(u64, &str) -> String + Send + Sync + 'static {
    let things: Mutex<std::collections::BTreeMap<String, String>> = Mutex::default();
    move |_, request| {
        let mut things = things.lock().unwrap();
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap());
        let id = path.rsplit('/').next().unwrap().to_owned();
        match method {
            "POST" => {
                let body: serde_json::Value =
                    serde_json::from_str(request.rsplit("\r\n\r\n").next().unwrap()).unwrap();
                assert_eq!(body["n"], 1, "a number stays one");
                let id = format!("t-{}", things.len());
                things.insert(id.clone(), body["v"].as_str().unwrap().to_owned());
                answer("201 Created", "", &format!("{{\"id\":\"{id}\"}}"))
            }
            "DELETE" if things.remove(&id).is_some() => answer("204 No Content", "", ""),
            "DELETE" => answer("404 Not Found", "", ""),
            _ => match things.get(&id) {
                Some(value) => answer("200 OK", &format!("x-value: {value}\r\n"), ""),
                None => answer("404 Not Found", "", ""),
            },
        }
    }
}

/// Where a recorder wrote.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_was_done_and_seen_becomes_a_history_that_a_checker_accepts() {
    let url = server(shelf());
    let written = Shared::default();
    let clock = clock::SystemClock::shared();
    let recorder: Arc<HistoryRecorder> = Arc::new(Recorder::new(clock, Box::new(written.clone())));
    let report = offer(&Profile::parse(SHELF).unwrap(), &url, Some(recorder)).await;
    assert!(report.passed(), "{report}");

    let operations = history::read(&written.0.lock().unwrap()[..]).unwrap();
    let of = |kind: Kind| {
        operations
            .iter()
            .filter(|operation| operation.kind == kind)
            .count()
    };
    let [claims, reads, deletes] = [Kind::Claim, Kind::Read, Kind::Delete].map(of);
    assert_eq!(claims, 3);
    assert_eq!((reads + deletes) as u64, report.total.offered);
    let claim = operations
        .iter()
        .find(|operation| operation.kind == Kind::Claim)
        .unwrap();
    assert!(
        claim.key.starts_with("t-") && claim.intent.as_deref().unwrap().starts_with("k-"),
        "{claim}"
    );
    assert!(
        operations
            .iter()
            .any(|operation| operation.kind == Kind::Read && operation.value.is_none())
    );
    let verdict = history::linearizable::check(&operations, history::linearizable::Limits::default());
    assert!(verdict.is_kept(), "{verdict}");
    // It is a real check: with one read of what nobody wrote it is not kept.
    let mut lies = operations.clone();
    lies.iter_mut()
        .find(|operation| operation.kind == Kind::Read)
        .unwrap()
        .value = Some("nobody's".to_owned());
    assert!(!history::linearizable::check(&lies, history::linearizable::Limits::default()).is_kept());
}

#[tokio::test]
async fn a_setup_that_is_refused_says_which_step_and_what_was_answered() {
    let url = server(|_, _| answer("401 Unauthorized", "", "{\"code\":\"unauthenticated\"}"));
    let target = Target {
        url,
        token: None,
        given: std::collections::BTreeMap::new(),
    };
    let clock = clock::SystemClock::shared();
    let (_stop, stopped) = watch::channel(false);
    let error = run(
        &Profile::parse(SHELF).unwrap(),
        &target,
        &clock,
        None,
        stopped,
        |_| (),
    )
    .await
    .unwrap_err();
    assert_eq!(error.code(), "setup_failed");
    let said = error.to_string();
    assert!(
        said.contains("`put`") && said.contains("401") && said.contains("unauthenticated"),
        "{said}"
    );
}

const PAYING: &str = "name: paying\ndescription: d\nsessions: 50\n\
    arrivals: {kind: constant, per_second: 200, duration_s: 1}\n\
    operations:\n  - name: pay\n    weight: 1\n    method: POST\n    path: /v1/transfers\n    \
    headers: {Idempotency-Key: 'k-{{index}}'}\n    body: {amount: '1{{index}}'}\n    expect: [201]\n    \
    ledger: {effect: transfer, debit: a, credit: b, amount: '1{{index}}', currency: EUR, id: 'json:/id', refused: [422]}\n    \
    repeats: {doubled: 0.2, late: 0.2, abandoned: 0.2, patience_ms: 1, later_ms: 50, insist: 3}\n";

#[tokio::test]
async fn what_moves_money_is_doubled_repeated_late_and_abandoned_under_one_key_each() {
    // Every seventh is refused, every eleventh fails the first time it is asked for; all others wait a moment.
    let seen = Mutex::new(std::collections::BTreeMap::<u64, u64>::new());
    let url = server(move |_, request| {
        let key = request
            .split("k-")
            .nth(1)
            .and_then(|rest| rest.split("\r\n").next());
        let key: u64 = key.unwrap().parse().unwrap();
        let mut seen = seen.lock().unwrap();
        let times = seen.entry(key).or_default();
        *times += 1;
        match (key % 7, key % 11, *times) {
            (0, ..) => answer("422 No", "", "{\"code\":\"insufficient_funds\"}"),
            (_, 0, 1) => answer("503 Away", "", "{}"),
            _ => answer("201 Created", "", &format!("{{\"id\":\"{key}\"}}")),
        }
    });
    let clock = clock::SystemClock::shared();
    let written = Shared::default();
    let recorder: Arc<HistoryRecorder> = Arc::new(Recorder::new(clock, Box::new(written.clone())));
    let report = offer(&Profile::parse(PAYING).unwrap(), &url, Some(recorder)).await;

    let operations = history::ledger::read(&written.0.lock().unwrap()[..]).unwrap();
    let mut wishes = std::collections::BTreeMap::<&str, Vec<&history::ledger::Operation>>::new();
    for operation in &operations {
        wishes.entry(&operation.intent).or_default().push(operation);
    }
    let repeated = wishes.values().filter(|attempts| attempts.len() > 1).count();
    assert!(wishes.len() > 180 && repeated > 40, "{} {repeated}", wishes.len());
    for (intent, attempts) in &wishes {
        let number: u64 = intent[2..].parse().unwrap();
        let amounts: Vec<_> = attempts
            .iter()
            .filter_map(|attempt| attempt.request.amount)
            .collect();
        assert!(
            amounts
                .iter()
                .all(|amount| amount.to_string() == format!("1{number}")),
            "{amounts:?}"
        );
        for attempt in attempts {
            match &attempt.answer {
                Answer::Ok { id } => assert_eq!(id.as_ref().unwrap().to_string(), number.to_string()),
                Answer::Refused { code } => assert!(number.is_multiple_of(7) && code == "insufficient_funds"),
                Answer::Unknown => {}
            }
        }
    }
    let settled = |intent: &str| {
        wishes[intent]
            .iter()
            .any(|attempt| attempt.answer != Answer::Unknown)
    };
    let failed = report.total.failed;
    assert!(failed > 5, "who was told 503 has failed: {report}");
    // Those that were not abandoned were asked for again until they were answered.
    let unsettled = wishes.keys().filter(|intent| !settled(intent)).count();
    assert!(unsettled < 60, "{unsettled}");
    assert_eq!(report.expected, ["422", "given_up"]);
}
