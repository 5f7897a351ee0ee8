//! A chart as SVG. Sizes are in CSS pixels; the width of a text is guessed, for no font is at hand.

use std::fmt::Write as _;

use maud::{Markup, PreEscaped, html};

use super::scale::{Axis, show, show_short};
use super::{Chart, ChartKind, Series};

/// The room for one drawing.
pub(super) struct Room {
    /// The class that the style sheet shows or hides it by.
    class: &'static str,
    width: f64,
    /// Of the part between the axes.
    plot: f64,
}

pub(super) const WIDE: Room = Room {
    class: "chart wide",
    width: 720.0,
    plot: 200.0,
};

pub(super) const NARROW: Room = Room {
    class: "chart narrow",
    width: 340.0,
    plot: 170.0,
};

const FILE: Room = Room {
    class: "chart",
    width: 760.0,
    plot: 260.0,
};

/// A letter of the 12 px font is about this wide.
const LETTER: f64 = 6.7;
const LINE: f64 = 16.0;
/// Up to this many labels are names, which are broken into lines; more are a scale, of which some may go.
const NAMES_MAX: usize = 8;
/// Up to this many bars carry their values.
const VALUES_MAX: usize = 16;

/// Where things stand in one drawing.
struct Frame<'a> {
    chart: &'a Chart,
    axis: Axis,
    left: f64,
    top: f64,
    width: f64,
    plot: f64,
}

pub(super) fn svg(chart: &Chart, room: &Room) -> Markup {
    let legend = Legend::of(chart, room.width);
    let frame = Frame::new(chart, room, legend.height() + LINE + 8.0);
    let labels = frame.labels();
    let height = frame.ground() + labels.height;
    html! {
        svg class=(room.class) viewBox=(format!("0 0 {} {}", px(room.width), px(height))) role="img" aria-label=(spoken(chart)) {
            (legend.draw(0.0))
            (frame.draw(&labels))
        }
    }
}

pub(super) fn file(chart: &Chart, style: &str) -> Markup {
    const EDGE: f64 = 16.0;
    let legend = Legend::of(chart, FILE.width);
    let frame = Frame::new(chart, &FILE, legend.height() + LINE + 36.0);
    let labels = frame.labels();
    let (width, height) = (
        FILE.width + 2.0 * EDGE,
        frame.ground() + labels.height + 2.0 * EDGE,
    );
    html! {
        svg xmlns="http://www.w3.org/2000/svg" class=(FILE.class) width=(px(width)) height=(px(height))
            viewBox=(format!("{} {} {} {}", px(-EDGE), px(-EDGE), px(width), px(height))) role="img" aria-label=(spoken(chart)) {
            style { (PreEscaped(style)) }
            rect.ground x=(px(-EDGE)) y=(px(-EDGE)) width=(px(width)) height=(px(height)) rx="10" {}
            text.title x="0" y="14" { (chart.title) }
            (legend.draw(28.0))
            (frame.draw(&labels))
        }
    }
}

/// What is said in place of the picture; the values stand in the table beside it.
fn spoken(chart: &Chart) -> String {
    let names: Vec<&str> = chart.series.iter().map(|series| series.label.as_str()).collect();
    let (first, last) = (chart.labels.first(), chart.labels.last());
    let span = first
        .zip(last)
        .map(|(first, last)| format!(", from {first} to {last}"));
    let of = match names.as_slice() {
        // One series that is named after its unit says it all.
        [name] if *name == chart.unit => String::new(),
        names => format!(" of {}", names.join(", ")),
    };
    format!("{}: {}{of}{}", chart.title, chart.unit, span.unwrap_or_default())
}

fn px(value: f64) -> String {
    let rounded = (value * 10.0).round() / 10.0;
    format!("{rounded}")
}

fn wide(text: &str) -> f64 {
    count(text.chars().count()) * LETTER
}

/// Counts here are far below what a float holds exactly.
fn count(of: usize) -> f64 {
    f64::from(u32::try_from(of).unwrap_or(u32::MAX))
}

/// The class of the series' colour.
fn colour(series: usize) -> String {
    format!("s{}", series % 6 + 1)
}

