//! `/ui/shortener`: links made, found, watched and changed with plain forms. Authenticates as the API does: the gateway turns the
//! session cookie into a bearer token, and lets no foreign page send forms.

mod charts;
mod fields;
mod form;
mod link;
mod live;
mod state;
mod view;
pub(crate) mod visitor;

use axum::Router;
use axum::extract::{Form, FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{LOCATION, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use identity::{LINKS_READ, LINKS_WRITE, Principal};
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Query};
use url::form_urlencoded;

use crate::http::{App, cursor};
use crate::link::Code;
use crate::operations::LinkFilter;
use form::LinkForm;
use view::{ListPage, Notice};

pub(crate) use live::LiveParts;

/// Where people sign in; leads back here.
const SIGN_IN: &str = "/ui/login?return_to=/ui/shortener";
const HOME: &str = "/ui/shortener";

/// All routes of the pages.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route(HOME, get(show).post(create))
        .route("/ui/shortener/{code}", get(link::show).post(link::save))
        .route("/ui/shortener/{code}/archive", post(link::archive))
        .route("/ui/shortener/{code}/restore", post(link::restore))
        .route("/ui/shortener/{code}/delete", post(link::delete))
        .route("/ui/shortener/{code}/live", get(live::parts))
        .merge(::pages::assets_router("shortener"))
        .with_state(app)
}

/// Who looks at the page; whoever has no good token is sent to sign in.
struct SignedIn(Principal);

impl FromRequestParts<App> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        match Authenticated::from_request_parts(parts, app).await {
            Ok(Authenticated(principal)) => Ok(Self(principal)),
            Err(problem) if problem.status() == StatusCode::UNAUTHORIZED => Err(see_other(SIGN_IN)),
            Err(problem) => Err(problem.into_response()),
        }
    }
}

impl SignedIn {
    fn require(&self, scope: &str) -> Result<(), Problem> {
        Authenticated(self.0.clone()).require(scope)
    }

    /// Who it is, as pages show it.
    fn shown(&self) -> ::pages::SignedIn<'_> {
        ::pages::SignedIn {
            tenant: self.0.tenant.as_str(),
            user: self.0.user.as_str(),
        }
    }
}

/// What the list's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ShowQuery {
    cursor: Option<String>,
    made: Option<String>,
    deleted: Option<String>,
    #[serde(flatten)]
    wanted: Wanted,
}

/// Which links are looked for; those that are put away only when they are asked for.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Wanted {
    q: String,
    tag: String,
    archived: Option<String>,
}

impl Wanted {
    fn filter(&self) -> Result<LinkFilter, Problem> {
        let (tag, q) = (Some(self.tag.trim().to_owned()), Some(self.q.clone()));
        Ok(LinkFilter::parse(tag, q, None, Some(self.archived.is_some()))?)
    }

    /// The list of these, from a cursor on.
    fn address(&self, cursor: Option<&str>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        for (name, value) in [("q", &self.q), ("tag", &self.tag)] {
            if !value.trim().is_empty() {
                query.append_pair(name, value);
            }
        }
        if self.archived.is_some() {
            query.append_pair("archived", "yes");
        }
        if let Some(cursor) = cursor {
            query.append_pair("cursor", cursor);
        }
        let query = query.finish();
        if query.is_empty() {
            HOME.to_owned()
        } else {
            format!("{HOME}?{query}")
        }
    }
}

async fn show(
    State(app): State<App>,
    who: SignedIn,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    who.require(LINKS_READ)?;
    let notice = match (&query.made, &query.deleted) {
        (Some(code), _) => Code::parse(code).map(Notice::Made),
        (None, Some(code)) => Code::parse(code).map(Notice::Deleted),
        (None, None) => None,
    };
    list_page(&app, &who, &query, LinkForm::empty(), notice).await
}

async fn create(
    State(app): State<App>,
    who: SignedIn,
    Form(form): Form<LinkForm>,
) -> Result<Response, Problem> {
    who.require(LINKS_WRITE)?;
    let made = match form.request() {
        Ok((body, idempotent)) => {
            let by = crate::operations::Creator {
                principal: who.0.clone(),
                idempotent,
            };
            crate::http::make(&app, by, body).await
        }
        Err(error) => Err(error),
    };
    let error = match made {
        Ok(made) => return Ok(see_other(&format!("{HOME}?made={}", made.get().code))),
        Err(error) => error,
    };
    let problem = Problem::from(error.clone());
    let (form, said) = form.refused(&error, &problem);
    let shown = list_page(
        &app,
        &who,
        &ShowQuery::default(),
        form,
        Some(Notice::Refused(said)),
    )
    .await;
    refused(problem, shown)
}

/// The form in place, with what was typed; the status says that nothing is known to be done.
fn refused(problem: Problem, shown: Result<Response, Problem>) -> Result<Response, Problem> {
    if !problem.status().is_server_error() {
        return Ok((problem.status(), shown?).into_response());
    }
    // What the page is made of may be away with what failed; then there is no page to show the form on.
    let Ok(mut page) = shown else { return Err(problem) };
    tracing::warn!(cause = problem.operator_cause(), "a form could not be worked on");
    *page.status_mut() = problem.status();
    if let Some(after) = problem.retry_after_hint() {
        let seconds = after.as_secs().max(1);
        page.headers_mut().insert(RETRY_AFTER, seconds.into());
    }
    Ok(page)
}

async fn list_page(
    app: &App,
    who: &SignedIn,
    query: &ShowQuery,
    form: LinkForm,
    notice: Option<Notice>,
) -> Result<Response, Problem> {
    let before = query.cursor.as_deref().map(cursor::parse).transpose()?;
    let filter = query.wanted.filter()?;
    let listed = app
        .links
        .search_links(&who.0.tenant, before, None, &filter)
        .await?;
    let next = listed
        .next_before
        .map(|id| query.wanted.address(Some(&cursor::show(id))));
    let page = ListPage {
        app,
        who,
        links: &listed.links,
        now_ms: app.links.clock.unix_ms(),
        first: before.is_none(),
        wanted: &query.wanted,
        next,
        form,
        notice,
    };
    Ok(page.draw().into_response())
}

/// 303: whatever was sent, look there with `GET`.
fn see_other(place: &str) -> Response {
    match HeaderValue::try_from(place) {
        Ok(place) => (StatusCode::SEE_OTHER, [(LOCATION, place)]).into_response(),
        Err(error) => Problem::internal(error).into_response(),
    }
}
