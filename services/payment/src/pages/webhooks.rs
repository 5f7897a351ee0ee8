//! Webhook endpoints, what is delivered to them, and dead letters with a button that replays.

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use identity::{PAYMENTS_READ, PAYMENTS_WRITE};
use ids::Id;
use pages::{
    Column, Field, Input, Markup, Tone, badge, button, card, code_block, empty, field, html, link_button,
    table,
};
use problem::Problem;
use serde::Deserialize;
use server::{Path, Query};

use super::{Said, SignedIn, answered, drawn, form_key, moment, see_other};
use crate::error::Invalid;
use crate::http::{App, cursor, known, marked};
use crate::operations::{CreateEndpoint, HookError, WithSecret};
use crate::store::webhooks::{
    Delivery, DeliveryFilter, DeliveryState, Endpoint, EndpointChange, EndpointState,
};

pub(super) const HERE: &str = "/ui/payment/webhooks";

/// Rows of each list.
const ROWS: u32 = 50;

/// What the page's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShowQuery {
    said: Option<String>,
    cursor: Option<String>,
    all: Option<String>,
}

/// An endpoint to be made, as the form sends it.
#[derive(Debug, Deserialize)]
pub(super) struct EndpointForm {
    key: String,
    url: String,
    description: String,
}

impl Default for EndpointForm {
    fn default() -> Self {
        Self {
            key: form_key(),
            url: String::new(),
            description: String::new(),
        }
    }
}

impl EndpointForm {
    /// As it is shown again: what was refused is another request next time, what is unknown is the same, and what looked like a card number is not
    /// shown.
    fn after(self, problem: &Problem) -> Self {
        if problem.status().is_server_error() {
            return self;
        }
        if problem.code() == Invalid::CardNumber.code() {
            return Self::default();
        }
        Self {
            key: form_key(),
            ..self
        }
    }
}

/// A button's form.
#[derive(Debug, Deserialize)]
pub(super) struct KeyForm {
    key: String,
}

/// On or off, as a button's form sends it.
#[derive(Debug, Deserialize)]
pub(super) struct SwitchForm {
    enabled: bool,
}

/// What is shown above the lists.
#[derive(Default)]
struct Shown {
    said: Option<Said>,
    typed: EndpointForm,
    secret: Option<WithSecret>,
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    let said = match query.said.as_deref() {
        Some("pinged") => Some("a trial delivery is in line"),
        Some("replayed") => Some("it is in line again"),
        Some("switched") => Some("switched"),
        _ => None,
    };
    let shown = Shown {
        said: said.map(|said| Said::Done(said.to_owned())),
        ..Shown::default()
    };
    draw(&app, &who, &query, shown).await
}

pub(super) async fn create(
    State(app): State<App>,
    who: SignedIn,
    Form(form): Form<EndpointForm>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_WRITE)?;
    let new = CreateEndpoint {
        url: form.url.trim().to_owned(),
        kinds: Vec::new(),
        description: form.description.trim().to_owned(),
    };
    let (asked, owned) = (who.asks(&form.key)?, app.clone());
    let made = server::owned(async move { owned.hooks.create(&asked, &new).await }).await;
    match made {
        Ok(made) => Ok(marked(with_secret(&app, &who, made.get().clone()).await?, &made)),
        Err(error) => {
            let problem = Problem::from(error);
            let typed = form.after(&problem);
            refused(&app, &who, problem, typed).await
        }
    }
}

pub(super) async fn rotate(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    Form(form): Form<KeyForm>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_WRITE)?;
    let (asked, id, owned) = (who.asks(&form.key)?, known(&id, "webhook endpoint")?, app.clone());
    let rotated = server::owned(async move { owned.hooks.rotate(&asked, id).await }).await?;
    with_secret(&app, &who, rotated).await
}

/// The one time the secret is shown: the answer itself, for an address could be looked at again.
async fn with_secret(app: &App, who: &SignedIn, made: WithSecret) -> Result<Response, Problem> {
    let shown = Shown {
        said: Some(Said::Done("keep its secret: it is not shown again".to_owned())),
        secret: Some(made),
        ..Shown::default()
    };
    draw(app, who, &ShowQuery::default(), shown).await
}

async fn refused(
    app: &App,
    who: &SignedIn,
    problem: Problem,
    typed: EndpointForm,
) -> Result<Response, Problem> {
    let shown = Shown {
        said: Some(Said::refused(&problem)),
        typed,
        ..Shown::default()
    };
    let page = draw(app, who, &ShowQuery::default(), shown).await?;
    Ok(answered(&problem, page))
}

