//! The pages, as a browser without scripts uses them.

use http::Method;
use serde_json::{Value, json};

use crate::engines::embedded_only;
use crate::harness::{Answer, Blocked, Service, Setup};

const FORM: &str = "application/x-www-form-urlencoded";

async fn visit(service: &Service, path: &str) -> Answer {
    service.send(Method::GET, path, &Value::Null).await
}

async fn submit(service: &Service, path: &str, form: &str) -> Answer {
    let bearer = format!("Bearer {}", service.token("acme"));
    let headers = [("authorization", bearer.as_str()), ("content-type", FORM)];
    service.request(Method::POST, path, &headers, form).await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_the_page_leads_to_the_sign_in_page_and_back() {
    let service = Service::start().await;
    for (method, path) in [
        (Method::GET, "/ui/shortener"),
        (Method::POST, "/ui/shortener"),
        (Method::POST, "/ui/shortener/abc/delete"),
    ] {
        let answer = service.request(method, path, &[("content-type", FORM)], "").await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/ui/login?return_to=/ui/shortener"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_made_listed_and_deleted_with_forms() {
    let service = Service::start().await;
    let empty = visit(&service, "/ui/shortener").await;
    assert_eq!(empty.status, 200);
    assert!(
        empty
            .header("content-security-policy")
            .unwrap()
            .contains("default-src 'none'")
    );
    assert!(empty.text().contains("No links yet"));
    assert!(empty.text().contains("All links of acme") && !empty.text().contains("Your links"));

    let made = submit(
        &service,
        "/ui/shortener",
        "url=https%3A%2F%2Fexample.com%2F%3Ca%3E&alias=by-form&tags=a%2C+b",
    )
    .await;
    assert_eq!(
        (made.status, made.header("location")),
        (303, Some("/ui/shortener?made=by-form"))
    );
    let page = visit(&service, "/ui/shortener?made=by-form").await;
    assert!(page.text().contains("http://sho.rt/by-form"), "{}", page.text());
    assert!(page.text().contains("https://example.com/%3Ca%3E") && !page.text().contains("<a>"));
    assert_eq!(service.get("/by-form").await.status, 302);

    let deleted = submit(&service, "/ui/shortener/by-form/delete", "").await;
    assert_eq!(
        (deleted.status, deleted.header("location")),
        (303, Some("/ui/shortener?deleted=by-form"))
    );
    assert_eq!(service.get("/by-form").await.status, 404);
    assert_eq!(
        submit(&service, "/ui/shortener/by-form/delete", "").await.status,
        303,
        "twice is no error"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_in_place_and_what_was_typed_is_kept() {
    let service = Service::start().await;
    let answer = submit(
        &service,
        "/ui/shortener",
        "url=javascript%3Aalert(1)&alias=kept-alias&tags=%22%3Cb%3E",
    )
    .await;
    assert_eq!(answer.status, 422);
    let page = answer.text();
    assert!(
        page.contains("only http:// and https:// URLs can be shortened"),
        "{page}"
    );
    assert!(page.contains("aria-invalid=\"true\"") && page.contains("value=\"kept-alias\""));
    assert!(
        page.contains("&quot;&lt;b&gt;") && !page.contains("\"<b>"),
        "escaped"
    );
    service
        .make(json!({"url": "https://example.com/", "alias": "taken"}))
        .await;
    let taken = submit(
        &service,
        "/ui/shortener",
        "url=https%3A%2F%2Fexample.com&alias=taken",
    )
    .await;
    assert_eq!(taken.status, 409);
    assert!(taken.text().contains("this alias is taken"));
}

fn key_of(page: &Answer) -> String {
    let (_, after) = page.text().split_once("name=\"key\" value=\"").unwrap();
    after.split('"').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_the_store_failed_is_shown_again_with_its_key_and_sent_again_makes_one_link() {
    if embedded_only("the store is a file that somebody locks") {
        return;
    }
    let setup = Setup::new()
        .await
        .change(|settings| settings.sqlite.write_deadline_ms = 200);
    let service = setup.start().await;
    let blocked = Blocked::new(service.folder.path().join("shortener.db")).await;
    let form = |key: &str| format!("key={key}&url=https%3A%2F%2Fexample.com%2F&alias=typed");
    let failed = submit(&service, "/ui/shortener", &form("mine")).await;
    assert_eq!((failed.status, key_of(&failed).as_str()), (503, "mine"));
    assert!(failed.text().contains("value=\"typed\""), "{}", failed.text());
    assert!(failed.text().contains("the link store cannot be reached"));
    assert!(failed.header("retry-after").is_some());
    blocked.release().await;
    for _ in 0..2 {
        let made = submit(&service, "/ui/shortener", &form(&key_of(&failed))).await;
        assert_eq!(made.status, 303);
    }
    let listed = visit(&service, "/v1/links").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_that_is_sent_twice_makes_one_link() {
    let service = Service::start().await;
    let page = visit(&service, "/ui/shortener").await;
    let key = key_of(&page);
    let form = format!("key={key}&url=https%3A%2F%2Fexample.com%2F");
    let (first, second) = (
        submit(&service, "/ui/shortener", &form).await,
        submit(&service, "/ui/shortener", &form).await,
    );
    assert_eq!(
        (first.status, first.header("location")),
        (303, second.header("location"))
    );
    let listed = visit(&service, "/v1/links").await.json();
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    let changed = submit(
        &service,
        "/ui/shortener",
        &format!("key={key}&url=https%3A%2F%2Fother.example%2F"),
    )
    .await;
    assert_eq!(changed.status, 422);
    assert!(changed.text().contains("sent before"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_one_tenant_shows_and_deletes_nothing_of_another() {
    let service = Setup::new()
        .await
        .change(|settings| settings.list_limit_default = 2)
        .start()
        .await;
    let other = service.token("other");
    let body = json!({"url": "https://secret.example/", "alias": "theirs"});
    assert_eq!(
        service
            .send_as(&other, Method::POST, "/v1/links", &body)
            .await
            .status,
        201
    );
    assert!(
        !visit(&service, "/ui/shortener")
            .await
            .text()
            .contains("secret.example")
    );
    assert_eq!(
        submit(&service, "/ui/shortener/theirs/delete", "").await.status,
        303
    );
    assert_eq!(service.get("/theirs").await.status, 302, "still there");
    for number in 0..3 {
        service
            .make(json!({"url": format!("https://example.com/{number}")}))
            .await;
    }
    let first = visit(&service, "/ui/shortener").await;
    let older = first
        .text()
        .split("href=\"/ui/shortener?cursor=")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .to_owned();
    let second = visit(&service, &format!("/ui/shortener?cursor={older}")).await;
    assert!(
        second.text().contains("https://example.com/0") && !second.text().contains("https://example.com/1")
    );
    assert_eq!(service.get("/ui/shortener/assets/style.css").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_option_of_a_link_is_on_its_form_and_only_what_was_touched_is_changed() {
    let service = Service::start().await;
    let made = submit(
        &service,
        "/ui/shortener",
        "url=https%3A%2F%2Fexample.com%2F&alias=all-of-it&title=Spring&notes=one%0D%0Atwo&tags=a&expires_at=2099-01-01T00%3A00\
         &fallback_url=https%3A%2F%2Fexample.com%2Fover&max_clicks=5&password=sesame&utm_source=mail\
         &destinations=DE+mobile+https%3A%2F%2Fexample.com%2Fde",
    )
    .await;
    assert_eq!(made.status, 303, "{}", made.text());
    let link = visit(&service, "/v1/links/all-of-it").await.json();
    assert_eq!(link["url"], "https://example.com/?utm_source=mail");
    assert_eq!(
        (&link["title"], &link["max_clicks"], &link["has_password"]),
        (&json!("Spring"), &json!(5), &json!(true))
    );
    assert_eq!(link["destinations"][0]["countries"], json!(["DE"]));
    let page = visit(&service, "/ui/shortener/all-of-it").await;
    assert_eq!(page.status, 200);
    for part in [
        "<h1>Spring</h1>",
        "DE mobile https://example.com/de",
        "value=\"2099-01-01T00:00\"",
        "/v1/links/all-of-it/qr",
        "at most 5 clicks",
    ] {
        assert!(page.text().contains(part), "{part} is missing: {}", page.text());
    }
    assert!(!page.text().contains("sesame") && !page.text().contains("argon2"));

    let saved = submit(
        &service,
        "/ui/shortener/all-of-it",
        "url=https%3A%2F%2Fexample.com%2F%3Futm_source%3Dmail&title=Summer&notes=one%0D%0Atwo&tags=a&expires_at=2099-01-01T00%3A00\
         &fallback_url=https%3A%2F%2Fexample.com%2Fover&max_clicks=&remove_password=yes\
         &destinations=DE+mobile+https%3A%2F%2Fexample.com%2Fde",
    )
    .await;
    assert_eq!(
        (saved.status, saved.header("location")),
        (303, Some("/ui/shortener/all-of-it?said=saved")),
        "{}",
        saved.text()
    );
    let changed = visit(&service, "/v1/links/all-of-it").await.json();
    assert_eq!(
        (
            &changed["title"],
            &changed["max_clicks"],
            &changed["has_password"]
        ),
        (&json!("Summer"), &Value::Null, &json!(false))
    );
    for same in [
        "url",
        "notes",
        "tags",
        "expires_at",
        "fallback_url",
        "destinations",
    ] {
        assert_eq!(changed[same], link[same], "{same}");
    }
    let wrong = submit(&service, "/ui/shortener/all-of-it", "url=nonsense&title=Kept").await;
    assert_eq!(wrong.status, 422);
    assert!(wrong.text().contains("value=\"Kept\"") && wrong.text().contains("id=\"url-error\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_undoes_nothing_that_others_changed_since_it_was_shown() {
    let service = Service::start().await;
    let made = json!({"url": "https://example.com/", "alias": "shared", "title": "Old", "tags": ["a"]});
    service.make(made).await;
    let place = "/ui/shortener/shared";
    let revision = |page: &Answer| {
        let (_, after) = page.text().split_once("name=\"revision\" value=\"").unwrap();
        after.split('"').next().unwrap().to_owned()
    };
    let seen = revision(&visit(&service, place).await);
    let theirs = json!({"title": "Theirs", "tags": ["b"]});
    let changed = service.send(Method::PATCH, "/v1/links/shared", &theirs).await;
    assert_eq!(changed.status, 200);

    let mine =
        |seen: &str| format!("revision={seen}&url=https%3A%2F%2Fmine.example%2F&title=Old&tags=a&notes=");
    let refused = submit(&service, place, &mine(&seen)).await;
    assert_eq!(refused.status, 409);
    for part in [
        "changed by others since this form was shown",
        "https://mine.example/",
        "value=\"Theirs\"",
        "value=\"https://example.com/\"",
    ] {
        assert!(
            refused.text().contains(part),
            "{part} is missing: {}",
            refused.text()
        );
    }
    let now = visit(&service, "/v1/links/shared").await.json();
    assert_eq!(
        (&now["url"], &now["title"], &now["tags"]),
        (&json!("https://example.com/"), &json!("Theirs"), &json!(["b"]))
    );

    let seen = revision(&refused);
    for _ in 0..2 {
        let saved = submit(&service, place, &mine(&seen)).await;
        assert_eq!(saved.status, 303, "sent twice is saved once: {}", saved.text());
    }
    let now = visit(&service, "/v1/links/shared").await.json();
    assert_eq!(
        (&now["url"], &now["title"]),
        (&json!("https://mine.example/"), &json!("Old"))
    );

    let seen = revision(&visit(&service, place).await);
    for (password, status) in [("sesame", 303), ("sesame", 303), ("simsim", 409)] {
        let form = format!("{}&password={password}", mine(&seen));
        let answer = submit(&service, place, &form).await;
        assert_eq!(answer.status, status, "{password}: {}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_archived_is_found_only_when_it_is_asked_for_and_comes_back() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/one", "alias": "one", "tags": ["red & blue"]}))
        .await;
    service
        .make(json!({"url": "https://example.com/two", "alias": "two"}))
        .await;
    let archived = submit(&service, "/ui/shortener/one/archive", "").await;
    assert_eq!(
        archived.header("location"),
        Some("/ui/shortener/one?said=archived")
    );
    let shown = async |query: &str| {
        let page = visit(&service, &format!("/ui/shortener{query}")).await;
        let has = |code: &str| page.text().contains(&format!("href=\"/ui/shortener/{code}\""));
        (has("one"), has("two"))
    };
    assert_eq!(shown("").await, (false, true));
    assert_eq!(shown("?archived=yes").await, (true, false));
    assert_eq!(service.get("/one").await.status, 410);
    submit(&service, "/ui/shortener/one/restore", "").await;
    assert_eq!(shown("").await, (true, true));
    assert_eq!(shown("?q=TWO").await, (false, true));
    assert_eq!(shown("?tag=red+%26+blue").await, (true, false));
    let none = visit(&service, "/ui/shortener?q=nowhere").await;
    assert!(none.text().contains("No link is like that."));
    assert!(none.text().contains("Links of acme") && !none.text().contains("All links of"));
    let all = visit(&service, "/ui/shortener").await;
    assert!(all.text().contains("href=\"/ui/shortener?tag=red+%26+blue\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_link_has_no_page_and_no_stream() {
    let service = Service::start().await;
    let other = service.token("other");
    let body = json!({"url": "https://secret.example/", "alias": "theirs"});
    let made = service.send_as(&other, Method::POST, "/v1/links", &body).await;
    assert_eq!(made.status, 201);
    for (method, path) in [
        (Method::GET, "/ui/shortener/theirs"),
        (Method::GET, "/ui/shortener/theirs/live"),
        (Method::POST, "/ui/shortener/theirs"),
        (Method::POST, "/ui/shortener/theirs/archive"),
        (Method::GET, "/ui/shortener/nobodys"),
    ] {
        let answer = match method {
            Method::GET => visit(&service, path).await,
            _ => submit(&service, path, "url=https%3A%2F%2Fmine.example%2F").await,
        };
        assert_eq!(answer.status, 404, "{path}");
        assert!(!answer.text().contains("secret.example"), "{path}");
    }
    assert_eq!(service.get("/theirs").await.status, 302);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_page_is_told_of_a_click_and_its_stream_ends_before_its_deadline() {
    let service = Service::start().await;
    service
        .make(json!({"url": "https://example.com/", "alias": "watched"}))
        .await;
    service.get("/watched").await;
    service.clicked("watched", 1).await;
    let bearer = format!("Bearer {}", service.token("acme"));
    let headers = [("authorization", bearer.as_str()), ("orrery-deadline-ms", "1500")];
    let stream = service
        .request(Method::GET, "/ui/shortener/watched/live", &headers, "")
        .await;
    assert_eq!(
        (stream.status, stream.header("content-type")),
        (200, Some("text/event-stream"))
    );
    let parts: Vec<Value> = stream
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    let of = |id: &str| parts.iter().filter(|part| part["id"] == id).count();
    assert_eq!(
        of("totals"),
        1,
        "what has not changed is not sent again: {parts:?}"
    );
    assert!(of("last-hour") >= 1);
    let hour = parts.iter().find(|part| part["id"] == "last-hour").unwrap();
    assert!(
        hour["markup"]
            .as_str()
            .unwrap()
            .contains("The last 60 minutes: 1 click"),
        "{hour}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_ends_the_stream_of_a_live_page_instead_of_waiting_until_it_is_cut() {
    let service = Setup::new()
        .await
        // The drain comes while it waits for its next look.
        .change(|settings| settings.live.every_ms = 60_000)
        .start()
        .await;
    service
        .make(json!({"url": "https://example.com/", "alias": "watched"}))
        .await;
    let bearer = format!("Bearer {}", service.token("acme"));
    // By itself it would end long after the drain's deadline, at which what is still open is cut off.
    let headers = [
        ("authorization", bearer.as_str()),
        ("orrery-deadline-ms", "60000"),
    ];
    let (status, rest) = service.open_answer("/ui/shortener/watched/live", &headers).await;
    assert_eq!(status, 200);
    service.stop().await;
    let events = rest.await.expect("a whole answer, and none that was cut off");
    let events = String::from_utf8_lossy(&events);
    assert!(events.contains("the parts of a page"), "{events}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_so_many_pages_are_kept_up_to_date() {
    let service = Setup::new()
        .await
        .change(|settings| settings.live.streams_max = 0)
        .start()
        .await;
    service
        .make(json!({"url": "https://example.com/", "alias": "watched"}))
        .await;
    let refused = visit(&service, "/ui/shortener/watched/live").await;
    assert_eq!(refused.status, 503);
    assert!(refused.header("retry-after").is_some());
    assert_eq!(visit(&service, "/ui/shortener/watched").await.status, 200);
}
