use proptest::prelude::*;

use super::*;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

#[test]
fn a_traceparent_is_read_and_written_alike() {
    for (flags, sampled) in [("00", false), ("01", true)] {
        let header = format!("00-{TRACE}-{SPAN}-{flags}");
        let context = TraceContext::parse(&header).expect("a valid header");
        assert_eq!(context.sampled(), sampled);
        assert_eq!(context.trace_id().to_string(), TRACE);
        assert_eq!(context.span_id().to_string(), SPAN);
        assert_eq!(context.traceparent(), header);
    }
}

#[test]
fn unknown_flags_are_dropped_but_the_sampled_one_is_read() {
    let context = TraceContext::parse(&format!("00-{TRACE}-{SPAN}-ff")).expect("flags may be any byte");
    assert!(context.sampled());
    assert!(context.traceparent().ends_with("-01"));
    assert!(
        !TraceContext::parse(&format!("00-{TRACE}-{SPAN}-02"))
            .expect("valid")
            .sampled()
    );
}

#[test]
fn malformed_headers_are_refused() {
    let table = [
        String::new(),
        format!("ff-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-01-"),
        format!("00-{TRACE}-{SPAN}-01-more"),
        format!("01-{TRACE}-{SPAN}-01more"),
        format!("00-{TRACE}-{SPAN}-0"),
        format!("00-{TRACE}-{SPAN}"),
        format!("00-{}-{SPAN}-01", "0".repeat(32)),
        format!("00-{TRACE}-{}-01", "0".repeat(16)),
        format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        format!("00-{TRACE}-{}-01", SPAN.to_uppercase()),
        format!("0A-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-0G"),
        format!("00_{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}_{SPAN}-01"),
        format!(" 00-{TRACE}-{SPAN}-01"),
        format!("00-{TRACE}-{SPAN}-0é"),
    ];
    for header in table {
        assert_eq!(TraceContext::parse(&header), None, "{header:?}");
    }
}

#[test]
fn a_future_version_is_read_by_the_fields_that_are_known() {
    for header in [
        format!("01-{TRACE}-{SPAN}-01"),
        format!("cc-{TRACE}-{SPAN}-01-what-comes-next"),
    ] {
        let context = TraceContext::parse(&header).expect("a version to come");
        assert_eq!(context.traceparent(), format!("00-{TRACE}-{SPAN}-01"));
    }
}

proptest! {
    #[test]
    fn every_context_survives_its_header(trace in 1_u128.., span in 1_u64.., sampled: bool) {
        let context = TraceContext::new(
            TraceId::from_u128(trace).expect("not zero"),
            SpanId::from_u64(span).expect("not zero"),
            sampled,
        );
        let read = TraceContext::parse(&context.traceparent()).expect("what we write, we read");
        prop_assert_eq!(read.trace_id(), context.trace_id());
        prop_assert_eq!(read.span_id(), context.span_id());
        prop_assert_eq!(read.sampled(), context.sampled());
    }

    #[test]
    fn no_header_makes_it_panic_and_no_invalid_id_comes_out(header in "\\PC{0,70}") {
        if let Some(context) = TraceContext::parse(&header) {
            prop_assert_ne!(context.trace_id().as_u128(), 0);
            prop_assert_ne!(context.span_id().as_u64(), 0);
        }
    }

    #[test]
    fn one_wrong_character_is_enough(at in 0_usize..55, wrong in "[^0-9a-f]") {
        let header = format!("00-{TRACE}-{SPAN}-01");
        let mut broken: Vec<char> = header.chars().collect();
        let wrong = wrong.chars().next().expect("one character");
        prop_assume!(broken[at] != wrong);
        broken[at] = wrong;
        prop_assert_eq!(TraceContext::parse(&broken.into_iter().collect::<String>()), None);
    }
}

#[tokio::test]
async fn the_context_belongs_to_the_task_that_it_was_scoped_to() {
    let context = TraceContext::root(|_| true);
    assert_eq!(TraceContext::current(), None);
    context
        .scope(async {
            tokio::task::yield_now().await;
            assert_eq!(TraceContext::current(), Some(context));
            let elsewhere = tokio::spawn(async { TraceContext::current() })
                .await
                .expect("the task ends");
            assert_eq!(elsewhere, None);
        })
        .await;
    assert_eq!(TraceContext::current(), None);
    assert_eq!(context.sync_scope(TraceContext::current), Some(context));
}

#[test]
fn ids_are_different_on_every_thread() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                (0..1_000)
                    .map(|_| TraceContext::root(|_| false))
                    .collect::<Vec<_>>()
            })
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for thread in threads {
        for context in thread.join().expect("the thread ends") {
            assert!(ids.insert(context.trace_id()));
        }
    }
    assert_eq!(ids.len(), 4_000);
}