pub(super) async fn ping(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_WRITE)?;
    let (tenant, id, owned) = (who.0.tenant.clone(), known(&id, "webhook endpoint")?, app.clone());
    let pinged = server::owned(async move { owned.hooks.ping(&tenant, id).await }).await;
    done(&app, &who, pinged, "pinged").await
}

pub(super) async fn switch(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
    Form(form): Form<SwitchForm>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_WRITE)?;
    let (tenant, id, owned) = (who.0.tenant.clone(), known(&id, "webhook endpoint")?, app.clone());
    let change = EndpointChange {
        enabled: Some(form.enabled),
        ..EndpointChange::default()
    };
    let changed = server::owned(async move { owned.hooks.change(&tenant, id, change).await }).await;
    done(&app, &who, changed, "switched").await
}

pub(super) async fn replay(
    State(app): State<App>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_WRITE)?;
    let (tenant, id, owned) = (who.0.tenant.clone(), known(&id, "webhook delivery")?, app.clone());
    let replayed = server::owned(async move { owned.hooks.replay(&tenant, id).await }).await;
    done(&app, &who, replayed, "replayed").await
}

async fn done<T>(
    app: &App,
    who: &SignedIn,
    outcome: Result<T, HookError>,
    said: &str,
) -> Result<Response, Problem> {
    match outcome {
        Ok(_) => Ok(see_other(&format!("{HERE}?said={said}"))),
        Err(error) => refused(app, who, error.into(), EndpointForm::default()).await,
    }
}

async fn draw(app: &App, who: &SignedIn, query: &ShowQuery, shown: Shown) -> Result<Response, Problem> {
    who.require(PAYMENTS_READ)?;
    let tenant = &who.0.tenant;
    let (endpoints, _) = app.hooks.list(tenant, None, app.books.rows(ROWS)).await?;
    let state = query.all.is_none().then_some(DeliveryState::Dead);
    let filter = DeliveryFilter {
        endpoint_id: None,
        state,
    };
    let before = query.cursor.as_deref().map(cursor::parse).transpose()?;
    let (deliveries, next) = app
        .hooks
        .deliveries(tenant, filter, before, app.books.rows(ROWS))
        .await?;
    let body = html! {
        @if let Some(made) = &shown.secret {
            (card("secret", "The secret", &html! {
                p { "Of " (made.endpoint.url) ":" }
                (code_block("Secret", &made.secret.to_text()))
                @if made.endpoint.former.is_some() { p.hint { "The one before it signs too for a while, so that the receiver can be told." } }
            }))
        }
        (card("endpoints", "Endpoints", &endpoint_list(&endpoints)))
        (card("new", "A new endpoint", &new_endpoint(&shown.typed)))
        (card("deliveries", if query.all.is_none() { "Dead letters" } else { "Deliveries" }, &html! {
            (delivery_list(&deliveries, &endpoints, query.all.is_none()))
            div.pager {
                @if query.all.is_none() { (link_button(&format!("{HERE}?all=yes"), "All deliveries")) }
                @else { (link_button(HERE, "Dead letters")) }
                @if let Some(next) = next { (link_button(&older(query, next), "Older")) }
            }
        }))
    };
    Ok(drawn(who, HERE, "Webhooks", shown.said.as_ref(), &body).into_response())
}

fn older(query: &ShowQuery, next: Id) -> String {
    let all = if query.all.is_some() { "&all=yes" } else { "" };
    format!("{HERE}?cursor={}{all}", cursor::show(next))
}

fn new_endpoint(typed: &EndpointForm) -> Markup {
    let text = |label, name, input, value, hint, length_max, required| {
        field(&Field {
            label,
            name,
            input,
            value,
            hint,
            length_max,
            required,
            ..Field::default()
        })
    };
    html! {
        form method="post" action=(HERE) {
            input type="hidden" name="key" value=(typed.key);
            (text("Address", "url", Input::Url, &typed.url, "https, to a public address", 2_048, true))
            (text("Description", "description", Input::Text, &typed.description, "", 200, false))
            (button("Make the endpoint"))
        }
    }
}

