//! `GET /`: what runs here and how it does, where to go, how to get a token.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{HeaderMap, Request, StatusCode};
use identity::Principal;
use maud::{Markup, html};
use pages::{Column, Html, Page, Place, SignedIn, Tone, badge, card, code_block, hero, link_button, table};
use resilience::Deadline;

use crate::config::Origin;
use crate::gateway::Gateway;
use crate::headers::cookies;
use crate::routes::Upstream;

/// What a role says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Ready,
    NotReady,
    Down,
}

impl Health {
    fn text(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Down => "down",
        }
    }

    fn badge(self) -> Markup {
        let tone = if self == Self::Ready {
            Tone::Good
        } else {
            Tone::Bad
        };
        badge(tone, self.text())
    }
}

/// Draws the start page; roles are asked at once and together, and the page never waits longer than the setting says.
pub(crate) async fn show(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Html {
    let [issuer, shortener, payment, console] = Upstream::ALL;
    let admin = |upstream| gateway.admins.of(upstream);
    let (who, of_issuer, of_shortener, of_payment, of_processor, of_console) = tokio::join!(
        who(&gateway, &headers),
        health(&gateway, admin(issuer)),
        health(&gateway, admin(shortener)),
        health(&gateway, admin(payment)),
        of_processor(&gateway),
        health(&gateway, admin(console))
    );
    let mut rows = vec![
        row(&gateway, issuer, of_issuer),
        row(&gateway, shortener, of_shortener),
        row(&gateway, payment, of_payment),
    ];
    rows.extend(of_processor);
    rows.push(row(&gateway, console, of_console));
    let signed_in = who.as_ref().map(|who| SignedIn {
        tenant: who.tenant.as_str(),
        user: who.user.as_str(),
    });
    let body = body(&gateway, rows, signed_in.is_some());
    pages::page(&Page {
        title: "Start",
        role: "gateway",
        place: Place::Start,
        signed_in,
        body,
    })
}

async fn health(gateway: &Gateway, admin: &Origin) -> Health {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = admin.at("/readyz");
    let deadline = Deadline::after(&*gateway.clock, gateway.probe);
    let asked = deadline.scope(gateway.client.send(request));
    match tokio::time::timeout(gateway.probe, asked).await {
        Ok(Ok(response)) if response.status() == StatusCode::OK => Health::Ready,
        Ok(Ok(_)) => Health::NotReady,
        Ok(Err(_)) | Err(_) => Health::Down,
    }
}

/// A session that has ended, or cannot be checked now, is shown as none.
pub(super) async fn who(gateway: &Gateway, headers: &HeaderMap) -> Option<Principal> {
    let token = cookies::read(headers, &gateway.cookies.session)?;
    tokio::time::timeout(gateway.probe, gateway.verifier.verify(token))
        .await
        .ok()?
        .ok()
}

fn body(gateway: &Gateway, roles: Vec<Vec<Markup>>, signed_in: bool) -> Markup {
    let actions = html! {
        (link_button("/ui/shortener", "Make and list links"))
        " " (link_button("/ui/payment", "Move money"))
        " " (link_button("/ui/console", "Watch it run"))
        " " (link_button("/docs", "Read the API"))
        @if !signed_in { " " (link_button("/ui/login", "Sign in")) }
    };
    html! {
        (hero("Orrery", "A working model of a distributed system that you can run, watch and break.", &actions))
        (card("roles", "What runs here", &running(gateway, roles)))
        (card("token", "Get a token", &html! {
            p { "On the machine and in the folder that the platform was started in; a token is good for 15 minutes." }
            (code_block("Getting a token", &format!("TOKEN=$({})", gateway.token_command)))
        }))
        (card("try", "Three lines to paste", &code_block("Three lines to paste", &curl_lines(&gateway.public.text()))))
    }
}

/// Where a role behind this gateway is, and how it does.
fn row(gateway: &Gateway, upstream: Upstream, health: Health) -> Vec<Markup> {
    vec![
        html! { (upstream.name()) },
        html! { code { (gateway.upstreams.of(upstream).text()) } },
        html! { code { (gateway.admins.of(upstream).text()) } },
        health.badge(),
    ]
}

/// The processor stands behind payment: its API is no address of ours.
async fn of_processor(gateway: &Gateway) -> Option<Vec<Markup>> {
    let admin = gateway.processor_admin.as_ref()?;
    let health = health(gateway, admin).await;
    Some(vec![
        html! { "processor" },
        html! { "behind payment" },
        html! { code { (admin.text()) } },
        health.badge(),
    ])
}

fn running(gateway: &Gateway, roles: Vec<Vec<Markup>>) -> Markup {
    let columns = ["Role", "API", "Admin", "State"].map(|name| Column { name, number: false });
    let own = vec![
        html! { "gateway" },
        html! { code { (gateway.public.text()) } },
        html! { code { "/metrics /livez /readyz" } },
        Health::Ready.badge(),
    ];
    let rows: Vec<_> = std::iter::once(own).chain(roles).collect();
    table("Roles, their addresses and their state", &columns, &rows)
}

fn curl_lines(url: &str) -> String {
    format!(
        "curl -s {url}/v1/links -H \"Authorization: Bearer $TOKEN\" -H 'Content-Type: application/json' -H 'Idempotency-Key: first-light' \
         -d '{{\"url\":\"https://www.rust-lang.org/\",\"alias\":\"rust\"}}'\n\
         curl -si {url}/rust\n\
         curl -s {url}/v1/links/rust -H \"Authorization: Bearer $TOKEN\"\n"
    )
}
