//! Graphs, timelines and small pictures: what is hostile is text, what is missing is no picture, and all of it is said in words.

use pages::{
    Edge, Graph, Node, NodeKind, Stretch, TimelineRow, Tone, graph, html, meter, sparkline, timeline,
};

const EVIL: &str = "\"><script>alert(1)</script>";

fn node(name: &str, kind: NodeKind) -> Node {
    Node {
        name: name.to_owned(),
        note: "12/s".to_owned(),
        kind,
        href: (kind == NodeKind::Service).then(|| format!("/ui/console/services/{name}")),
        bad: false,
    }
}

fn edge(from: usize, to: usize, weight: f64) -> Edge {
    Edge {
        from,
        to,
        weight,
        told: format!("{from} to {to}"),
        ..Edge::default()
    }
}

fn three() -> Graph {
    Graph {
        title: "Three in a row".to_owned(),
        nodes: vec![
            node("gateway", NodeKind::Service),
            node("shortener", NodeKind::Service),
            node("links.db", NodeKind::Engine),
        ],
        edges: vec![edge(0, 1, 1.0), edge(1, 2, 0.25)],
    }
}

/// The number of an attribute of the `nth` element of that name.
fn number(text: &str, element: &str, attribute: &str, nth: usize) -> f64 {
    let found = text.split(&format!("<{element}")).nth(nth + 1).unwrap();
    let tag = found.split('>').next().unwrap();
    let value = tag.split(&format!(" {attribute}=\"")).nth(1).unwrap();
    value.split('"').next().unwrap().parse().unwrap()
}

#[test]
fn callers_stand_to_the_left_of_whom_they_call_and_above_them_on_a_phone() {
    let text = graph(&three()).0;
    let (wide, narrow) = text.split_once("graph narrow").unwrap();
    let at = |text: &str, attribute: &str| [0, 1, 2].map(|nth| number(text, "rect", attribute, nth));
    assert!(at(wide, "x").is_sorted_by(|a, b| a < b), "{:?}", at(wide, "x"));
    assert!(
        at(narrow, "y").is_sorted_by(|a, b| a < b),
        "{:?}",
        at(narrow, "y")
    );
    assert_eq!(
        text.matches("href=\"/ui/console/services/shortener\"").count(),
        2,
        "one in each drawing"
    );
    assert!(
        number(wide, "path", "stroke-width", 0) > number(wide, "path", "stroke-width", 1),
        "more traffic is wider"
    );
}

#[test]
fn everything_in_a_drawing_is_inside_it() {
    let mut busy = three();
    busy.nodes
        .extend((0..9).map(|i| node(&format!("engine {i} with a long name"), NodeKind::Engine)));
    busy.edges.extend((3..12).map(|to| edge(to % 2, to, 0.5)));
    busy.edges
        .extend([edge(2, 0, 0.1), edge(5, 5, 1.0), edge(0, 99, 1.0)]);
    let text = graph(&busy).0;
    for drawing in text.split("<svg ").skip(1) {
        let size = ["width", "height"].map(|side| {
            let value = drawing
                .split(&format!("{side}=\""))
                .nth(1)
                .unwrap()
                .split('"')
                .next()
                .unwrap();
            value.parse::<f64>().unwrap()
        });
        for nth in 0..12 {
            let place = ["x", "y"].map(|axis| number(drawing, "rect", axis, nth));
            let room = ["width", "height"].map(|side| number(drawing, "rect", side, nth));
            assert!(
                place.iter().all(|at| *at >= 0.0)
                    && place[0] + room[0] <= size[0]
                    && place[1] + room[1] <= size[1]
            );
        }
    }
    assert_eq!(
        text.matches("<polygon").count(),
        2 * 12,
        "an arrow to itself or to nowhere is none"
    );
    assert!(!text.contains("NaN"));
}

