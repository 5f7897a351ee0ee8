//! Load, errors and latency over the time of a drill, with the faults marked. An SVG that stands by itself.

use std::fmt::Write as _;

use load::profile::Second;

use crate::verdict::Verdict;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 16.0;
const PANEL: f64 = 110.0;
const GAP: f64 = 34.0;
const TOP: f64 = 58.0;

/// One curve.
struct Panel {
    title: &'static str,
    colour: &'static str,
    value: fn(&Second) -> f64,
}

#[expect(clippy::cast_precision_loss, reason = "requests of one second")]
const PANELS: [Panel; 3] = [
    Panel {
        title: "requests a second",
        colour: "#2b6cb0",
        value: |second| second.offered as f64,
    },
    Panel {
        title: "of these failed",
        colour: "#c05621",
        value: |second| second.failed_of_due as f64,
    },
    Panel {
        title: "p99, ms",
        colour: "#6b46c1",
        value: |second| second.p99_ms,
    },
];

/// Draws it.
pub(crate) fn draw(verdict: &Verdict) -> String {
    let seconds = &verdict.load.seconds;
    #[expect(clippy::cast_precision_loss, reason = "seconds of a drill")]
    let span = (seconds.len().max(2) - 1) as f64;
    let x = |at: f64| LEFT + (at / span).clamp(0.0, 1.0) * (WIDTH - LEFT - RIGHT);
    #[expect(clippy::cast_precision_loss, reason = "three panels")]
    let height = TOP + PANELS.len() as f64 * (PANEL + GAP) + 8.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <title>{title}</title>\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"22\" font-size=\"15\" fill=\"#1a202c\">{title}</text>\n\
         <text x=\"{LEFT}\" y=\"40\" fill=\"#4a5568\">{verdict}</text>\n",
        title = escaped(&format!("{}: {}", verdict.drill, verdict.title)),
        verdict = if verdict.passed { "passed" } else { "FAILED" },
    );
    let bottom = height - GAP;
    for fault in &verdict.faults {
        let (from, to) = (x(fault.from_s), x(fault.to_s));
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{TOP}\" width=\"{width:.1}\" height=\"{tall:.1}\" fill=\"#f6ad55\" fill-opacity=\"0.35\"><title>{told}</title></rect>",
            width = (to - from).max(2.0),
            tall = bottom - TOP,
            told = escaped(&format!("{}: {}", fault.target, fault.what)),
        );
    }
    for alert in &verdict.alerts {
        let _ = writeln!(
            svg,
            "<line x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{TOP}\" y2=\"{bottom}\" stroke=\"#c53030\" stroke-dasharray=\"4 3\"><title>{name}</title></line>",
            at = x(alert.from_s),
            name = escaped(&alert.name),
        );
    }
    let mut top = TOP;
    for panel in &PANELS {
        draw_panel(&mut svg, panel, seconds, top, &x);
        top += PANEL + GAP;
    }
    let _ = writeln!(
        svg,
        "<text x=\"{LEFT}\" y=\"{y}\" fill=\"#4a5568\">0 s</text><text x=\"{right}\" y=\"{y}\" text-anchor=\"end\" fill=\"#4a5568\">{span:.0} s; orange: the fault; dashed: an alert</text>\n</svg>",
        y = height - 12.0,
        right = WIDTH - RIGHT,
    );
    svg
}

fn draw_panel(svg: &mut String, panel: &Panel, seconds: &[Second], top: f64, x: &impl Fn(f64) -> f64) {
    let highest = seconds.iter().map(panel.value).fold(1.0, f64::max);
    let base = top + PANEL;
    let points: Vec<String> = seconds
        .iter()
        .map(|second| {
            #[expect(clippy::cast_precision_loss, reason = "seconds of a drill")]
            let at = x(second.at_s as f64);
            let y = base - (panel.value)(second) / highest * (PANEL - 16.0);
            format!("{at:.1},{y:.1}")
        })
        .collect();
    let _ = writeln!(
        svg,
        "<line x1=\"{LEFT}\" x2=\"{right}\" y1=\"{base}\" y2=\"{base}\" stroke=\"#cbd5e0\"/>\n\
         <text x=\"{LEFT}\" y=\"{label}\" fill=\"#1a202c\">{title}</text>\n\
         <text x=\"{edge}\" y=\"{high}\" text-anchor=\"end\" fill=\"#4a5568\">{highest:.0}</text>\n\
         <polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{points}\"/>",
        right = WIDTH - RIGHT,
        label = top + 10.0,
        title = panel.title,
        edge = LEFT - 6.0,
        high = top + 20.0,
        colour = panel.colour,
        points = points.join(" "),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
