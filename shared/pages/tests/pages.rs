//! Pages as a browser gets them: headers, landmarks, escaping, and contrast computed from the style sheet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

#[path = "pages/watch.rs"]
mod watch;

use std::collections::HashMap;

use axum::response::IntoResponse as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use pages::{Column, Field, Page, Place, SignedIn, field, html, page, table};
use tower::ServiceExt as _;

const STYLE: &str = include_str!("../assets/style.css");

fn sample(body: pages::Markup) -> pages::Html {
    let signed_in = Some(SignedIn {
        tenant: "acme",
        user: "ada",
    });
    page(&Page {
        title: "Links",
        role: "shortener",
        place: Place::Links,
        signed_in,
        body,
    })
}

#[test]
fn a_page_carries_its_policy_and_is_not_stored() {
    let answer = sample(html! { "x" })
        .with_status(StatusCode::NOT_FOUND)
        .into_response();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(
        header("content-security-policy"),
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "same-origin");
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
}

#[test]
fn only_a_page_that_asks_for_it_may_run_our_scripts_and_none_may_run_others() {
    let answer = sample(html! { (pages::script("shortener", pages::Script::Live)) })
        .with_scripts()
        .into_response();
    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert_eq!(
        policy,
        "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; form-action 'self'; \
         base-uri 'none'; frame-ancestors 'none'"
    );
}

#[test]
fn a_page_has_landmarks_a_skip_link_and_no_inline_script_or_style() {
    let page = sample(html! { h1 { "Links" } (pages::orrery()) });
    let text = page.as_str();
    for part in [
        "<html lang=\"en\">",
        "<a class=\"skip\" href=\"#main\">",
        "<main id=\"main\"",
        "<nav aria-label=\"Main\">",
        "<a href=\"/ui/shortener\" aria-current=\"page\">Links</a>",
        "name=\"viewport\"",
        "ada · acme",
    ] {
        assert!(text.contains(part), "{part}");
    }
    for never in ["<script", "style=\"", "onclick", "https://"] {
        assert!(!text.contains(never), "{never}");
    }
}

#[test]
fn what_visitors_wrote_is_escaped_everywhere() {
    let evil = "\"><script>alert(1)</script>";
    let column = Column {
        name: evil,
        number: false,
    };
    let body = html! {
        (field(&Field { label: evil, name: "url", value: evil, hint: evil, error: evil, ..Field::default() }))
        (table(evil, &[column], &[vec![html! { (evil) }]]))
        (pages::code_block(evil, evil))
    };
    let signed_in = Some(SignedIn {
        tenant: evil,
        user: evil,
    });
    let page = page(&Page {
        title: evil,
        role: "shortener",
        place: Place::Start,
        signed_in,
        body,
    });
    assert!(!page.as_str().contains("<script>"));
    assert!(!page.as_str().contains("\"\">"));
}

#[test]
fn an_error_is_tied_to_its_input() {
    let text = field(&Field {
        label: "Address",
        name: "url",
        hint: "h",
        error: "e",
        ..Field::default()
    })
    .0;
    assert!(text.contains("<label for=\"url\">") && text.contains("aria-invalid=\"true\""));
    assert!(text.contains("aria-describedby=\"url-error url-hint\""));
    assert!(text.contains("id=\"url-error\"") && text.contains("id=\"url-hint\""));
}

#[tokio::test]
async fn the_assets_a_page_names_are_there_and_cached_for_ever() {
    let router = pages::assets_router::<()>("shortener");
    let page = sample(html! {
        (pages::script("shortener", pages::Script::Copy))
        (pages::script("shortener", pages::Script::Live))
    });
    let urls: Vec<&str> = page
        .as_str()
        .split('"')
        .filter(|part| part.contains("/assets/"))
        .collect();
    assert!(urls.len() >= 4);
    for url in urls {
        let request = Request::get(url).body(axum::body::Body::empty()).unwrap();
        let answer = router.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{url}");
        assert!(
            answer.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        assert!(!answer.into_body().collect().await.unwrap().to_bytes().is_empty());
    }
}

/// WCAG 2.2: relative luminance of `#rrggbb`.
fn luminance(hex: &str) -> f64 {
    let channel = |at: usize| {
        let c = f64::from(u8::from_str_radix(&hex[at..at + 2], 16).unwrap()) / 255.0;
        if c <= 0.040_45 {
            c / 12.92
        } else {
            ((c + 0.055) / 1.055).powf(2.4)
        }
    };
    0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5)
}

