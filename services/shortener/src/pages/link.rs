//! One link's page: its clicks, its QR code, and forms to change, archive and delete it.

mod view;

use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use identity::{LINKS_READ, LINKS_WRITE};
use problem::Problem;
use serde::Deserialize;
use server::{Path, Query};

use super::charts::Period;
use super::form::LinkForm;
use super::{HOME, SignedIn, refused, see_other};
use crate::error::LinkError;
use crate::http::{App, LinkPatchBody};
use crate::link::Code;
use crate::statistics::{DAY_MS, Range};
use view::{LinkPage, Said, missing};

pub(super) use view::{HOUR_ID, TOTALS_ID, totals};

/// What the page's address says.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ShowQuery {
    period: Option<String>,
    said: Option<String>,
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Path(code): Path<String>,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    who.require(LINKS_READ)?;
    let said = match query.said.as_deref() {
        Some("saved") => Some(Said::Done("saved")),
        Some("archived") => Some(Said::Done("archived: it is kept, and not followed")),
        Some("restored") => Some(Said::Done("restored")),
        _ => None,
    };
    draw(
        &app,
        &who,
        &known(&code)?,
        Period::named(query.period.as_deref()),
        None,
        said,
    )
    .await
}

/// Saves what was changed in the form, and only that; nothing where the link was changed by others since the form was shown.
pub(super) async fn save(
    State(app): State<App>,
    who: SignedIn,
    Path(code): Path<String>,
    Form(form): Form<LinkForm>,
) -> Result<Response, Problem> {
    who.require(LINKS_WRITE)?;
    let code = known(&code)?;
    let shown = LinkForm::of(&app.links.find_link(&who.0.tenant, &code).await?.link);
    let changed = match (form.seen_revision(), form.patch(&shown)) {
        (Ok(seen), Ok(body)) => crate::http::change(&app, &who.0.tenant, &code, seen, body).await,
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    let Err(error) = changed else {
        return Ok(see_other(&format!("{HOME}/{code}?said=saved")));
    };
    let problem = Problem::from(error.clone());
    let (form, said) = match error {
        // The link as it is now, read anew: what was typed may undo what others did.
        LinkError::ChangedSince => {
            let now = LinkForm::of(&app.links.find_link(&who.0.tenant, &code).await?.link);
            let said = form.outdated(&now);
            (now, said)
        }
        error => form.refused(&error, &problem),
    };
    let page = draw(
        &app,
        &who,
        &code,
        Period::named(None),
        Some(form),
        Some(Said::Refused(said)),
    )
    .await;
    refused(problem, page)
}

pub(super) async fn archive(
    State(app): State<App>,
    who: SignedIn,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    put_away(&app, &who, &code, true).await
}

pub(super) async fn restore(
    State(app): State<App>,
    who: SignedIn,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    put_away(&app, &who, &code, false).await
}

async fn put_away(app: &App, who: &SignedIn, code: &str, archived: bool) -> Result<Response, Problem> {
    who.require(LINKS_WRITE)?;
    let code = known(code)?;
    let body = LinkPatchBody {
        archived: Some(archived),
        ..LinkPatchBody::default()
    };
    crate::http::change(app, &who.0.tenant, &code, None, body).await?;
    let said = if archived { "archived" } else { "restored" };
    Ok(see_other(&format!("{HOME}/{code}?said={said}")))
}

pub(super) async fn delete(
    State(app): State<App>,
    who: SignedIn,
    Path(code): Path<String>,
) -> Result<Response, Problem> {
    who.require(LINKS_WRITE)?;
    let code = known(&code)?;
    match crate::http::remove(&app, &who.0.tenant, &code).await {
        // Gone already is what was asked for: a second click is no error.
        Ok(()) | Err(LinkError::NotFound) => Ok(see_other(&format!("{HOME}?deleted={code}"))),
        Err(error) => Err(error.into()),
    }
}

/// The page; with the form as it was sent, or as the link is.
async fn draw(
    app: &App,
    who: &SignedIn,
    code: &Code,
    period: Period,
    form: Option<LinkForm>,
    said: Option<Said>,
) -> Result<Response, Problem> {
    let counted = match app.links.find_link(&who.0.tenant, code).await {
        Err(LinkError::NotFound) => return Ok(missing(who, code).into_response()),
        found => found?,
    };
    let now_ms = app.links.clock.unix_ms();
    let (_, report) = app
        .links
        .link_report(&who.0.tenant, code, range(period, now_ms)?)
        .await?;
    let page = LinkPage {
        app,
        who,
        edited: form.is_some(),
        form: form.unwrap_or_else(|| LinkForm::of(&counted.link)),
        counted: &counted,
        report: &report,
        period,
        now_ms,
        said,
    };
    Ok(page.draw().into_response())
}

/// The period that ends with the window that is under way.
pub(super) fn range(period: Period, now_ms: u64) -> Result<Range, Problem> {
    let window_ms = period.granularity.window_ms();
    let to_ms = now_ms / window_ms * window_ms + window_ms;
    Range::new(to_ms - period.days * DAY_MS, to_ms, period.granularity).map_err(Problem::internal)
}

/// A code that no link can have leads nowhere, like any other that none has.
pub(super) fn known(code: &str) -> Result<Code, LinkError> {
    Code::parse(code).ok_or(LinkError::NotFound)
}
