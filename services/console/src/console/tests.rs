use clock::ManualClock;
use proptest::prelude::*;
use telemetry::{Telemetry, TelemetrySettings};

use super::*;
use crate::map::Way;
use crate::model::{NodeKind, Source, TraceLookup, TraceQuery};
use crate::otlp::decode::OtherEnd;
use crate::traces::Kind;

const NOW_MS: u64 = 1_795_305_600_000;

fn console(bytes_max: usize, objectives: &str) -> (Console, Arc<ManualClock>) {
    let clock = ManualClock::at(NOW_MS);
    let telemetry = Telemetry::new("console", "test", &TelemetrySettings::default(), clock.clone()).unwrap();
    let limits = Limits {
        bytes_max,
        ..Limits::default()
    };
    let objectives = match objectives {
        "" => Vec::new(),
        yaml => vec![ServiceObjectives::parse(yaml).unwrap()],
    };
    let console = Console::new(clock.clone(), limits, objectives, Metrics::of(&telemetry));
    (console, clock)
}

fn span(trace_id: u128, id: u64, parent: u64) -> NewSpan {
    NewSpan {
        trace_id,
        id,
        parent,
        service: "shop".to_owned(),
        name: "GET /{item}".to_owned(),
        route: Some("GET /{item}".to_owned()),
        peer: None,
        kind: Kind::Server,
        other_end: None,
        failed: false,
        status: Some(200),
        start_us: NOW_MS * 1_000,
        duration_us: 3_000,
        error: None,
        attributes: vec![("http.route".to_owned(), "/{item}".to_owned())],
        links: Vec::new(),
    }
}

#[test]
fn ten_times_the_bound_is_poured_in_and_never_is_more_held_than_the_bound() {
    let (console, _clock) = console(BYTES_MIN, "");
    let mut poured = 0;
    let mut trace = 0;
    while poured < 10 * BYTES_MIN {
        let batch: Vec<_> = (0..512_u64)
            .map(|id| {
                trace += u128::from(id % 5 == 0);
                let mut span = span(trace, id + 1, 0);
                span.failed = id % 3 == 0;
                span.service = format!("s{}", trace % 90);
                span.name = format!("unique {trace} {id}");
                span.attributes.push(("text".to_owned(), "x".repeat(700)));
                poured += 1_000;
                Ok(span)
            })
            .collect();
        assert_eq!(console.ingest(batch).refused, 0);
        let held = console.holdings();
        assert!(held.bytes <= held.bytes_max, "{held:?}");
    }
    let held = console.holdings();
    assert!(held.bytes > BYTES_MIN / 2, "the room is used: {held:?}");
    assert_eq!(held.spans_received, held.spans as u64 + held.spans_evicted);
    assert!(matches!(
        console.trace(1),
        TraceLookup::Evicted | TraceLookup::Unknown
    ));
    assert!(matches!(console.trace(trace), TraceLookup::Found(_)));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    #[test]
    fn whatever_shape_spans_have_the_bound_holds_and_each_one_is_accounted_for(
        shapes in prop::collection::vec((1_u64..400, 0_usize..40_000, 0_usize..60, any::<bool>()), 1..600),
    ) {
        let (console, _clock) = console(BYTES_MIN, "");
        let mut taken = Taken::default();
        for (at, (trace, text, attributes, failed)) in shapes.iter().enumerate() {
            let mut span = span(u128::from(*trace), at as u64 + 1, trace / 2);
            span.attributes = (0..*attributes).map(|n| (format!("name {at} {n}"), "v".repeat(text / 50))).collect();
            span.error = failed.then(|| "e".repeat(*text));
            span.failed = *failed;
            let one = console.ingest(vec![Ok(span)]);
            taken.kept += one.kept;
            taken.refused += one.refused;
            prop_assert!(console.holdings().bytes <= BYTES_MIN);
        }
        let held = console.holdings();
        prop_assert_eq!(taken.kept + taken.refused, shapes.len() as u64);
        prop_assert_eq!(taken.kept, held.spans as u64 + held.spans_evicted);
    }
}

