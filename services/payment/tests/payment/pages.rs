//! `/ui/payment` with plain forms, as a browser without a script sends them.

use http::Method;
use serde_json::json;

use crate::engines::Folder;
use crate::harness::{Answer, Service, Setup, transfer};
use crate::payments::quick;
use crate::till::{Stub, Till, eventually};

pub(crate) async fn page(service: &Service, method: Method, path: &str, form: &str) -> Answer {
    let authorization = format!("Bearer {}", service.token("acme"));
    let headers = [
        ("authorization", authorization.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    service.request(method, path, &headers, form).await
}

pub(crate) async fn get(service: &Service, path: &str) -> String {
    let answer = page(service, Method::GET, path, "").await;
    assert_eq!(answer.status, 200, "{path}: {answer:?}");
    answer.text().to_owned()
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let at = page.find(&begin).unwrap_or_else(|| panic!("no {name} in {page}")) + begin.len();
    page[at..].split('"').next().unwrap().to_owned()
}

#[tokio::test]
async fn money_is_asked_about_once_and_moves_once_however_often_the_form_is_sent() {
    let service = Service::start().await;
    service.open_books().await;
    let home = get(&service, "/ui/payment").await;
    assert!(home.contains("10.00 EUR"), "the balance of 1001");
    let typed = format!(
        "key={}&debit_account_id=1001&credit_account_id=1002&amount=2.50&description=Tea",
        hidden(&home, "key")
    );
    let asked = page(&service, Method::POST, "/ui/payment/transfers/confirm", &typed).await;
    assert_eq!(asked.status, 200);
    assert!(asked.text().contains("Move 2.50 EUR") && asked.text().contains("Move this?"));
    let main = asked.text().split("<main").nth(1).unwrap();
    let to_be_pressed =
        main.matches("<button type=\"submit\">").count() + main.matches("class=\"button\"").count();
    assert_eq!(to_be_pressed, 1, "one button is the one to press");
    assert!(asked.text().contains("can be reversed"));
    assert_eq!(service.balance(1002).await.0, "0", "asking moves nothing");
    assert_eq!(hidden(asked.text(), "key"), hidden(&home, "key"));
    for sent in 0..3 {
        let done = page(&service, Method::POST, "/ui/payment/transfers", &typed).await;
        assert_eq!((done.status, done.is_replay()), (303, sent > 0));
        let place = done.header("location").unwrap().to_owned();
        assert!(place.starts_with("/ui/payment/accounts/1001?moved="), "{place}");
        assert!(get(&service, &place).await.contains("moved, as transfer"));
    }
    assert_eq!(service.balance(1002).await.0, "250");
    service.stop().await;
}

#[tokio::test]
async fn what_is_refused_moves_nothing_and_the_form_keeps_what_was_typed() {
    let service = Service::start().await;
    service.open_books().await;
    let way = "write more than zero, with a point and at most 2 places, as 7.50";
    for (debit, credit, amount, told) in [
        ("1001", "1002", "1,50", way),
        ("1001", "1002", "0", way),
        ("1001", "1002", "1.505", way),
        ("1001", "1002", "-1", way),
        ("1001", "1002", "99.00", "1001"),
        ("1001", "1001", "1.00", "the same one on both sides"),
        ("4242", "1002", "1.00", "there is no account “4242”"),
        ("1001", "Ada", "1.00", "there is no account “Ada”"),
    ] {
        let typed = format!(
            "key=k-{debit}-{credit}-{amount}&debit_account_id={debit}&credit_account_id={credit}&amount={amount}&description="
        );
        for path in ["/ui/payment/transfers/confirm", "/ui/payment/transfers"] {
            let answer = page(&service, Method::POST, path, &typed).await;
            let text = answer.text();
            assert!(matches!(answer.status, 409 | 422), "{amount}: {answer:?}");
            assert!(text.contains("Problem") && text.contains(told), "{told}: {text}");
            for kept in [debit, credit, amount] {
                assert!(text.contains(&format!("value=\"{kept}\"")), "{kept}: {text}");
            }
        }
    }
    assert_eq!(service.balance(1001).await.0, "1000");
    let refused = "key=twice&debit_account_id=1001&credit_account_id=1002&amount=99.00&description=";
    for again in [false, true] {
        let answer = page(&service, Method::POST, "/ui/payment/transfers", refused).await;
        assert_eq!((answer.status, answer.is_replay()), (422, again));
    }
    let foreign = page(&service, Method::GET, "/ui/payment/accounts/424242", "").await;
    assert_eq!(foreign.status, 404);
    service.stop().await;
}

#[tokio::test]
async fn what_would_be_refused_is_said_when_it_is_asked_about() {
    let setup = Setup::new().change(|settings| settings.limits.transfer_minor_max = 5_000);
    let service = setup.start().await;
    service.open_books().await;
    for (id, kind, above) in [("1500", "asset", true), ("1501", "liability", false)] {
        let account = json!({ "id": id, "kind": kind, "currency": "EUR", "not_above_zero": above });
        service.post("/v1/accounts", account).await.expect(201);
    }
    let closed = json!({ "closed": true });
    service
        .send(Method::PATCH, "/v1/accounts/1501", &closed)
        .await
        .expect(200);
    for (debit, credit, amount, told) in [
        (
            "1001",
            "1002",
            "10.01",
            "1001 (EUR) has 10.00 EUR available, and may not go below zero",
        ),
        (
            "1500",
            "1002",
            "0.01",
            "1500 (EUR) may not go above zero: at most 0.00 EUR can move",
        ),
        (
            "1501",
            "1002",
            "1.00",
            "1501 (EUR) is closed: choose another account",
        ),
        (
            "1001",
            "1501",
            "1.00",
            "1501 (EUR) is closed: choose another account",
        ),
        ("1001", "1002", "50.01", "at most 50.00 EUR moves at once here"),
    ] {
        let typed =
            format!("key=k&debit_account_id={debit}&credit_account_id={credit}&amount={amount}&description=");
        let asked = page(&service, Method::POST, "/ui/payment/transfers/confirm", &typed).await;
        assert_eq!(asked.status, 422, "{told}: {asked:?}");
        // At its field, for whoever sees it and whoever hears it.
        let text = asked.text();
        let in_place =
            text.contains(&format!("-error\">{told}</p>")) && text.contains("aria-invalid=\"true\"");
        assert!(in_place, "{told}: {text}");
    }
    let all = "key=k&debit_account_id=1001&credit_account_id=1002&amount=10.00&description=";
    let asked = page(&service, Method::POST, "/ui/payment/transfers/confirm", all).await;
    assert_eq!(asked.status, 200, "as much as there is: {asked:?}");
    for _ in 0..2 {
        let done = page(&service, Method::POST, "/ui/payment/transfers", all).await;
        assert_eq!(done.status, 303, "a repeat is not asked what is left: {done:?}");
    }
    service.stop().await;
}

#[tokio::test]
async fn addresses_that_only_take_forms_lead_to_the_accounts() {
    let service = Service::start().await;
    for path in ["accounts", "transfers", "transfers/confirm"] {
        let answer = page(&service, Method::GET, &format!("/ui/payment/{path}"), "").await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/ui/payment")),
            "{path}"
        );
    }
    service.stop().await;
}

#[tokio::test]
async fn an_account_that_the_list_does_not_show_is_offered_and_can_be_typed() {
    let service = Setup::new()
        .change(|settings| settings.list_limit_max = 2)
        .start()
        .await;
    service.open_books().await;
    let home = get(&service, "/ui/payment?debit=1001#transfer").await;
    assert!(
        home.contains("<datalist") && !home.contains("1003"),
        "the list is short"
    );
    assert!(
        home.contains("name=\"debit_account_id\" value=\"1001\""),
        "{home}"
    );
    let typed = "key=k&debit_account_id=1001&credit_account_id=+1003+&amount=2.50&description=";
    let done = page(&service, Method::POST, "/ui/payment/transfers", typed).await;
    assert_eq!(done.status, 303, "{done:?}");
    assert_eq!(service.balance(1003).await.0, "250");
    service.stop().await;
}

#[tokio::test]
async fn what_came_last_is_shown_first_and_the_rest_is_a_link_away() {
    let service = Setup::new()
        .change(|settings| settings.list_limit_max = 2)
        .start()
        .await;
    service.open_books().await;
    for minor in ["101", "102", "103"] {
        service
            .post("/v1/transfers", transfer(1001, 1002, minor))
            .await
            .expect(201);
        let hold = json!({ "debit_account_id": "1001", "credit_account_id": "1002", "amount": minor, "currency": "EUR" });
        service.post("/v1/holds", hold).await.expect(201);
    }
    // The part of a page between these two, with the next page's address.
    let section = |page: &str, id: &str| {
        let section = page
            .split(&format!("<section class=\"card\" id=\"{id}\""))
            .nth(1)
            .unwrap();
        let section = section.split("</section>").next().unwrap().to_owned();
        let older = section.split("href=\"").find(|link| link.contains("Older</a>"));
        (
            section.clone(),
            older.map(|link| link.split('"').next().unwrap().to_owned()),
        )
    };
    for (id, whole) in [
        ("entries", &["1.03 EUR", "1.02 EUR", "1.01 EUR", "10.00 EUR"][..]),
        ("holds", &["1.03 EUR", "1.02 EUR", "1.01 EUR"]),
    ] {
        let mut at = Some("/ui/payment/accounts/1001".to_owned());
        for shown in whole.chunks(2) {
            let page = get(&service, &at.expect("there is more")).await;
            let (text, older) = section(&page, id);
            let places: Vec<Option<usize>> = shown.iter().map(|amount| text.find(amount)).collect();
            assert!(
                places.iter().all(Option::is_some) && places.is_sorted(),
                "{id}: {text}"
            );
            at = older;
        }
        assert_eq!(at, None, "{id} end");
    }
    service.stop().await;
}

#[tokio::test]
async fn a_browser_is_shown_a_page_where_a_program_reads_a_problem() {
    let service = Service::start().await;
    let authorization = format!("Bearer {}", service.token("acme"));
    for (path, told) in [
        ("/ui/payment/accounts/424242", "there is no such account"),
        ("/ui/payment/payments/424242", "there is no such payment"),
        ("/ui/payment/accounts/x", "there is no such account"),
        ("/ui/payment/nowhere", "there is no such page"),
    ] {
        let person = [
            ("authorization", authorization.as_str()),
            ("accept", "text/html,*/*;q=0.8"),
        ];
        let page = service.request(Method::GET, path, &person, "").await;
        assert_eq!(
            (page.status, page.header("content-type")),
            (404, Some("text/html; charset=utf-8")),
            "{path}"
        );
        assert!(
            page.text().contains(told) && page.text().contains("href=\"/ui/payment\""),
            "{page:?}"
        );
        let program = service.request(Method::GET, path, &person[..1], "").await;
        assert_eq!(program.problem(), (404, "not_found".to_owned()), "{path}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payment_is_followed_to_its_receipt_and_to_who_was_told() {
    let (_stub, url) = Stub::start().await;
    let till = Till::start(&Folder::fresh(), &url, quick).await;
    till.open_accounts().await;
    let id = till.pay("one", "tok_visa").await;
    till.settled(&id, &["captured"]).await;
    let shown = async || {
        till.get(&format!("/ui/payment/payments/{id}"))
            .await
            .as_str()
            .unwrap()
            .to_owned()
    };
    eventually("the event is in line", async || {
        shown().await.contains("<dt>To</dt>")
    })
    .await;
    let page = shown().await;
    let steps = [
        "reserve",
        "charge",
        "capture",
        "receipt issued",
        "put in line for merchants: captured",
    ];
    let places: Vec<Option<usize>> = steps
        .iter()
        .map(|step| page.find(&format!("\"what\">{step}<")))
        .collect();
    assert!(
        places.iter().all(Option::is_some) && places.is_sorted(),
        "{places:?}: {page}"
    );
    assert!(page.contains("no endpoint"));
    till.post("back", &format!("/v1/payments/{id}/refunds"), &json!({}))
        .await;
    till.settled(&id, &["refunded"]).await;
    eventually("the receipt is voided", async || {
        let page = shown().await;
        page.contains("receipt voided") && page.contains("put in line for merchants: refunded")
    })
    .await;
}

#[tokio::test]
async fn accounts_entries_holds_and_books_are_shown() {
    let service = Service::start().await;
    let form = "key=open-1&kind=asset&currency=EUR&name=Till+%3Cb%3E";
    for again in [false, true] {
        let opened = page(&service, Method::POST, "/ui/payment/accounts", form).await;
        assert_eq!((opened.status, opened.is_replay()), (303, again));
    }
    let home = get(&service, "/ui/payment").await;
    assert_eq!(
        home.matches("Till &lt;b&gt;</a>").count(),
        1,
        "opened once, and escaped"
    );
    service.open_books().await;
    let mut described = transfer(1001, 1002, "100");
    described["description"] = json!("rent of May");
    service.post("/v1/transfers", described).await.expect(201);
    let hold = json!({ "debit_account_id": "1001", "credit_account_id": "1002", "amount": "300", "currency": "EUR" });
    service.post("/v1/holds", hold).await.expect(201);
    let account = get(&service, "/ui/payment/accounts/1001").await;
    for shown in [
        "9.00 EUR",
        "3.00 EUR",
        "6.00 EUR",
        "Entries, newest first",
        "open",
        "<h1>Liability account in EUR</h1>",
        "<code>1001</code>",
        "href=\"/ui/payment/accounts/1002\"",
        "transfer<p class=\"hint\">rent of May</p>",
        "liability, grows by credits",
        "not below zero",
    ] {
        assert!(account.contains(shown), "{shown}: {account}");
    }
    let at = |id: &str| account.find(&format!("id=\"{id}\""));
    assert!(
        at("open-holds").is_some() && at("open-holds") < at("entries"),
        "{account}"
    );
    let quiet = get(&service, "/ui/payment/accounts/1003").await;
    assert!(!quiet.contains("open-holds"), "where nothing is held");
    let books = get(&service, "/ui/payment/books").await;
    assert!(books.contains("balanced") && !books.contains("out of balance"));
    eventually("the books were audited", async || {
        get(&service, "/ui/payment/books")
            .await
            .contains("<span class=\"badge good\">whole</span>")
    })
    .await;
    assert!(books.contains("href=\"/ui/payment/books/reconciliation\""));
    let days = get(&service, "/ui/payment/books/reconciliation").await;
    assert!(days.contains("No day was judged yet") && days.contains("None. Here stands"));
    let nowhere = page(
        &service,
        Method::GET,
        "/ui/payment/books/reconciliation/today",
        "",
    )
    .await;
    assert_eq!(nowhere.status, 404);
    assert!(
        get(&service, "/ui/payment/payments")
            .await
            .contains("No payments yet")
    );
    service.stop().await;
}

#[tokio::test]
async fn without_a_processor_its_page_says_so() {
    let unreachable = "http://127.0.0.1:1".to_owned();
    let setup = Setup::new().change(|settings| settings.processor.url = unreachable);
    let service = setup.start().await;
    assert!(
        get(&service, "/ui/payment/faults")
            .await
            .contains("cannot be reached")
    );
    let set = "decline_next=1&decline_ppm=&delay_ms=&lose_answer_after_charge=&answer_twice=&webhooks=none&settlement_wrong_amount_ppm=";
    let refused = page(&service, Method::POST, "/ui/payment/faults", set).await;
    assert_eq!(refused.status, 502);
    service.stop().await;
}

#[tokio::test]
async fn whoever_is_not_signed_in_is_sent_there_and_nothing_is_shown() {
    let service = Service::start().await;
    for path in [
        "/ui/payment",
        "/ui/payment/books",
        "/ui/payment/webhooks",
        "/ui/payment/payments/7",
    ] {
        let answer = service.request(Method::GET, path, &[], "").await;
        assert_eq!(
            (answer.status, answer.header("location")),
            (303, Some("/ui/login?return_to=/ui/payment")),
            "{path}"
        );
    }
    service.stop().await;
}

#[tokio::test]
async fn a_card_number_in_a_form_is_refused_before_the_question_and_not_shown_again() {
    let service = Service::start().await;
    service.open_books().await;
    let typed =
        "key=card&debit_account_id=1001&credit_account_id=1002&amount=2.50&description=4242+4242+4242+4242";
    for path in ["/ui/payment/transfers/confirm", "/ui/payment/transfers"] {
        let refused = page(&service, Method::POST, path, typed).await;
        assert_eq!(refused.status, 422, "{path}");
        let text = refused.text();
        assert!(
            text.contains("looks like a card number") && !text.contains("4242 4242"),
            "{path}"
        );
        assert!(text.contains("2.50"), "{path}: the rest stays typed");
    }
    for (debit, credit, amount) in [
        ("4242+4242+4242+4242", "1002", "2.50"),
        ("1001", "4242424242424242", "2.50"),
        ("9", "4242-4242-4242-4242", "2.50"),
        ("1001", "1002", "4242424242424242"),
        ("1001", "1002", "4242 4242 4242 4242"),
    ] {
        let typed = format!(
            "key=fields&debit_account_id={debit}&credit_account_id={credit}&amount={amount}&description=rent"
        );
        for path in ["/ui/payment/transfers/confirm", "/ui/payment/transfers"] {
            let refused = page(&service, Method::POST, path, &typed).await;
            assert!((400..500).contains(&refused.status), "{path}: {typed}");
            let text = refused.text();
            assert!(!text.contains("4242") && text.contains("rent"), "{path}: {typed}");
        }
    }
    let typed = "key=account&kind=asset&currency=EUR&name=4242+4242+4242+4242";
    let refused = page(&service, Method::POST, "/ui/payment/accounts", typed).await;
    assert_eq!(refused.status, 422);
    assert!(!refused.text().contains("4242"));
    let typed = "key=hook&url=https%3A%2F%2Fshop.example.com%2F4242424242424242&description=";
    let refused = page(&service, Method::POST, "/ui/payment/webhooks", typed).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text().contains("looks like a card number") && !refused.text().contains("42424242"));
}
