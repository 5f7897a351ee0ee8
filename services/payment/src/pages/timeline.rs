//! What was done for a payment, as it happened: the saga's steps, look-ups and compensations, then the receipt and what was put in line for merchants; whether it came
//! to them stands with the deliveries.

use pages::{Markup, Stretch, TimelineRow, empty, html};

use super::{moment, webhooks};
use crate::payment::{PaymentHistory, StepOutcome, StepRecord};
use crate::protocol::saga::{Call, Step};
use crate::store::receipts::{Receipt, Told};

/// Colours: what goes forward, what looks, what takes back, what follows on events.
const FORWARD: usize = 0;
const LOOK: usize = 1;
const BACK: usize = 2;
const FOLLOWS: usize = 3;

/// What followed a payment on events.
pub(super) struct Followed {
    /// Its receipt.
    pub(super) receipt: Option<Receipt>,
    /// What was put in line for merchants, in order.
    pub(super) told: Vec<Told>,
}

/// A row before it is drawn: when it began and ended, by Unix milliseconds.
struct Piece {
    id: String,
    who: &'static str,
    colour: usize,
    what: String,
    began_at_ms: u64,
    ended_at_ms: Option<u64>,
    failed: Option<String>,
    more: Markup,
}

/// All of it, in the order in which it was begun.
pub(super) fn timeline(history: &PaymentHistory, followed: &Followed, now_ms: u64) -> Markup {
    let mut pieces: Vec<Piece> = history.steps.iter().map(step).collect();
    pieces.extend(follows(history, followed));
    pieces.sort_by_key(|piece| piece.began_at_ms);
    let Some(first) = pieces.first() else {
        return empty("Nothing yet: it waits for its first step.");
    };
    let day = crate::http::show_moment(first.began_at_ms);
    let axis = Axis::of(&pieces, now_ms);
    let ticks = ["first", "in order, not to scale", "last"].map(str::to_owned);
    let mut before_ms = None;
    let rows: Vec<TimelineRow> = pieces
        .into_iter()
        .map(|piece| {
            let began_at_ms = piece.began_at_ms;
            let when = when(began_at_ms, before_ms.replace(began_at_ms), &day);
            drawn(piece, when, &axis, now_ms)
        })
        .collect();
    ::pages::timeline("Steps, compensations and what followed", &ticks, &rows)
}

/// All moments at which something began or ended, in order. They are drawn evenly spaced: a refund may come days after steps of milliseconds, and a
/// scale of time would make these one stroke.
struct Axis(Vec<u64>);

impl Axis {
    fn of(pieces: &[Piece], now_ms: u64) -> Self {
        let ends = |piece: &Piece| piece.ended_at_ms.unwrap_or(now_ms);
        let both = |piece: &Piece| [piece.began_at_ms, ends(piece)];
        let mut moments: Vec<u64> = pieces.iter().flat_map(both).collect();
        moments.sort_unstable();
        moments.dedup();
        Self(moments)
    }

    /// Where a moment stands: from 0 to 1.
    fn share(&self, at_ms: u64) -> f64 {
        let float = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        let before = self.0.partition_point(|moment| *moment < at_ms);
        let last = self.0.len().saturating_sub(1).max(1);
        (float(before) / float(last)).clamp(0.0, 1.0)
    }
}

/// When a step began, with its day where that is not the first's, and how long after the one before.
fn when(at_ms: u64, before_ms: Option<u64>, first: &str) -> Markup {
    let exact = crate::http::show_moment(at_ms);
    let of_first_day = before_ms.is_some() && exact.get(..10) == first.get(..10);
    let shown = exact.get(if of_first_day { 11..19 } else { 0..19 });
    let shown = shown.unwrap_or(&exact).replace('T', " ");
    html! {
        time datetime=(exact) { (shown) }
        @if let Some(before_ms) = before_ms { ", " (took(at_ms.saturating_sub(before_ms))) " after the one before" }
    }
}

fn step(step: &StepRecord) -> Piece {
    let (who, colour) = match (step.call, step.step.is_compensation()) {
        (Call::LookUp, _) => ("look-up", LOOK),
        (Call::Act, true) => ("compensation", BACK),
        (Call::Act, false) => ("step", FORWARD),
    };
    let outcome = step.outcome.map(|outcome| outcome.name().replace('_', " "));
    let went_wrong = !matches!(
        step.outcome,
        None | Some(StepOutcome::Done | StepOutcome::Found | StepOutcome::NotFound)
    );
    Piece {
        id: format!("step-{}", step.place),
        who,
        colour,
        what: step.step.name().replace('_', " "),
        began_at_ms: step.began_at_ms,
        ended_at_ms: step.ended_at_ms,
        failed: outcome.clone().filter(|_| went_wrong),
        more: html! {
            @if let Some(outcome) = &outcome { dt { "Outcome" } dd { (outcome) } }
            @if let Some(code) = &step.code { dt { "Why" } dd { code { (code) } } }
        },
    }
}