#[test]
fn the_map_shows_who_calls_whom_and_an_address_only_until_it_is_known() {
    let (console, clock) = console(BYTES_MIN, "");
    let mut caller = span(1, 2, 1);
    (caller.service, caller.kind) = ("web".to_owned(), Kind::Client);
    caller.peer = Some("127.0.0.1:9".to_owned());
    caller.other_end = Some(OtherEnd {
        kind: NodeKind::Peer,
        id: "peer:127.0.0.1:9".to_owned(),
        name: "127.0.0.1:9".to_owned(),
        way: Way::To,
    });
    console.ingest(vec![Ok(caller)]);
    let edges = |console: &Console| -> Vec<(String, String)> {
        console
            .map()
            .edges
            .into_iter()
            .map(|edge| (edge.from, edge.to))
            .collect()
    };
    assert_eq!(edges(&console), [("web".into(), "peer:127.0.0.1:9".into())]);
    let mut engine = span(1, 4, 3);
    engine.kind = Kind::Client;
    engine.other_end = Some(OtherEnd {
        kind: NodeKind::Engine,
        id: "sqlite:shop".to_owned(),
        name: "shop (sqlite)".to_owned(),
        way: Way::To,
    });
    console.ingest(vec![Ok(span(1, 3, 2)), Ok(engine)]);
    clock.advance(Duration::from_secs(10));
    let map = console.map();
    assert_eq!(
        edges(&console),
        [
            ("shop".into(), "sqlite:shop".into()),
            ("web".into(), "shop".into())
        ]
    );
    let kinds: Vec<NodeKind> = map.nodes.iter().map(|node| node.kind).collect();
    assert_eq!(kinds, [NodeKind::Service, NodeKind::Service, NodeKind::Engine]);
    // The service is gone: it answers nothing, and sends no spans that would say so.
    let mut unanswered = span(2, 9, 8);
    (unanswered.service, unanswered.kind, unanswered.failed) = ("web".to_owned(), Kind::Client, true);
    (unanswered.status, unanswered.peer) = (None, Some("127.0.0.1:9".to_owned()));
    unanswered.other_end = Some(OtherEnd {
        kind: NodeKind::Peer,
        id: "peer:127.0.0.1:9".to_owned(),
        name: "127.0.0.1:9".to_owned(),
        way: Way::To,
    });
    console.ingest(vec![Ok(unanswered)]);
    let call = &console.map().edges[1];
    assert_eq!((&*call.from, &*call.to), ("web", "shop"));
    assert_eq!(call.load.error_share, Some(0.5));
    clock.advance(Duration::from_secs(400));
    console.round_ended();
    assert!(console.map().edges.is_empty(), "it shows the last minutes");
}

#[test]
fn a_service_that_is_scraped_is_charted_from_its_metrics_whatever_is_sampled() {
    let (console, clock) = console(BYTES_MIN, "");
    let scrape = |requests: u32| {
        slo::exposition::parse(&format!(
            "http_server_request_duration_seconds_bucket{{method=\"GET\",route=\"/{{item}}\",status=\"200\",le=\"+Inf\"}} {requests}\n"
        ))
    };
    console.ingest(vec![Ok(span(1, 1, 0))]);
    assert_eq!(console.services()[0].source, Source::Spans);
    console.scraped("shop", "a:1", &scrape(0));
    console.scraped("shop", "a:1", &scrape(100));
    clock.advance(Duration::from_secs(10));
    let service = console.service("shop").unwrap();
    assert_eq!(service.summary.source, Source::Metrics);
    assert!(
        (service.summary.load.requests_per_s - 10.0).abs() < 0.01,
        "{service:?}"
    );
    assert_eq!(service.routes[0].route, "GET /{item}");
}