fn endpoint_list(endpoints: &[Endpoint]) -> Markup {
    if endpoints.is_empty() {
        return empty("No endpoints yet. The first one is a form away.");
    }
    let column = |name| Column { name, number: false };
    let columns = [column("Endpoint"), column("State"), column("Actions")];
    let rows: Vec<Vec<Markup>> = endpoints.iter().map(endpoint_row).collect();
    table("Webhook endpoints", &columns, &rows)
}

fn endpoint_row(endpoint: &Endpoint) -> Vec<Markup> {
    let enabled = endpoint.state == EndpointState::Enabled;
    // One that is on and takes nothing is not well.
    let (tone, word) = match (endpoint.state, endpoint.failing_since_ms) {
        (EndpointState::Enabled, None) => (Tone::Good, "enabled".to_owned()),
        (EndpointState::Enabled, Some(_)) => (Tone::Bad, "enabled, failing".to_owned()),
        (EndpointState::Disabled, _) => (Tone::Plain, "disabled".to_owned()),
        (EndpointState::Failed, _) => (Tone::Bad, endpoint.state.name().replace('_', " ")),
    };
    let at = format!("{HERE}/{}", endpoint.id);
    let act = |path: &str, name: &str, inside: Markup| {
        html! {
            form method="post" action=(format!("{at}/{path}")) {
                (inside)
                button.quiet type="submit" aria-label=(format!("{name}: {}", endpoint.url)) { (name) }
            }
        }
    };
    let other = if enabled { "Disable" } else { "Enable" };
    vec![
        html! {
            code { (endpoint.url) }
            @if !endpoint.description.is_empty() { p.hint { (endpoint.description) } }
            @if !endpoint.kinds.is_empty() { p.hint { (endpoint.kinds.join(", ")) } }
        },
        html! {
            (badge(tone, &word))
            @if let Some(since_ms) = endpoint.failing_since_ms {
                p.hint { (if enabled { "since " } else { "failing since " }) (moment(since_ms)) }
            }
        },
        html! {
            div.acts {
                @if enabled { (act("ping", "Try it out", html! {})) }
                (act("switch", other, html! { input type="hidden" name="enabled" value=(!enabled); }))
                (act("secret", "New secret", html! { input type="hidden" name="key" value=(form_key()); }))
            }
        },
    ]
}

fn delivery_list(deliveries: &[Delivery], endpoints: &[Endpoint], dead: bool) -> Markup {
    if deliveries.is_empty() {
        return empty(if dead {
            "No dead letters."
        } else {
            "Nothing was delivered yet."
        });
    }
    let column = |name, number| Column { name, number };
    let columns = [
        column("Event", false),
        column("Endpoint", false),
        column("State", false),
        column("Attempts", true),
        column("Action", false),
    ];
    let rows: Vec<Vec<Markup>> = deliveries
        .iter()
        .map(|delivery| delivery_row(delivery, endpoints))
        .collect();
    table("Deliveries, newest first", &columns, &rows)
}

/// What happened, without the code for programs before it.
fn cause(error: &str) -> &str {
    let is_code = |text: &str| text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    match error.split_once(": ") {
        Some((code, said)) if is_code(code) => said,
        _ => error,
    }
}

fn delivery_row(delivery: &Delivery, endpoints: &[Endpoint]) -> Vec<Markup> {
    let tone = match delivery.state {
        DeliveryState::Delivered => Tone::Good,
        DeliveryState::Dead => Tone::Bad,
        DeliveryState::Pending | DeliveryState::Failed => Tone::Plain,
    };
    let to = endpoints
        .iter()
        .find(|endpoint| endpoint.id == delivery.endpoint_id);
    vec![
        html! { (delivery.kind) p.hint { (delivery.event_id) } },
        html! { @if let Some(to) = to { code { (to.url) } } @else { (delivery.endpoint_id) } },
        html! {
            (badge(tone, delivery.state.name()))
            @if let Some(error) = delivery.last_error.as_ref().filter(|_| delivery.state != DeliveryState::Delivered) { p.hint { (cause(error)) } }
            @if delivery.state.is_waiting() { p.hint { "next: " (moment(delivery.next_at_ms)) } }
        },
        html! { (delivery.attempt) },
        html! {
            @if !delivery.state.is_waiting() {
                form method="post" action=(format!("/ui/payment/deliveries/{}/replay", delivery.id)) {
                    button.quiet type="submit" aria-label=(format!("Replay {}", delivery.event_id)) { "Replay" }
                }
            }
        },
    ]
}