/// `captured`, then `receipt`, then `notified`: each from the event before it to its own commit.
fn follows(history: &PaymentHistory, followed: &Followed) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let captured = history
        .steps
        .iter()
        .find(|step| step.step == Step::Capture && step.outcome == Some(StepOutcome::Done));
    if let Some(captured_at_ms) = captured.and_then(|step| step.ended_at_ms) {
        let issued_at_ms = followed.receipt.as_ref().map(|receipt| receipt.issued_at_ms);
        let issuing = ("receipt", "receipt issued".to_owned());
        pieces.push(event(issuing, captured_at_ms, issued_at_ms, html! {}));
    }
    if let Some(receipt) = &followed.receipt {
        if let Some(at_ms) = receipt.voided_at_ms {
            pieces.push(event(
                ("receipt-voided", "receipt voided".to_owned()),
                at_ms,
                Some(at_ms),
                html! {},
            ));
        }
        if !followed.told.iter().any(|told| told.kind == "payment.captured") {
            let telling = ("told", "put in line for merchants: captured".to_owned());
            pieces.push(event(telling, receipt.issued_at_ms, None, html! {}));
        }
    }
    for (place, told) in followed.told.iter().enumerate() {
        // Of a capture merchants are told once its receipt is there.
        let receipt = followed
            .receipt
            .as_ref()
            .filter(|_| told.kind == "payment.captured");
        let began_at_ms = receipt.map_or(told.at_ms, |receipt| receipt.issued_at_ms);
        let (id, what) = (format!("told-{place}"), told.kind.trim_start_matches("payment."));
        let what = format!("put in line for merchants: {}", what.replace('_', " "));
        let more = html! {
            dt { "To" }
            dd { (endpoints(told.endpoints)) " · " a href=(format!("{}?all=yes#deliveries", webhooks::HERE)) { "deliveries" } }
        };
        pieces.push(event((id.as_str(), what), began_at_ms, Some(told.at_ms), more));
    }
    pieces
}

fn endpoints(count: u64) -> String {
    match count {
        0 => "no endpoint".to_owned(),
        1 => "1 endpoint".to_owned(),
        count => format!("{count} endpoints"),
    }
}

fn event((id, what): (&str, String), began_at_ms: u64, ended_at_ms: Option<u64>, more: Markup) -> Piece {
    Piece {
        id: id.to_owned(),
        who: "event",
        colour: FOLLOWS,
        what,
        // Another process may have another clock.
        began_at_ms: began_at_ms.min(ended_at_ms.unwrap_or(u64::MAX)),
        ended_at_ms,
        failed: None,
        more,
    }
}

fn drawn(piece: Piece, when: Markup, axis: &Axis, now_ms: u64) -> TimelineRow {
    let end_ms = piece.ended_at_ms.unwrap_or(now_ms);
    let length_ms = end_ms.saturating_sub(piece.began_at_ms);
    let from = axis.share(piece.began_at_ms);
    let whole = Stretch {
        from,
        length: (axis.share(end_ms) - from).max(0.0),
    };
    TimelineRow {
        id: piece.id,
        depth: 0,
        who: piece.who.to_owned(),
        colour: piece.colour,
        what: piece.what,
        when: Some(when),
        took: piece
            .ended_at_ms
            .map_or_else(|| "under way".to_owned(), |_| took(length_ms)),
        whole,
        own: vec![whole],
        failed: piece.failed,
        critical: false,
        picked: None,
        inside: html! {
            dl {
                dt { "Begun" } dd { (moment(piece.began_at_ms)) }
                @if let Some(at_ms) = piece.ended_at_ms { dt { "Ended" } dd { (moment(at_ms)) } }
                (piece.more)
            }
        },
    }
}

/// Two units at most: what took days is not told in seconds.
fn took(ms: u64) -> String {
    let (s, min, h) = (ms / 1_000, ms / 60_000, ms / 3_600_000);
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{s}.{} s", ms % 1_000 / 100),
        60_000..3_600_000 => format!("{min} min {} s", s % 60),
        3_600_000..86_400_000 => format!("{h} h {} min", min % 60),
        _ => format!("{} d {} h", h / 24, h % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(began_at_ms: u64, ended_at_ms: u64) -> Piece {
        event(
            ("id", "what".to_owned()),
            began_at_ms,
            Some(ended_at_ms),
            html! {},
        )
    }

    #[test]
    fn what_comes_days_later_leaves_the_steps_before_it_their_room() {
        const DAY_MS: u64 = 86_400_000;
        let pieces = [piece(0, 9), piece(9, 20), piece(3 * DAY_MS, 3 * DAY_MS + 30)];
        let axis = Axis::of(&pieces, 0);
        let shares = [0, 9, 20, 3 * DAY_MS, 3 * DAY_MS + 30].map(|at_ms| axis.share(at_ms).to_string());
        assert_eq!(shares, ["0", "0.25", "0.5", "0.75", "1"]);
        let alone = Axis::of(&pieces[..1], 0);
        assert_eq!([0, 9].map(|at_ms| alone.share(at_ms).to_string()), ["0", "1"]);
        assert_eq!(Axis::of(&[piece(5, 5)], 0).share(5).to_string(), "0");
    }

    #[test]
    fn each_step_tells_its_own_time_and_how_long_after_the_one_before() {
        const HOUR_MS: u64 = 3_600_000;
        let at_ms = 1_795_348_800_000;
        let first = crate::http::show_moment(at_ms);
        let told = |at_ms, before_ms| when(at_ms, before_ms, &first).into_string();
        let day = &first[..10];
        assert!(told(at_ms, None).contains(&format!(">{day} ")) && !told(at_ms, None).contains("after"));
        let soon = told(at_ms + 9, Some(at_ms));
        assert!(!soon.contains(&format!(">{day}")) && soon.ends_with(", 9 ms after the one before"));
        let late = told(at_ms + 50 * HOUR_MS, Some(at_ms));
        assert!(
            !late.contains(day) && late.ends_with(", 2 d 2 h after the one before"),
            "{late}"
        );
    }

    #[test]
    fn lengths_are_told_in_the_units_that_fit() {
        for (ms, said) in [
            (9, "9 ms"),
            (3_129, "3.1 s"),
            (61_000, "1 min 1 s"),
            (3_660_000, "1 h 1 min"),
            (180_000_000, "2 d 2 h"),
        ] {
            assert_eq!(took(ms), said);
        }
    }
}
