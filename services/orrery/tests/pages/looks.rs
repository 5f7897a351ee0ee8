//! Every page on a desk and on a phone, light and dark: nothing blocked, nothing cut off, everything named and reachable.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use testkit::browser::{Browser, View};
use testkit::http::get;

use super::{sign_in, start};

const VIEWS: [(&str, View); 4] = [
    ("desk-light", View::DESK),
    ("desk-dark", View::DESK.dark()),
    ("phone-light", View::PHONE),
    ("phone-dark", View::PHONE.dark()),
];

/// What a page must be in every view; gives what it is not. Targets of at least 24 pixels: WCAG 2.2, 2.5.8.
const FAULTS: &str = r"
    const faults = [];
    const root = document.documentElement;
    if (root.scrollWidth > innerWidth) {
        const wide = [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth + 1);
        faults.push('scrolls sideways: ' + wide.slice(0, 3).map(e => e.outerHTML.slice(0, 80)).join(' | '));
    }
    if (!root.lang) faults.push('no language');
    if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
    if (document.querySelectorAll('main').length !== 1) faults.push('not one main');
    if (!document.styleSheets.length) faults.push('no style sheet');
    for (const e of document.querySelectorAll('input:not([type=hidden]), select, textarea')) {
        if (!e.labels.length) faults.push('no label: ' + e.name);
    }
    for (const e of document.querySelectorAll('img:not([alt])')) faults.push('no alt: ' + e.src);
    for (const e of document.querySelectorAll('a[href], button:not([hidden]), input:not([type=hidden]), textarea, summary')) {
        // What is folded away has no size yet.
        if (!e.checkVisibility()) continue;
        const box = (e.closest('label') || e).getBoundingClientRect();
        const inText = getComputedStyle(e).display === 'inline';
        if (!inText && box.width && (box.width < 24 || box.height < 24)) faults.push('small target: ' + e.outerHTML.slice(0, 80));
        if (!(e.textContent.trim() || e.getAttribute('aria-label') || (e.labels && e.labels.length))) faults.push('no name: ' + e.outerHTML.slice(0, 80));
    }
    const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
    for (const id of ids) if (ids.filter(i => i === id).length > 1) faults.push('doubled id: ' + id);
    return faults;
";

fn pictures() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../screenshots")
}

pub(super) async fn look(browser: &Browser, name: &str) {
    for (suffix, view) in VIEWS {
        browser.view(view).await;
        browser
            .screenshot(pictures().join(format!("{name}-{suffix}.png")))
            .await;
        assert_eq!(
            browser.script(FAULTS).await,
            Value::Array(Vec::new()),
            "{name}, {suffix}"
        );
    }
    browser.view(View::DESK).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "{name}");
}

#[tokio::test]
async fn every_page_is_whole_on_a_desk_and_on_a_phone_in_light_and_in_dark() {
    let Some((platform, browser)) =
        start("every_page_is_whole_on_a_desk_and_on_a_phone_in_light_and_in_dark").await
    else {
        return;
    };
    let home = platform.url();
    browser.goto(&home).await;
    look(&browser, "start").await;
    browser.goto(&format!("{home}/docs")).await;
    look(&browser, "docs").await;
    for role in ["issuer", "shortener"] {
        browser.goto(&format!("{home}/docs/{role}")).await;
        look(&browser, &format!("docs-{role}")).await;
    }
    browser.goto(&format!("{home}/ui/login")).await;
    browser.wait_for("#sign-in").await;
    look(&browser, "sign-in").await;
    sign_in(&browser, "acme", "ada").await;
    browser.wait_for("#new").await;
    look(&browser, "links-empty").await;
    let long = format!("https://example.com/{}", "a-long-way/".repeat(20));
    let links = [
        ("https://www.rust-lang.org/", "rust", "language"),
        (
            "https://www.w3.org/TR/trace-context/",
            "trace-context",
            "spec, tracing",
        ),
        (
            long.as_str(),
            "a-very-long-way-to-somewhere-else-entirely-and-beyond-all-of-it-1",
            "",
        ),
    ];
    for (url, alias, tags) in links {
        browser.fill("#url", url).await;
        browser.fill("#alias", &alias[..alias.len().min(60)]).await;
        browser.fill("#tags", tags).await;
        browser.click("#new button[type=submit]").await;
        browser.wait_for(".notice.good").await;
    }
    look(&browser, "links").await;
    browser.fill("#url", "https://example.com/").await;
    browser.fill("#alias", "rust").await;
    browser.click("#new button[type=submit]").await;
    browser.wait_for("#alias-error").await;
    look_without_log(&browser, "links-refused").await;
}