#[test]
fn names_are_escaped_and_say_themselves_to_who_sees_no_picture() {
    let mut hostile = three();
    hostile.title = EVIL.to_owned();
    hostile.nodes[0].name = EVIL.to_owned();
    hostile.nodes[1].bad = true;
    hostile.nodes[1].note = EVIL.to_owned();
    hostile.edges[0].told = EVIL.to_owned();
    hostile.edges[0].label = EVIL.to_owned();
    hostile.edges[0].bad = true;
    let text = graph(&hostile).0;
    assert!(!text.contains("<script") && !text.contains("style=\""));
    assert!(text.contains("class=\"edge bad\"") && text.contains("class=\"node bad\""));
    assert!(text.contains("role=\"group\" aria-label=\"&quot;&gt;&lt;script&gt;"));
    assert!(
        graph(&Graph::default()).0.contains("Nothing to draw yet.")
            && !graph(&Graph::default()).0.contains("<svg")
    );
}

fn row(id: &str, whole: Stretch) -> TimelineRow {
    TimelineRow {
        id: id.to_owned(),
        depth: 3,
        who: "shortener".to_owned(),
        colour: 7,
        what: "GET /{code}".to_owned(),
        when: None,
        took: "12 ms".to_owned(),
        whole,
        own: vec![whole],
        failed: None,
        critical: false,
        picked: None,
        inside: html! { p { "more" } },
    }
}

#[test]
fn a_row_of_a_timeline_opens_without_a_script_and_stays_inside_whatever_it_is_told() {
    let odd = [
        (f64::NAN, 0.5),
        (-3.0, 9.0),
        (2.0, 2.0),
        (0.5, f64::INFINITY),
        (0.0, 0.0),
    ];
    let rows: Vec<TimelineRow> = odd
        .iter()
        .enumerate()
        .map(|(i, &(from, length))| row(&format!("r{i}"), Stretch { from, length }))
        .collect();
    let text = timeline("Spans", &["0 ms".to_owned(), "12 ms".to_owned()], &rows).0;
    assert_eq!(text.matches("<details id=\"r").count(), 5);
    assert!(!text.contains("NaN") && !text.contains("inf") && !text.contains("style=\""));
    for bar in text.split("<rect ").filter(|bar| bar.contains("height=\"60%\"")) {
        let share = |name: &str| -> f64 {
            let value = bar
                .split(&format!("{name}=\""))
                .nth(1)
                .unwrap()
                .split('%')
                .next()
                .unwrap();
            value.parse().unwrap()
        };
        assert!(
            share("x") >= 0.0 && share("width") > 0.0 && share("x") + share("width") <= 100.001,
            "{bar}"
        );
    }
}

#[test]
fn what_failed_and_what_to_look_at_first_is_said_in_words() {
    let mut rows = vec![
        row(
            "a",
            Stretch {
                from: 0.0,
                length: 1.0,
            },
        ),
        row(
            "b",
            Stretch {
                from: 0.5,
                length: 0.5,
            },
        ),
    ];
    rows[0].failed = Some(EVIL.to_owned());
    rows[1].critical = true;
    rows[1].picked = Some("most time".to_owned());
    let text = timeline(EVIL, &[], &rows).0;
    assert!(!text.contains("<script") && text.contains("<span class=\"badge bad\">&quot;&gt;"));
    assert!(text.contains("class=\"row critical picked\" id=\"b\"") && text.contains("most time"));
    assert!(
        text.contains("on the critical path"),
        "a colour is never the only sign"
    );
}

#[test]
fn small_pictures_say_what_they_show() {
    for (share, width) in [(0.5, "50.0%"), (7.0, "100.0%"), (0.001, "1.0%")] {
        assert!(
            meter(share, Tone::Good, "left")
                .0
                .contains(&format!("width=\"{width}\"")),
            "{share}"
        );
    }
    for nothing in [0.0, -2.0, f64::NAN] {
        assert!(
            !meter(nothing, Tone::Bad, "left").0.contains("class=\"part\""),
            "{nothing}"
        );
    }
    assert!(
        meter(0.5, Tone::Bad, EVIL)
            .0
            .contains("role=\"img\" aria-label=\"&quot;")
    );
    let line = sparkline(&[1.0, f64::NAN, 2.0, 0.0], Tone::Plain, "errors").0;
    assert_eq!(line.matches('M').count(), 2, "a gap breaks the line: {line}");
    assert!(!line.contains("NaN") && !sparkline(&[], Tone::Plain, "x").0.contains("<path"));
}
