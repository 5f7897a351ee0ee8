//! `GET /docs`: every role's API, from the OpenAPI documents that the binary hands in. Drawn here, so it needs nothing from
//! elsewhere and works without a network.

mod document;
mod example;
mod schema;
mod view;

use std::sync::{Arc, OnceLock};

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName};
use pages::{Html, Markup, Page, Place, SignedIn};
use problem::Problem;
use server::Path;

use self::document::OpenApi;
use super::start;
use crate::error::Refusal;
use crate::gateway::Gateway;

/// What a role promises: its OpenAPI document. The binary has them all; the gateway knows no other service.
#[derive(Clone, Debug)]
pub struct Document {
    /// The role.
    pub role: &'static str,
    /// Its OpenAPI 3.1 document.
    pub json: String,
}

/// A document, and what is drawn of it when it is first looked at.
pub(crate) struct Documented {
    role: &'static str,
    json: String,
    drawn: OnceLock<Result<Drawn, String>>,
}

struct Drawn {
    about: view::About,
    body: Markup,
}

impl Documented {
    pub(crate) fn of(document: Document) -> Self {
        let Document { role, json } = document;
        Self {
            role,
            json,
            drawn: OnceLock::new(),
        }
    }

    fn drawn(&self, public_url: &str) -> Result<&Drawn, Problem> {
        let draw = || {
            let api: OpenApi = serde_json::from_str(&self.json).map_err(|error| error.to_string())?;
            Ok(Drawn {
                about: view::About::of(self.role, &api),
                body: view::document(self.role, &api, public_url),
            })
        };
        let drawn = self.drawn.get_or_init(draw);
        drawn
            .as_ref()
            .map_err(|why| Problem::internal(format!("the document of {}: {why}", self.role)))
    }
}

/// `GET /docs`: which APIs there are. One that cannot be read is missed there, and answers for itself.
pub(crate) async fn index(State(gateway): State<Arc<Gateway>>, headers: HeaderMap) -> Html {
    let url = gateway.public.text();
    let all = gateway.documents.iter().map(|document| document.drawn(&url));
    let about: Vec<&view::About> = all.flatten().map(|drawn| &drawn.about).collect();
    page(
        &gateway,
        &headers,
        "API",
        view::index(&about, &gateway.token_command),
    )
    .await
}

/// `GET /docs/{role}`: one API.
pub(crate) async fn show(
    State(gateway): State<Arc<Gateway>>,
    Path(role): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let Some(document) = find(&gateway, &role) else {
        return Ok(Refusal::NotFound.into_response());
    };
    let drawn = document.drawn(&gateway.public.text())?;
    let page = page(&gateway, &headers, &drawn.about.title, drawn.body.clone()).await;
    Ok(page.into_response())
}

/// `GET /docs/{role}/openapi.json`: the document itself, for programs.
pub(crate) async fn json(State(gateway): State<Arc<Gateway>>, Path(role): Path<String>) -> Response {
    const HEADERS: [(HeaderName, &str); 3] = [
        (CONTENT_TYPE, "application/json"),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    match find(&gateway, &role) {
        Some(document) => (HEADERS, document.json.clone()).into_response(),
        None => Refusal::NotFound.into_response(),
    }
}

fn find<'g>(gateway: &'g Gateway, role: &str) -> Option<&'g Documented> {
    gateway.documents.iter().find(|document| document.role == role)
}

async fn page(gateway: &Gateway, headers: &HeaderMap, title: &str, body: Markup) -> Html {
    let who = start::who(gateway, headers).await;
    let signed_in = who.as_ref().map(|who| SignedIn {
        tenant: who.tenant.as_str(),
        user: who.user.as_str(),
    });
    pages::page(&Page {
        title,
        role: "gateway",
        place: Place::Docs,
        signed_in,
        body,
    })
}
