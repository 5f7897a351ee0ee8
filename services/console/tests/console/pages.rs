//! The pages, as a browser without scripts gets them.

use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Status;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use slo::ServiceObjectives;
use testkit::http::{Answer, get};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Service, hex, of, served, span, word};

const EVIL: &str = "\"><script>alert(1)</script>";
const OBJECTIVES: &str = include_str!("../../src/console/objectives.yaml");

fn objectives() -> Vec<ServiceObjectives> {
    vec![ServiceObjectives::parse(OBJECTIVES).unwrap()]
}

/// A request through two services, of which the second waits for a slow database; and one that failed.
async fn seed(service: &Service) {
    let caller = span(1, 2, 1, SpanKind::Client, 880);
    let first = served(1, 1, 0, "/{code}", 302, 900);
    service.send(&of("gateway", vec![first, caller])).await;
    let mut query = span(1, 4, 3, SpanKind::Client, 800);
    query.attributes = vec![word("db.system.name", "sqlite"), word("db.namespace", "links")];
    let second = served(1, 3, 2, "/{code}", 302, 870);
    service.send(&of("shortener", vec![second, query])).await;
    service
        .send(&of("gateway", vec![served(2, 1, 0, "/v1/links", 503, 40)]))
        .await;
}

/// A page that must be there, and be whole.
async fn page(service: &Service, path: &str) -> String {
    let answer = service.get(path).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text());
    whole(path, &answer);
    answer.text()
}

/// What any page is, whatever it shows.
fn whole(path: &str, answer: &Answer) {
    let text = answer.text();
    assert!(
        answer
            .header("content-security-policy")
            .starts_with("default-src 'none'; script-src 'self'; connect-src 'self'")
    );
    for part in ["<h1>", "<main "] {
        assert_eq!(text.matches(part).count(), 1, "{path}: {part}");
    }
    for never in [
        "<script>",
        "style=\"",
        "onclick",
        "javascript:",
        "NaN",
        "https://",
    ] {
        assert!(!text.contains(never), "{path}: {never}");
    }
    let scripts = text.matches("<script ").count();
    assert_eq!(
        text.matches("<script type=\"module\" src=\"/ui/console/assets/")
            .count(),
        scripts,
        "{path}"
    );
    let mut ids: Vec<&str> = text
        .split(" id=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let all = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), all, "{path}: an id is there twice");
    for input in text
        .split("<input ")
        .skip(1)
        .filter(|input| !input.contains("type=\"checkbox\""))
    {
        let name = input.split("id=\"").nth(1).unwrap().split('"').next().unwrap();
        assert!(
            text.contains(&format!("<label for=\"{name}\">")),
            "{path}: {name} has no label"
        );
    }
}

#[tokio::test]
async fn without_a_token_a_page_leads_to_the_sign_in_page_and_without_the_scope_to_a_refusal() {
    let service = Service::start().await;
    for path in [
        "/ui/console",
        "/ui/console/live",
        "/ui/console/traces",
        "/ui/console/services/x",
    ] {
        let url = format!("{}{path}", service.url);
        let answer = get(&url).send().await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("location")),
            (303, "/ui/login?return_to=/ui/console")
        );
        let refused = get(&url).bearer(&service.token("links:read")).send().await;
        assert_eq!(refused.status, 403, "{path}");
    }
    service.stop().await;
}

#[tokio::test]
async fn an_empty_console_says_what_would_be_there() {
    let service = Service::start().await;
    let text = page(&service, "/ui/console").await;
    for said in [
        "No spans have come yet",
        "No service has been heard of yet",
        "No service here has objectives",
    ] {
        assert!(text.contains(said), "{said}");
    }
    assert!(
        page(&service, "/ui/console/traces")
            .await
            .contains("No trace has come yet")
    );
    service.stop().await;
}

