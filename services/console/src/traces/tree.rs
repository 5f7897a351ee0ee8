//! A trace as a tree, whatever was sent: parents that are missing, that come twice or that go in a circle.

use std::collections::HashMap;

use crate::model::{Attribute, SpanLink, SpanView, TraceSummary, TraceView};

use super::search::duration_us;
use super::{StoredSpan, Trace};

/// The trace as a list shows it: named by its outermost span, or the earliest where that has not come.
pub(super) fn summary(trace: &Trace) -> TraceSummary {
    let outermost = trace.spans.iter().min_by_key(|span| {
        (
            span.parent != 0,
            span.start_us,
            std::cmp::Reverse(span.duration_us),
        )
    });
    let mut services: Vec<String> = Vec::new();
    for span in &trace.spans {
        if !services.iter().any(|known| **known == *span.service) {
            services.push(span.service.to_string());
        }
    }
    TraceSummary {
        trace_id: format!("{:032x}", trace.id),
        service: outermost.map(|span| span.service.to_string()).unwrap_or_default(),
        name: outermost.map(|span| span.name.to_string()).unwrap_or_default(),
        status: outermost.and_then(|span| span.status),
        failed: trace.spans.iter().any(|span| span.failed),
        started_unix_ms: begin_us(trace) / 1_000,
        duration_us: duration_us(trace),
        spans: trace.spans.len(),
        services,
    }
}

fn begin_us(trace: &Trace) -> u64 {
    trace.spans.iter().map(|span| span.start_us).min().unwrap_or(0)
}

/// The spans by their place, each as an index into the trace's.
struct Placed {
    at: usize,
    depth: usize,
    orphan: bool,
}

/// The trace, whole.
pub(crate) fn view(trace: &Trace) -> TraceView {
    let tree = Tree::of(trace);
    let placed = tree.depth_first();
    let critical = tree.critical(&placed);
    let self_us: Vec<u64> = (0..trace.spans.len()).map(|at| tree.self_us(at)).collect();
    let slowest = (0..trace.spans.len())
        .filter(|at| critical[*at])
        .max_by_key(|at| self_us[*at]);
    let outermost = tree.outermost(&placed);
    let begin_us = outermost.map_or(0, |at| trace.spans[at].start_us);
    let complete = !placed.iter().any(|placed| placed.orphan);
    let spans = placed.into_iter().map(|Placed { at, depth, orphan }| {
        let span = &trace.spans[at];
        SpanView {
            span_id: format!("{:016x}", span.id),
            parent_span_id: (span.parent != 0).then(|| format!("{:016x}", span.parent)),
            depth,
            orphan,
            service: span.service.to_string(),
            name: span.name.to_string(),
            kind: span.kind.name(),
            offset_us: offset(span.start_us, begin_us),
            duration_us: span.duration_us,
            self_us: self_us[at],
            critical: critical[at],
            slowest: slowest == Some(at),
            failed: span.failed,
            error: span.error.as_ref().map(ToString::to_string),
            attributes: attributes(span),
            links: links(span),
        }
    });
    TraceView {
        summary: summary(trace),
        spans: spans.collect(),
        spans_refused: trace.refused,
        complete,
    }
}

fn offset(at_us: u64, begin_us: u64) -> i64 {
    let distance = i64::try_from(at_us.abs_diff(begin_us)).unwrap_or(i64::MAX);
    if at_us < begin_us { -distance } else { distance }
}

fn attributes(span: &StoredSpan) -> Vec<Attribute> {
    let all = span.attributes.iter().map(|(name, value)| Attribute {
        name: name.to_string(),
        value: value.to_string(),
    });
    all.collect()
}

fn links(span: &StoredSpan) -> Vec<SpanLink> {
    let all = span.links.iter().map(|(trace, span)| SpanLink {
        trace_id: format!("{trace:032x}"),
        span_id: format!("{span:016x}"),
    });
    all.collect()
}

struct Tree<'a> {
    spans: &'a [StoredSpan],
    /// By parent, each list by begin.
    children: HashMap<usize, Vec<usize>>,
    roots: Vec<usize>,
}

