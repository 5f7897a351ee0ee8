//! What took how long, one inside the other: a row each, its time as a bar beside its name. Rows open by themselves, without a script.

use maud::{Markup, html};

/// A piece of time, as shares of the whole: both from 0 to 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Stretch {
    /// Where it begins.
    pub from: f64,
    /// How long it is.
    pub length: f64,
}

/// One row of a [`timeline`].
#[derive(Clone, Debug)]
pub struct TimelineRow {
    /// Names it for links: the same row keeps it while others come.
    pub id: String,
    /// How deep inside others it is: 0 for the outermost.
    pub depth: usize,
    /// Who did it; has a colour of its own.
    pub who: String,
    /// Which colour: one a `who`. Six are told apart; of more they come round again.
    pub colour: usize,
    /// What was done.
    pub what: String,
    /// When it was, in a few words below what was done; for rows whose bars do not tell.
    pub when: Option<Markup>,
    /// How long it took, in words.
    pub took: String,
    /// The whole of it.
    pub whole: Stretch,
    /// What of it nothing inside it took: drawn full, the rest pale.
    pub own: Vec<Stretch>,
    /// Marks in a few words each: what went wrong comes first.
    pub failed: Option<String>,
    /// Whether the whole would have been shorter without it.
    pub critical: bool,
    /// Set on the one row that is to be looked at first: what it is, in words.
    pub picked: Option<String>,
    /// What opens below the row.
    pub inside: Markup,
}

/// Draws the rows, with `ticks` evenly over the whole, from the first to the last.
pub fn timeline(title: &str, ticks: &[String], rows: &[TimelineRow]) -> Markup {
    html! {
        div.timeline {
            (scale(ticks))
            ol aria-label=(title) {
                @for row in rows { (drawn(row)) }
            }
        }
    }
}

fn scale(ticks: &[String]) -> Markup {
    let last = ticks.len().saturating_sub(1);
    html! {
        svg.scale aria-hidden="true" focusable="false" {
            @for (i, tick) in ticks.iter().enumerate() {
                @let anchor = if i == 0 { "start" } else if i == last { "end" } else { "middle" };
                text x=(percent(share(i, last))) y="14" text-anchor=(anchor) { (tick) }
            }
        }
    }
}

/// Shares of small counts are exact enough.
fn share(of: usize, all: usize) -> f64 {
    let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    if all == 0 { 0.0 } else { float(of) / float(all) }
}

fn drawn(row: &TimelineRow) -> Markup {
    const DEPTH_MAX: usize = 12;
    let depth = format!("depth d{}", row.depth.min(DEPTH_MAX));
    let colour = format!("s{}", row.colour % 6 + 1);
    let class = match (row.critical, row.picked.is_some()) {
        (_, true) => "row critical picked",
        (true, false) => "row critical",
        (false, false) => "row",
    };
    html! {
        li class=(class) id=(row.id) {
            details id=(format!("{}-more", row.id)) {
                summary {
                    span class=(depth) {
                        span.who { svg.dot viewBox="0 0 10 10" aria-hidden="true" focusable="false" { rect class=(colour) width="10" height="10" rx="2" {} } (row.who) }
                        " " span.what { (row.what) }
                        @if let Some(failed) = &row.failed { " " span.badge.bad { (failed) } }
                        @if let Some(picked) = &row.picked { " " span.badge.first { (picked) } }
                        @if let Some(when) = &row.when { " " span.when { (when) } }
                        @if row.critical { span.unseen { ", on the critical path" } }
                    }
                    " " span.took { (row.took) }
                    (bar(row, &colour))
                }
                div.inside { (row.inside) }
            }
        }
    }
}

fn bar(row: &TimelineRow, colour: &str) -> Markup {
    let pale = format!("whole {colour}");
    html! {
        svg.bar aria-hidden="true" focusable="false" {
            @for quarter in ["0%", "25%", "50%", "75%", "100%"] { line.grid-line x1=(quarter) x2=(quarter) y1="0" y2="100%" {} }
            (piece(&pale, row.whole))
            @for own in &row.own { (piece(colour, *own)) }
        }
    }
}

/// Whatever took time is seen, however little.
fn piece(class: &str, stretch: Stretch) -> Markup {
    let from = unit(stretch.from).min(0.998);
    let length = unit(stretch.length).min(1.0 - from).max(0.002);
    html! { rect class=(class) x=(percent(from)) width=(percent(length)) y="20%" height="60%" rx="1.5" {} }
}

fn unit(share: f64) -> f64 {
    if share.is_finite() {
        share.clamp(0.0, 1.0)
    } else {
        0.0
    }
}

fn percent(share: f64) -> String {
    format!("{:.2}%", share * 100.0)
}