#[tokio::test]
async fn the_overview_shows_who_calls_whom_the_objectives_and_each_service() {
    let service = Service::start_with(objectives(), |_| ()).await;
    seed(&service).await;
    let text = page(&service, "/ui/console").await;
    assert_eq!(
        text.matches("href=\"/ui/console/services/shortener\" aria-label=\"shortener")
            .count(),
        2,
        "once in each drawing"
    );
    assert!(
        text.contains("<title>gateway to shortener: "),
        "what an arrow says"
    );
    assert!(text.contains("sqlite") && text.contains("class=\"node engine\""));
    assert!(
        text.contains("href=\"/ui/console/objectives/shop-available\"") && text.contains("no requests yet")
    );
    let objective = page(&service, "/ui/console/objectives/shop-available").await;
    assert!(objective.contains("docs/runbooks/shop-available.md") && objective.contains("99 %"));
    assert!(objective.contains("14.4×"), "its thresholds");
    service.stop().await;
}

#[tokio::test]
async fn a_traces_page_marks_the_span_that_took_longest_and_opens_without_a_script() {
    let service = Service::start().await;
    seed(&service).await;
    let text = page(&service, &format!("/ui/console/traces/{}", hex(1))).await;
    assert_eq!(text.matches("class=\"row critical picked\"").count(), 1);
    let picked = text.split("class=\"row critical picked\"").nth(1).unwrap();
    let picked = picked.split("</li>").next().unwrap();
    assert!(
        picked.contains("span 4") && picked.contains("800 ms") && picked.contains("db.system.name"),
        "{picked}"
    );
    assert!(
        text.contains("href=\"#span-0404040404040404\"") && text.contains("id=\"span-0404040404040404\"")
    );
    assert_eq!(text.matches("<details id=\"span-").count(), 4, "a row a span");
    service.stop().await;
}

#[tokio::test]
async fn a_services_page_has_its_routes_and_the_traces_worth_a_look() {
    let service = Service::start().await;
    seed(&service).await;
    let text = page(&service, "/ui/console/services/gateway").await;
    assert!(text.contains("recorded"), "where its numbers are from");
    assert!(
        text.contains("?route=GET+%2Fv1%2Flinks") && text.contains("503, failed"),
        "{text}"
    );
    let route = page(
        &service,
        "/ui/console/services/gateway?period=long&route=GET+%2F%7Bcode%7D",
    )
    .await;
    assert!(
        route.contains("All routes") && !route.contains("503, failed"),
        "only that route"
    );
    let none = service.get("/ui/console/services/nobody").await;
    assert_eq!(none.status, 404);
    whole("nobody", &none);
    service.stop().await;
}

#[tokio::test]
async fn traces_are_searched_with_a_form_that_keeps_what_was_typed() {
    let service = Service::start().await;
    seed(&service).await;
    let found = page(
        &service,
        "/ui/console/traces?service=gateway&status=5xx&failed=yes",
    )
    .await;
    assert!(found.contains(&hex(2)) && !found.contains(&hex(1)));
    assert!(found.contains("<option value=\"gateway\" selected>") && found.contains("value=\"5xx\""));
    assert!(
        page(&service, "/ui/console/traces?min_ms=500")
            .await
            .contains(&hex(1))
    );
    let wrong = service
        .get("/ui/console/traces?status=teapot&service=%3Cb%3E")
        .await;
    assert_eq!(wrong.status, 422);
    whole("wrong", &wrong);
    assert!(wrong.text().contains("value=\"teapot\"") && wrong.text().contains("A status such as 404"));
    let opened = service
        .get(&format!("/ui/console/traces?trace_id=+{}+", hex(1)))
        .await;
    let place = format!("/ui/console/traces/{}", hex(1));
    assert_eq!(
        (opened.status.as_u16(), opened.header("location")),
        (303, place.as_str())
    );
    assert_eq!(service.get("/ui/console/traces?trace_id=abc").await.status, 422);
    service.stop().await;
}

#[tokio::test]
async fn a_list_of_traces_goes_on_where_the_page_before_ended() {
    let service = Service::start().await;
    for trace in 1..=120 {
        service
            .send(&of("gateway", vec![served(trace, 1, 0, "/", 200, 5)]))
            .await;
    }
    let (mut address, mut seen) = ("/ui/console/traces".to_owned(), 0);
    for _ in 0..10 {
        let text = page(&service, &address).await;
        seen += text.matches("href=\"/ui/console/traces/").count();
        let Some(next) = text
            .split("href=\"")
            .find(|rest| rest.starts_with("/ui/console/traces?cursor=") && rest.contains(">Older<"))
        else {
            break;
        };
        address = next.split('"').next().unwrap().to_owned();
    }
    assert_eq!(seen, 120, "each once");
    service.stop().await;
}

