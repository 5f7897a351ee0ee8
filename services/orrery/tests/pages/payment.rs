//! Payment's pages in a real browser: accounts opened, money moved after one question, entries seen, books balanced, a webhook tried out.

use serde_json::Value;
use testkit::browser::Browser;

use super::looks::look;
use super::{sign_in, start};

async fn open_account(browser: &Browser, kind: &str, name: &str) {
    let script = "const more = document.querySelector('#open'); if (more && !more.open) more.open = true;";
    browser.script(script).await;
    choose(browser, "kind", kind).await;
    browser.fill("#name", name).await;
    browser.click("#open button[type=submit]").await;
    browser.wait_for(".notice.good").await;
}

/// Picks the option that begins with this text.
async fn choose(browser: &Browser, field: &str, text: &str) {
    let script = format!(
        "const field = document.getElementById('{field}');
         const option = [...(field.list || field).options].find(option => option.text.startsWith('{text}'));
         field.value = option.value; return option.value;"
    );
    assert!(browser.script(&script).await.is_string(), "{text} can be chosen");
}

#[tokio::test]
async fn money_is_moved_after_one_question_and_once_however_often_the_form_is_sent() {
    let Some((platform, browser)) =
        start("money_is_moved_after_one_question_and_once_however_often_the_form_is_sent").await
    else {
        return;
    };
    let home = format!("{}/ui/payment", platform.url());
    browser.goto(&home).await;
    sign_in(&browser, "acme", "ada").await;
    browser.wait_for("#accounts .empty").await;
    look(&browser, "payment-empty").await;
    open_account(&browser, "asset", "Bank").await;
    open_account(&browser, "liability", "Ada").await;
    assert_eq!(browser.count("#accounts tbody tr").await, 2);
    choose(&browser, "debit_account_id", "Bank").await;
    choose(&browser, "credit_account_id", "Ada").await;
    browser.fill("#amount", "7.50").await;
    browser.fill("#description", "A first deposit").await;
    browser.click("#transfer button[type=submit]").await;
    browser.wait_for("#sure").await;
    assert!(browser.text("#sure").await.contains("7.50 EUR"));
    look(&browser, "payment-sure").await;
    let fields = "return Object.fromEntries(new FormData(document.querySelector('#sure form')))";
    let fields = browser.script(fields).await;
    browser.click("#sure button[type=submit]").await;
    browser.wait_for(".notice.good").await;
    assert_eq!(browser.count("#entries tbody tr").await, 1);
    look(&browser, "payment-account").await;
    // The same form once more: the same key.
    browser.goto(&home).await;
    let again = format!(
        "const form = document.createElement('form');
         form.method = 'post';
         form.action = '/ui/payment/transfers';
         for (const [name, value] of Object.entries({fields})) {{
             const field = document.createElement('input');
             field.type = 'hidden';
             field.name = name;
             field.value = value;
             form.append(field);
         }}
         document.body.append(form);
         form.submit();"
    );
    browser.script(&again).await;
    browser.wait_for(".notice.good").await;
    assert_eq!(browser.count("#entries tbody tr").await, 1, "it moved once");
    browser.goto(&home).await;
    assert!(browser.text("#accounts").await.contains("7.50 EUR"));
    look(&browser, "payment").await;
    browser.goto(&format!("{home}/books")).await;
    assert!(browser.text("#trial-balance").await.contains("balanced"));
    look(&browser, "payment-books").await;
    browser.goto(&format!("{home}/payments")).await;
    browser.wait_for("#payments").await;
    look(&browser, "payment-payments").await;
}

#[tokio::test]
async fn the_pages_of_payment_work_by_keyboard_alone() {
    let Some((platform, browser)) = start("the_pages_of_payment_work_by_keyboard_alone").await else {
        return;
    };
    browser.goto(&format!("{}/ui/payment", platform.url())).await;
    sign_in(&browser, "acme", "ada").await;
    browser.wait_for("#accounts").await;
    let unreachable =
        "return [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, summary')]
        .filter(e => e.checkVisibility() && e.tabIndex < 0).map(e => e.outerHTML.slice(0, 80));";
    assert_eq!(browser.script(unreachable).await, Value::Array(Vec::new()));
    let scripts = browser.script("return document.scripts.length").await;
    assert_eq!(scripts, 0, "and without a script");
}

#[tokio::test]
async fn webhooks_are_looked_after_on_a_page() {
    let Some((platform, browser)) = start("webhooks_are_looked_after_on_a_page").await else {
        return;
    };
    let here = format!("{}/ui/payment/webhooks", platform.url());
    browser.goto(&here).await;
    sign_in(&browser, "acme", "ada").await;
    browser.wait_for("#new").await;
    browser.goto(&here).await;
    browser.fill("#url", "https://127.0.0.1/hooks").await;
    browser.click("#new button[type=submit]").await;
    browser.wait_for(".notice.bad").await;
    assert!(browser.text(".notice.bad").await.contains("loopback"));
    // A browser complains of each answer that is a refusal.
    let refusals = browser.complaints().await;
    assert!(refusals.iter().all(|said| said.contains("422")), "{refusals:?}");
    // As long as such addresses are.
    browser
        .fill(
            "#url",
            "https://1.1.1.1/hooks/of-the-shop/orders?token=0123456789abcdef0123456789abcdef0123456789",
        )
        .await;
    browser.fill("#description", "The shop").await;
    browser.click("#new button[type=submit]").await;
    browser.wait_for("#secret").await;
    assert!(browser.text("#secret").await.contains("whsec_"));
    // A way that shows no secret again.
    browser.goto(&here).await;
    assert_eq!(browser.count("#secret").await, 0);
    // Nothing is called: the endpoint is off before anything is in line.
    browser.click("#endpoints form[action$='/switch'] button").await;
    browser.wait_for(".notice.good").await;
    assert!(browser.text("#endpoints tbody").await.contains("disabled"));
    browser.goto(&format!("{here}?all=yes")).await;
    browser.wait_for("#deliveries .empty").await;
    look(&browser, "payment-webhooks").await;
    browser
        .goto(&format!("{}/ui/payment/payments/7", platform.url()))
        .await;
    browser.wait_for(".notice.bad").await;
    assert!(browser.text(".notice.bad").await.contains("no such payment"));
}
