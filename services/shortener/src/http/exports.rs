//! `GET /v1/link-exports`: all of a tenant's links, as they are read.

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::stream;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use identity::{LINKS_READ, LINKS_WRITE, Tenant};
use ids::Id;
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Query};

use super::documented::ManagedRefusals;
use super::portable::{PortableLink, csv, ndjson};
use super::{App, PRIVATE};
use crate::error::LinkError;
use crate::link::CountedLink;
use crate::operations::{LinkFilter, ListedLinks};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    format: Option<String>,
    #[serde(default)]
    password_hashes: bool,
    tag: Option<String>,
    q: Option<String>,
    owner: Option<String>,
    archived: Option<bool>,
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Ndjson,
}

/// An export on its way.
struct Export {
    app: App,
    tenant: Tenant,
    filter: LinkFilter,
    format: Format,
    with_hashes: bool,
    next: Next,
}

enum Next {
    /// Read already.
    Page(ListedLinks),
    Before(Id),
    Done,
}

/// Export links
///
/// Everything that was set about each link, newest first; what is made or deleted meanwhile may be in it or not. An import of it makes the
/// same links again. Hashes of passwords are in it only if asked for by who may change links; a link with a password is not imported
/// without.
///
/// It has no limit, and an import takes at most 5,000 rows and 4 MiB, unless the settings say otherwise: import a larger export in parts. One as
/// `ndjson` is cut after any line (`split -l 5000`, and `split -C 4M` for a part of more than 4 MiB); each part of a CSV begins with the
/// header, and a cell may have line breaks.
#[utoipa::path(
    get,
    path = "/v1/link-exports",
    operation_id = "export_links",
    tag = "many links",
    security(("token" = ["links:read"])),
    params(
        ("format" = Option<String>, Query, description = "`csv` (the default), or `ndjson`: a `PortableLink` a line", pattern = "^(csv|ndjson)$", nullable = false),
        ("password_hashes" = Option<bool>, Query, description = "Whether passwords go along, hashed; needs `links:write`", nullable = false),
        ("tag" = Option<String>, Query, description = "Only links with this tag", nullable = false),
        ("q" = Option<String>, Query, description = "Only links with this text in code, URLs, title, notes or tags", max_length = 200, nullable = false),
        ("owner" = Option<String>, Query, description = "Only this user's links", nullable = false),
        ("archived" = Option<bool>, Query, description = "Only links that are, or are not, archived", nullable = false)
    ),
    responses(
        (status = 200, description = "The links; an answer that breaks off is not whole", content((String = "text/csv"), (PortableLink = "application/x-ndjson")), headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn export(
    State(app): State<App>,
    caller: Authenticated,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    caller.require(LINKS_READ)?;
    if query.password_hashes {
        caller.require(LINKS_WRITE)?;
    }
    let (format, media_type, file) = match query.format.as_deref() {
        None | Some("csv") => (Format::Csv, "text/csv; charset=utf-8", "links.csv"),
        Some("ndjson") => (Format::Ndjson, "application/x-ndjson", "links.ndjson"),
        Some(_) => {
            let detail = "must be csv or ndjson".to_owned();
            return Err(LinkError::Parameter {
                name: "format",
                detail,
            }
            .into());
        }
    };
    let filter = LinkFilter::parse(query.tag, query.q, query.owner.as_deref(), query.archived)?;
    let mut export = Export {
        app,
        tenant: caller.0.tenant,
        filter,
        format,
        with_hashes: query.password_hashes,
        next: Next::Done,
    };
    // Read before anything is answered: what fails here is a problem, and later a broken answer.
    export.next = Next::Page(export.read(None).await?);
    let disposition = format!("attachment; filename=\"{file}\"");
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (
            CONTENT_DISPOSITION,
            HeaderValue::try_from(disposition).map_err(Problem::internal)?,
        ),
        PRIVATE,
    ];
    let first = match format {
        Format::Csv => Some(Bytes::from(csv::header())),
        Format::Ndjson => None,
    };
    let parts = stream::try_unfold((first, export), |(first, mut export)| async move {
        match first {
            Some(first) => Ok(Some((first, (None, export)))),
            None => Ok::<_, LinkError>(export.part().await?.map(|part| (part, (None, export)))),
        }
    });
    Ok((headers, Body::from_stream(parts)).into_response())
}

impl Export {
    async fn read(&self, before: Option<Id>) -> Result<ListedLinks, LinkError> {
        let page = self.app.links.limits.bulk.export_page_links.max(1);
        self.app
            .links
            .part_of_links(&self.tenant, before, page, &self.filter)
            .await
    }

    /// The lines of the next page.
    async fn part(&mut self) -> Result<Option<Bytes>, LinkError> {
        let page = match std::mem::replace(&mut self.next, Next::Done) {
            Next::Page(page) => page,
            Next::Before(before) => self.read(Some(before)).await?,
            Next::Done => return Ok(None),
        };
        self.next = page.next_before.map_or(Next::Done, Next::Before);
        let lines: Vec<u8> = page.links.iter().flat_map(|link| self.line(link)).collect();
        Ok(Some(lines.into()))
    }

    fn line(&self, counted: &CountedLink) -> Vec<u8> {
        let code = &counted.link.code;
        let proof = code
            .is_generated_shape()
            .then(|| self.app.links.codes.proof(&self.tenant, code));
        let link = PortableLink::of(counted, self.with_hashes, proof);
        match self.format {
            Format::Csv => csv::line(&link),
            Format::Ndjson => ndjson::line(&link),
        }
    }
}