/// The names of the series with their colours; one needs no telling apart.
struct Legend<'a> {
    /// Series, x and y of each name.
    places: Vec<(usize, &'a Series, f64, f64)>,
    lines: bool,
}

impl<'a> Legend<'a> {
    fn of(chart: &'a Chart, width: f64) -> Self {
        let (mut x, mut y, mut places) = (0.0, 0.0, Vec::new());
        if chart.series.len() > 1 {
            for (i, series) in chart.series.iter().enumerate() {
                let needed = 26.0 + wide(&series.label) + 18.0;
                if x > 0.0 && x + needed > width {
                    (x, y) = (0.0, y + LINE + 4.0);
                }
                places.push((i, series, x, y));
                x += needed;
            }
        }
        let lines = chart.kind == ChartKind::Lines;
        Self { places, lines }
    }

    fn height(&self) -> f64 {
        self.places.last().map_or(0.0, |place| place.3 + LINE + 8.0)
    }

    fn draw(&self, top: f64) -> Markup {
        html! {
            @for (i, series, x, y) in &self.places {
                @if self.lines {
                    path class=(format!("line {}", colour(*i))) d=(format!("M{} {}h20", px(*x + 1.0), px(top + y + 8.0))) {}
                } @else {
                    rect class=(colour(*i)) x=(px(*x)) y=(px(top + y + 2.0)) width="12" height="12" rx="2" {}
                }
                text.name x=(px(x + if self.lines { 28.0 } else { 18.0 })) y=(px(top + y + 12.0)) { (series.label) }
            }
        }
    }
}

/// What stands below the ground line.
struct Labels {
    /// Index of the label, and its lines.
    shown: Vec<(usize, Vec<String>)>,
    height: f64,
}

impl<'a> Frame<'a> {
    fn new(chart: &'a Chart, room: &Room, top: f64) -> Self {
        let axis = Axis::of(chart);
        let ticks = axis.ticks.iter().map(|tick| wide(&show_short(*tick)));
        let left = ticks.fold(0.0, f64::max) + 10.0;
        let width = room.width - left - 4.0;
        Self {
            chart,
            axis,
            left,
            top,
            width,
            plot: room.plot,
        }
    }

    fn ground(&self) -> f64 {
        self.top + self.plot
    }

    /// The room of one label.
    fn band(&self) -> f64 {
        self.width / count(self.chart.labels.len().max(1))
    }

    fn centre(&self, label: usize) -> f64 {
        self.left + self.band() * (count(label) + 0.5)
    }

    fn y(&self, value: f64) -> f64 {
        self.ground() - self.plot * self.axis.height(value)
    }

    fn labels(&self) -> Labels {
        let labels = &self.chart.labels;
        let widest = labels.iter().map(|label| wide(label)).fold(0.0, f64::max) + 12.0;
        let shown: Vec<_> = if labels.len() <= NAMES_MAX {
            labels
                .iter()
                .enumerate()
                .map(|(i, label)| (i, broken(label, self.band())))
                .collect()
        } else {
            let (mut shown, mut free) = (Vec::new(), f64::MIN);
            for (i, label) in labels.iter().enumerate() {
                let from = self.centre(i) - widest / 2.0;
                let inside = self.centre(i) + wide(label) / 2.0 <= self.left + self.width + 4.0;
                if from >= free && inside {
                    shown.push((i, vec![label.clone()]));
                    free = from + widest;
                }
            }
            shown
        };
        let lines = shown.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
        Labels {
            shown,
            height: count(lines) * LINE + 10.0,
        }
    }

    fn draw(&self, labels: &Labels) -> Markup {
        let right = self.left + self.width;
        html! {
            text x="0" y=(px(self.top - 14.0)) { (self.chart.unit) }
            @for tick in &self.axis.ticks {
                line.grid-line x1=(px(self.left)) x2=(px(right)) y1=(px(self.y(*tick))) y2=(px(self.y(*tick))) {}
                text x=(px(self.left - 8.0)) y=(px(self.y(*tick) + 4.0)) text-anchor="end" { (show_short(*tick)) }
            }
            @match self.chart.kind {
                ChartKind::Bars => (self.bars()),
                ChartKind::Lines => (self.lines()),
            }
            line.axis-line x1=(px(self.left)) x2=(px(right)) y1=(px(self.ground())) y2=(px(self.ground())) {}
            @for (i, lines) in &labels.shown {
                @for (row, line) in lines.iter().enumerate() {
                    text x=(px(self.centre(*i))) y=(px(self.ground() + LINE * count(row + 1) + 2.0)) text-anchor="middle" { (line) }
                }
            }
        }
    }