#[tokio::test]
async fn a_links_page_is_whole_with_and_without_clicks_in_every_view() {
    let Some((platform, browser)) =
        start("a_links_page_is_whole_with_and_without_clicks_in_every_view").await
    else {
        return;
    };
    let home = platform.url();
    browser.goto(&format!("{home}/ui/shortener")).await;
    sign_in(&browser, "acme", "ada").await;
    browser.wait_for("#new").await;
    browser.click("#options summary").await;
    look(&browser, "links-options").await;
    browser.fill("#url", "https://www.rust-lang.org/learn").await;
    browser.fill("#alias", "learn").await;
    browser.fill("#title", "Learn Rust").await;
    browser.fill("#tags", "language, book").await;
    browser
        .fill("#notes", "For the newsletter.\nSent every Monday.")
        .await;
    browser.fill("#max_clicks", "500").await;
    browser.click("#new button[type=submit]").await;
    browser.wait_for(".notice.good").await;
    look(&browser, "links-made").await;
    browser.click("#links tbody a.button").await;
    browser.wait_for("#clicks").await;
    look(&browser, "link-new").await;
    for (agent, from) in [
        (PHONE, "https://news.example.com/today"),
        (LAPTOP, "https://mail.example.org/"),
        (LAPTOP, ""),
        (LAPTOP, "https://news.example.com/"),
    ] {
        let visit = get(format!("{home}/learn")).header("user-agent", agent);
        let visit = if from.is_empty() {
            visit
        } else {
            visit.header("referer", from)
        };
        visit.send().await;
    }
    browser.wait_for("[data-live-state]:not([hidden])").await;
    let counted = "return document.querySelector('#totals dd').textContent === '4'";
    wait_until(&browser, counted).await;
    browser
        .goto(&format!("{home}/ui/shortener/learn?period=week"))
        .await;
    browser.wait_for("#clicks .shares").await;
    look(&browser, "link").await;
    browser.click("#clicks details summary").await;
    browser.click("#change summary").await;
    browser.click("#options summary").await;
    browser.click("#delete summary").await;
    look(&browser, "link-open").await;
    browser.goto(&format!("{home}/ui/shortener?tag=book")).await;
    look(&browser, "links-found").await;
    browser.goto(&format!("{home}/ui/shortener/nobodys")).await;
    look_without_log(&browser, "link-missing").await;
}

const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1";
const LAPTOP: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0";

/// Polls until a script says `true`, which it does by itself: the page is not loaded again.
pub(super) async fn wait_until(browser: &Browser, script: &str) {
    let waiting = async {
        while browser.script(script).await != true {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert!(came.is_ok(), "never: {script}\n{}", browser.body_text().await);
}

/// As [`look`], for a page whose status the browser itself logs.
pub(super) async fn look_without_log(browser: &Browser, name: &str) {
    browser.complaints().await;
    look(browser, name).await;
}

#[tokio::test]
async fn the_keyboard_alone_is_enough() {
    const TAB: char = '\u{E004}';
    const ENTER: char = '\u{E007}';
    let Some((platform, browser)) = start("the_keyboard_alone_is_enough").await else {
        return;
    };
    browser.goto(&format!("{}/ui/login", platform.url())).await;
    browser.wait_for("#sign-in").await;
    browser.press(TAB).await;
    let focused =
        "return document.activeElement.className + ' ' + document.activeElement.getBoundingClientRect().top";
    let skip_link = browser.script(focused).await;
    let top = skip_link
        .as_str()
        .and_then(|text| text.strip_prefix("skip "))
        .and_then(|top| top.parse::<f64>().ok());
    assert!(
        top.is_some_and(|top| top >= 0.0),
        "the skip link is first and seen: {skip_link}"
    );
    browser.press(ENTER).await;
    let mut outlines = Vec::new();
    for _ in 0..20 {
        browser.press(TAB).await;
        let outline = "const s = getComputedStyle(document.activeElement); return s.outlineStyle + ' ' + s.outlineWidth";
        outlines.push(browser.script(outline).await);
        if browser
            .script("return document.activeElement.type === 'submit'")
            .await
            == true
        {
            break;
        }
    }
    assert!(
        outlines.iter().all(|outline| outline == "solid 3px"),
        "focus is seen: {outlines:?}"
    );
    browser.press(ENTER).await;
    browser.wait_for_url(|url| url.ends_with("/ui/shortener")).await;
}
