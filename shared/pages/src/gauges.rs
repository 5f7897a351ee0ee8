//! Small pictures of a number or a few, for lists and tables: each says in words what it shows.

use std::fmt::Write as _;

use maud::{Markup, html};

use crate::blocks::Tone;

/// How much of something is left, as a bar: `share` from 0 to 1 (what is beyond is drawn as the end), `told` what it is in words.
pub fn meter(share: f64, tone: Tone, told: &str) -> Markup {
    let class = match tone {
        Tone::Good => "meter good",
        Tone::Bad => "meter bad",
        Tone::Plain => "meter",
    };
    let filled = if share.is_finite() {
        share.clamp(0.0, 1.0) * 100.0
    } else {
        0.0
    };
    html! {
        svg class=(class) role="img" aria-label=(told) {
            title { (told) }
            rect.whole width="100%" height="100%" rx="3" {}
            // What is there is seen, however little.
            @if filled > 0.0 { rect.part width=(format!("{:.1}%", filled.max(1.0))) height="100%" rx="3" {} }
        }
    }
}

/// How a value went, as a line without axes from 0 to its largest; one that is not finite is a gap. `told` is what it is in words.
pub fn sparkline(values: &[f64], tone: Tone, told: &str) -> Markup {
    const WIDTH: f64 = 120.0;
    const HEIGHT: f64 = 28.0;
    let class = if tone == Tone::Bad {
        "sparkline bad"
    } else {
        "sparkline"
    };
    let finite = values.iter().copied().filter(|value| value.is_finite());
    let max = finite.fold(0.0, f64::max);
    let step = WIDTH / f64::from(u32::try_from(values.len().saturating_sub(1).max(1)).unwrap_or(u32::MAX));
    let (mut line, mut pen, mut x) = (String::new(), 'M', 0.0);
    for value in values {
        if value.is_finite() {
            let share = if max > 0.0 { (value / max).max(0.0) } else { 0.0 };
            // Writing to a string cannot fail.
            let _ = write!(line, "{pen}{x:.1} {:.1}", HEIGHT - 2.0 - (HEIGHT - 4.0) * share);
            pen = 'L';
        } else {
            pen = 'M';
        }
        x += step;
    }
    html! {
        svg class=(class) viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(told) {
            title { (told) }
            line.ground x1="0" x2=(WIDTH) y1=(HEIGHT - 1.0) y2=(HEIGHT - 1.0) {}
            @if !line.is_empty() { path d=(line) {} }
        }
    }
}