#[test]
fn a_span_of_a_wrong_clock_is_charted_as_of_now() {
    let (console, _clock) = console(BYTES_MIN, "");
    let mut late = span(1, 1, 0);
    late.start_us -= 20 * 3_600_000_000;
    let mut early = span(2, 1, 0);
    early.start_us += 20 * 3_600_000_000;
    console.ingest(vec![Ok(late), Ok(early)]);
    let points = console.service("shop").unwrap().summary.series.points;
    assert_eq!(points.last().unwrap().requests, 2);
}

const OBJECTIVES: &str = include_str!("objectives.yaml");

fn gateway_scrape(good: u32, bad: u32) -> Vec<slo::exposition::Sample> {
    let line = |status: u16, count: u32| {
        format!(
            "http_server_request_duration_seconds_count{{method=\"GET\",route=\"/{{item}}\",status=\"{status}\"}} {count}\n"
        )
    };
    slo::exposition::parse(&(line(200, good) + &line(503, bad)))
}

#[test]
fn an_objective_turns_red_when_its_budget_burns_and_names_the_traces_that_burnt_it() {
    let (console, clock) = console(BYTES_MIN, OBJECTIVES);
    assert_eq!(
        console.objectives()[0].state,
        crate::model::ObjectiveState::NoData
    );
    let (mut good, mut bad) = (1_000, 0);
    for round in 0..120 {
        console.scraped("shop", "a:1", &gateway_scrape(good, bad));
        console.round_ended();
        clock.advance(Duration::from_secs(30));
        good += 100;
        bad += if round < 60 { 0 } else { 50 };
    }
    let objective = console.objective("shop-available").unwrap();
    assert_eq!(
        objective.state,
        crate::model::ObjectiveState::Page,
        "{objective:?}"
    );
    assert!(objective.windows[0].burning && objective.budget_left.unwrap() < 0.0);
    assert!(
        objective
            .alerts
            .iter()
            .any(|alert| alert.firing && alert.name == "ShopAvailableBudgetBurnsFast")
    );
    assert_eq!(objective.history.len(), 120);
    assert_eq!(objective.runbook, "docs/runbooks/shop-available.md");
    let mut failed = span(7, 1, 0);
    (failed.status, failed.failed) = (Some(503), true);
    console.ingest(vec![Ok(span(6, 1, 0)), Ok(failed)]);
    let burned = console.burned_by("shop-available", 10);
    assert_eq!(burned.len(), 1);
    assert_eq!(burned[0].trace_id, format!("{:032x}", 7));
}

#[test]
fn a_request_that_was_too_slow_burnt_a_latency_objective() {
    let (console, _clock) = console(BYTES_MIN, OBJECTIVES);
    let mut slow = span(7, 1, 0);
    slow.duration_us = 300_000;
    let mut slower = span(8, 1, 0);
    slower.duration_us = 400_000;
    console.ingest(vec![Ok(span(6, 1, 0)), Ok(slow), Ok(slower)]);
    let burned = console.burned_by("shop-quick", 10);
    let ids: Vec<_> = burned
        .iter()
        .map(|trace| crate::parse_trace_id(&trace.trace_id).unwrap())
        .collect();
    assert_eq!(ids, [8, 7], "the slowest first");
}

#[test]
fn who_watches_is_told_of_all_news_and_of_many_at_once_when_it_looks_seldom() {
    let (console, _clock) = console(BYTES_MIN, "");
    let mut changes = console.changes();
    for id in 1..100 {
        console.ingest(vec![Ok(span(1, id, 0))]);
    }
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    console.ingest(vec![Ok(span(2, 1, 0))]);
    assert!(changes.has_changed().unwrap(), "also right after the last");
}

#[test]
fn a_list_of_traces_and_the_trace_itself_agree() {
    let (console, _clock) = console(BYTES_MIN, "");
    console.ingest(vec![Ok(span(5, 1, 0)), Ok(span(5, 2, 1))]);
    let page = console.traces(&TraceQuery::default());
    let TraceLookup::Found(trace) = console.trace(5) else {
        panic!("it is there")
    };
    assert_eq!(page.traces, std::slice::from_ref(&trace.summary));
    assert_eq!(console.trace(6), TraceLookup::Unknown);
}