impl<'a> Tree<'a> {
    fn of(trace: &'a Trace) -> Self {
        let spans = trace.spans.as_slice();
        // Where an id came twice, the first one has the children.
        let mut by_id: HashMap<u64, usize> = HashMap::with_capacity(spans.len());
        for (at, span) in spans.iter().enumerate() {
            by_id.entry(span.id).or_insert(at);
        }
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|at| {
            (
                spans[*at].start_us,
                std::cmp::Reverse(spans[*at].duration_us),
                *at,
            )
        });
        let (mut children, mut roots) = (HashMap::<usize, Vec<usize>>::new(), Vec::new());
        for at in order {
            match by_id.get(&spans[at].parent).filter(|parent| **parent != at) {
                Some(parent) if spans[at].parent != 0 => children.entry(*parent).or_default().push(at),
                _ => roots.push(at),
            }
        }
        roots.sort_by_key(|at| (spans[*at].parent != 0, spans[*at].start_us));
        Self {
            spans,
            children,
            roots,
        }
    }

    fn below(&self, at: usize) -> &[usize] {
        self.children.get(&at).map_or(&[], Vec::as_slice)
    }

    /// Every span exactly once: below the roots first, then whatever goes in a circle, from its earliest span on.
    fn depth_first(&self) -> Vec<Placed> {
        let mut seen = vec![false; self.spans.len()];
        let mut placed = Vec::with_capacity(self.spans.len());
        let mut starts: Vec<usize> = self.roots.clone();
        let mut rest: Vec<usize> = (0..self.spans.len()).collect();
        rest.sort_by_key(|at| self.spans[*at].start_us);
        starts.extend(rest);
        for start in starts {
            let mut stack = vec![(start, 0)];
            while let Some((at, depth)) = stack.pop() {
                if std::mem::replace(&mut seen[at], true) {
                    continue;
                }
                placed.push(Placed {
                    at,
                    depth,
                    orphan: depth == 0 && self.spans[at].parent != 0,
                });
                stack.extend(self.below(at).iter().rev().map(|child| (*child, depth + 1)));
            }
        }
        placed
    }

    /// The span that everything began with: without a parent, or else the longest that lacks its own.
    fn outermost(&self, placed: &[Placed]) -> Option<usize> {
        placed
            .iter()
            .filter(|placed| placed.depth == 0)
            .map(|placed| placed.at)
            .max_by_key(|at| (self.spans[*at].parent == 0, self.spans[*at].duration_us))
    }

    /// Backwards from the end of the outermost span: whichever child ended last is what was waited for, then whichever had
    /// ended before that one began.
    fn critical(&self, placed: &[Placed]) -> Vec<bool> {
        let mut critical = vec![false; self.spans.len()];
        let mut stack: Vec<(usize, u64)> = Vec::new();
        if let Some(at) = self.outermost(placed) {
            stack.push((at, self.spans[at].end_us()));
        }
        while let Some((at, until_us)) = stack.pop() {
            if std::mem::replace(&mut critical[at], true) {
                continue;
            }
            let mut until_us = until_us;
            let mut children: Vec<usize> = self.below(at).to_vec();
            children.sort_by_key(|child| std::cmp::Reverse(self.spans[*child].end_us()));
            for child in children {
                let span = &self.spans[child];
                // What goes on after its parent has ended was not waited for; clocks of two hosts are a little apart.
                if span.end_us() <= until_us && span.start_us >= self.spans[at].start_us {
                    until_us = span.start_us;
                    stack.push((child, span.end_us()));
                }
            }
        }
        critical
    }

    /// Its time less what its children cover of it.
    fn self_us(&self, at: usize) -> u64 {
        let span = &self.spans[at];
        let (mut covered, mut reached) = (0, span.start_us);
        // By begin, so one pass is enough.
        for child in self.below(at) {
            let child = &self.spans[*child];
            let (begin, end) = (child.start_us.max(reached), child.end_us().min(span.end_us()));
            if end > begin {
                covered += end - begin;
                reached = end;
            }
        }
        span.duration_us.saturating_sub(covered)
    }
}