    fn bars(&self) -> Markup {
        let series = &self.chart.series;
        let bars = count(series.len());
        let group = (self.band() * 0.78).min(76.0 * bars);
        let (bar, told) = (group / bars, series.len() * self.chart.labels.len() <= VALUES_MAX);
        html! {
            @for (s, series) in series.iter().enumerate() {
                @for (i, value) in self.values(series) {
                    @let (x, y) = (self.centre(i) - group / 2.0 + bar * count(s), self.y(value));
                    // What is there is seen, however little it is beside the rest.
                    @let height = if value > 0.0 { (self.ground() - y).max(1.5) } else { 0.0 };
                    rect class=(format!("mark {}", colour(s))) x=(px(x)) y=(px(self.ground() - height)) width=(px(bar)) height=(px(height)) rx="1.5" {
                        title { (self.told(i, series, value)) }
                    }
                    @if told && wide(&show_short(value)) <= bar + 8.0 {
                        text.value x=(px(x + bar / 2.0)) y=(px(self.ground() - height - 5.0)) text-anchor="middle" { (show_short(value)) }
                    }
                }
            }
        }
    }

    fn lines(&self) -> Markup {
        html! {
            @for (s, series) in self.chart.series.iter().enumerate() {
                path class=(format!("line {}", colour(s))) d=(self.path(series)) {}
                @for (i, value) in self.values(series) {
                    circle class=(colour(s)) cx=(px(self.centre(i))) cy=(px(self.y(value))) r=(px((self.band() / 4.0).clamp(1.0, 3.0))) {
                        title { (self.told(i, series, value)) }
                    }
                }
            }
        }
    }

    /// The line through the values; a gap breaks it.
    fn path(&self, series: &Series) -> String {
        let (mut path, mut next) = (String::new(), None);
        for (i, value) in self.values(series) {
            let pen = if next == Some(i) { 'L' } else { 'M' };
            let _ = write!(path, "{pen}{} {}", px(self.centre(i)), px(self.y(value)));
            next = Some(i + 1);
        }
        path
    }

    /// The values that there are, with their labels' places.
    fn values<'s>(&self, series: &'s Series) -> impl Iterator<Item = (usize, f64)> + use<'s> {
        let labels = self.chart.labels.len();
        let values = series.values.iter().copied().take(labels).enumerate();
        values.filter(|(_, value)| value.is_finite())
    }

    /// What a pointer held over it says.
    fn told(&self, label: usize, series: &Series, value: f64) -> String {
        let (label, value) = (&self.chart.labels[label], show(value));
        if self.chart.series.len() > 1 {
            format!("{label}, {}: {value} {}", series.label, self.chart.unit)
        } else {
            format!("{label}: {value} {}", self.chart.unit)
        }
    }
}

/// The label in at most three lines that fit into `width`, broken between words; what does not fit ends in an ellipsis.
fn broken(label: &str, width: f64) -> Vec<String> {
    const LINES_MAX: usize = 3;
    let fits = |text: &str| wide(text) <= width - 4.0;
    let mut lines: Vec<String> = Vec::new();
    for word in label.split_whitespace() {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let too_many = lines.len() > LINES_MAX;
    lines.truncate(LINES_MAX);
    let last = lines.len().saturating_sub(1);
    for (i, line) in lines.iter_mut().enumerate() {
        let cut = !fits(line);
        while !fits(&format!("{line}…")) && cut && line.chars().count() > 1 {
            line.pop();
        }
        if cut || (too_many && i == last) {
            line.push('…');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_broken_between_words_and_cut_where_it_must() {
        assert_eq!(broken("cache aside", 200.0), ["cache aside"]);
        assert_eq!(broken("cache aside", 50.0), ["cache", "aside"]);
        assert_eq!(broken("singleflight", 50.0), ["singl…"]);
        assert_eq!(broken("a b c d", 12.0), ["a", "b", "c…"]);
    }
}