fn contrast(a: &str, b: &str) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

fn colours(block: &str) -> HashMap<&str, &str> {
    let block = &block[..block.find('}').unwrap()];
    block
        .lines()
        .filter_map(|line| {
            line.trim()
                .strip_prefix("--")?
                .strip_suffix(';')?
                .split_once(": ")
        })
        .filter(|(_, value)| value.starts_with('#'))
        .collect()
}

#[test]
fn every_pair_of_colours_has_aa_contrast_in_both_schemes() {
    let (light, dark) = STYLE.split_once("prefers-color-scheme: dark").unwrap();
    for (scheme, block) in [("light", light), ("dark", dark)] {
        let colour = colours(&block[block.find(":root").unwrap()..]);
        for text in ["text", "muted", "link", "good", "bad"] {
            for ground in ["bg", "surface", "sunken"] {
                let ratio = contrast(colour[text], colour[ground]);
                assert!(ratio >= 4.5, "{scheme}: {text} on {ground} is {ratio:.2}");
            }
        }
        let ratio = contrast(colour["on-accent"], colour["accent"]);
        assert!(ratio >= 4.5, "{scheme}: a button's text is {ratio:.2}");
        for edge in [
            "field-line",
            "focus",
            "accent",
            "c1",
            "c2",
            "c3",
            "c4",
            "c5",
            "c6",
        ] {
            for ground in ["bg", "surface"] {
                let ratio = contrast(colour[edge], colour[ground]);
                assert!(ratio >= 3.0, "{scheme}: {edge} on {ground} is {ratio:.2}");
            }
        }
    }
}

fn two_arms() -> pages::Chart {
    pages::Chart {
        title: "Origin reads <& more>".into(),
        unit: "reads".into(),
        labels: vec!["none".into(), "single \"flight\"".into(), "<XFetch>".into()],
        series: vec![
            pages::Series::new("cold", [1_000.0, 12.0, f64::NAN]),
            pages::Series::new("<warm>", [0.0, 1.0]),
        ],
        ..pages::Chart::default()
    }
}

#[test]
fn a_chart_has_a_bar_a_value_and_says_its_values_in_words_too() {
    for kind in [pages::ChartKind::Bars, pages::ChartKind::Lines] {
        let text = pages::chart(&pages::Chart { kind, ..two_arms() }).0;
        let mark = if kind == pages::ChartKind::Bars {
            "<rect class=\"mark"
        } else {
            "<circle"
        };
        assert_eq!(
            text.matches(mark).count(),
            2 * 4,
            "four values, in a wide and in a narrow drawing"
        );
        assert!(text.contains("none, cold: 1,000 reads"), "{text}");
        assert!(text.contains("<td class=\"number\">1,000</td>"), "{text}");
        for never in ["<script", "style=\"", "<XFetch", "<warm", "NaN"] {
            assert!(!text.contains(never), "{never}");
        }
    }
}

#[test]
fn a_chart_of_nothing_says_so() {
    let text = pages::chart(&pages::Chart::default()).0;
    assert!(text.contains("Nothing to draw yet.") && !text.contains("<svg"));
}

#[test]
fn a_chart_file_stands_alone_in_light_and_dark_and_is_the_same_each_time() {
    let file = pages::chart_file(&two_arms());
    assert_eq!(file, pages::chart_file(&two_arms()));
    for part in [
        "xmlns=\"http://www.w3.org/2000/svg\"",
        "--c1: ",
        "prefers-color-scheme: dark",
        "&lt;XFetch&gt;",
        "Origin reads &lt;&amp; more&gt;",
    ] {
        assert!(file.contains(part), "{part}");
    }
    let quoted = file.split('"').skip(1).step_by(2);
    assert!(quoted.clone().all(|value| !value.contains('<')));
    assert_eq!(file.matches("<text").count(), file.matches("</text>").count());
    assert!(!file.contains("url("), "nothing is loaded from elsewhere");
}
