//! Which traces are meant.

use crate::model::{StatusFilter, TracePage, TraceQuery};

use super::{StoredSpan, Trace, TraceStore, summary};

/// The most on a page.
const LISTED_MAX: usize = 200;

/// One page of what the query means.
pub(crate) fn search(store: &TraceStore, query: &TraceQuery) -> TracePage {
    let limit = match query.limit {
        0 => crate::TRACES_LISTED_DEFAULT,
        limit => limit.min(LISTED_MAX),
    };
    let mut found = store.newest(query.before).filter(|trace| is_meant(trace, query));
    if query.slowest_first {
        let mut all: Vec<(u64, &Trace)> = found.map(|trace| (duration_us(trace), trace)).collect();
        all.sort_by_key(|(took, trace)| (std::cmp::Reverse(*took), std::cmp::Reverse(trace.seq)));
        all.truncate(limit);
        return TracePage {
            traces: all.into_iter().map(|(_, trace)| summary(trace)).collect(),
            next: None,
        };
    }
    let mut page = TracePage::default();
    for trace in found.by_ref().take(limit) {
        page.next = Some(trace.seq);
        page.traces.push(summary(trace));
    }
    if found.next().is_none() {
        page.next = None;
    }
    page
}

fn is_meant(trace: &Trace, query: &TraceQuery) -> bool {
    let of_span = query.service.is_some() || query.route.is_some() || query.status.is_some();
    let in_time = |took_us: u64| {
        let at_least = query
            .duration_min
            .is_none_or(|least| u128::from(took_us) >= least.as_micros());
        at_least
            && query
                .duration_max
                .is_none_or(|most| u128::from(took_us) <= most.as_micros())
    };
    if !of_span && !in_time(duration_us(trace)) {
        return false;
    }
    trace.spans.iter().any(|span| {
        let service = query
            .service
            .as_deref()
            .is_none_or(|service| *span.service == *service);
        let failed = !query.failed || span.failed;
        service
            && failed
            && query.route.as_deref().is_none_or(|route| is_route(span, route))
            && query.status.is_none_or(|status| is_status(span, status))
            && (!of_span || in_time(span.duration_us))
    })
}

fn is_route(span: &StoredSpan, asked: &str) -> bool {
    span.route.as_deref().is_some_and(|route| {
        let path = route.split_once(' ').map_or(route, |(_, path)| path);
        route == asked || path == asked
    })
}

fn is_status(span: &StoredSpan, asked: StatusFilter) -> bool {
    span.status.is_some_and(|status| match asked {
        StatusFilter::Is(one) => status == one,
        StatusFilter::Class(hundred) => status / 100 == hundred,
    })
}

/// How long what began it all took; of a trace whose beginning has not come, from its first moment to its last. What goes on after
/// the answer (events that are handled later) is no part of it.
pub(super) fn duration_us(trace: &Trace) -> u64 {
    let roots = trace.spans.iter().filter(|span| span.parent == 0);
    if let Some(longest) = roots.map(|span| span.duration_us).max() {
        return longest;
    }
    let begin = trace.spans.iter().map(|span| span.start_us).min().unwrap_or(0);
    let end = trace.spans.iter().map(StoredSpan::end_us).max().unwrap_or(0);
    end.saturating_sub(begin)
}