#[tokio::test]
async fn what_strangers_send_is_text_on_every_page() {
    let service = Service::start().await;
    let mut root = served(1, 1, 0, EVIL, 503, 900);
    root.name = EVIL.to_owned();
    root.attributes.push(word(EVIL, EVIL));
    root.status = Some(Status {
        code: 2,
        message: EVIL.to_owned(),
    });
    let mut call = span(1, 2, 1, SpanKind::Client, 800);
    call.name = EVIL.to_owned();
    call.attributes = vec![word("db.system.name", EVIL), word("db.namespace", EVIL)];
    service.send(&of(EVIL, vec![root, call])).await;
    let name = "%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E";
    for path in [
        "/ui/console".to_owned(),
        format!("/ui/console/services/{name}"),
        format!("/ui/console/services/{name}?route={name}"),
        "/ui/console/traces".to_owned(),
        format!("/ui/console/traces?service={name}&route={name}"),
        format!("/ui/console/traces/{}", hex(1)),
    ] {
        let text = page(&service, &path).await;
        assert!(text.contains("&lt;script&gt;"), "{path} shows it");
    }
    for (path, status) in [
        (format!("/ui/console/objectives/{name}"), 404),
        (format!("/ui/console/traces/{name}"), 404),
        (
            format!("/ui/console/traces?status={name}&min_ms={name}&trace_id={name}"),
            422,
        ),
    ] {
        let answer = service.get(&path).await;
        assert_eq!(answer.status, status, "{path}");
        whole(&path, &answer);
    }
    service.stop().await;
}

#[tokio::test]
async fn a_trace_that_is_not_there_says_why_and_looks_again_by_itself() {
    let service = Service::start().await;
    let path = format!("/ui/console/traces/{}", hex(7));
    let answer = service.get(&path).await;
    assert_eq!(answer.status, 404);
    whole(&path, &answer);
    assert!(answer.text().contains("may not have been recorded"));
    assert!(
        answer
            .text()
            .contains(&format!("data-live=\"{path}/live?from=0\"")),
        "{}",
        answer.text()
    );
    assert!(
        service
            .get("/ui/console/traces/7")
            .await
            .text()
            .contains("32 hexadecimal digits")
    );
    service.stop().await;
}

/// Reads on until a text has come; what came is the failure.
async fn read_until(stream: &mut TcpStream, seen: &mut String, text: &str) {
    let reading = async {
        let mut chunk = vec![0; 16 * 1024];
        while !seen.contains(text) {
            let read = stream.read(&mut chunk).await.unwrap();
            assert!(read > 0, "ended without {text}: {seen}");
            seen.push_str(&String::from_utf8_lossy(&chunk[..read]));
        }
    };
    let came = tokio::time::timeout(Duration::from_secs(10), reading).await;
    assert!(came.is_ok(), "{text} never came");
}

#[tokio::test]
async fn a_page_is_told_of_spans_that_come_and_its_stream_ends_before_its_deadline() {
    let service = Service::start_with(Vec::new(), |settings| settings.live.every_ms = 100).await;
    let address = service.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (token, path) = (
        service.token("console:read"),
        format!("/ui/console/traces/{}/live", hex(1)),
    );
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\norrery-deadline-ms: 3000\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    read_until(&mut stream, &mut seen, "has come here").await;
    assert!(
        seen.starts_with("HTTP/1.1 200") && seen.contains("text/event-stream"),
        "{seen}"
    );
    seed(&service).await;
    read_until(&mut stream, &mut seen, "span-0404040404040404").await;
    let mut rest = String::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_string(&mut rest)).await;
    assert!(ended.unwrap().is_ok(), "in order, not cut off");
    service.stop().await;
}

#[tokio::test]
async fn no_more_pages_are_kept_up_to_date_than_the_setting_says() {
    let service = Service::start_with(Vec::new(), |settings| settings.live.streams_max = 0).await;
    let answer = service.get("/ui/console/live").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("retry-after"), "10");
    page(&service, "/ui/console").await;
    service.stop().await;
}
