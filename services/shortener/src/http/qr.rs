//! `GET /v1/links/{code}/qr`: a link's short URL as a picture.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use identity::LINKS_READ;
use problem::Problem;
use serde::Deserialize;
use server::{Authenticated, Path, Query};

use super::documented::ManagedRefusals;
use super::{App, PRIVATE};
use crate::error::LinkError;
use crate::link::Code;
use crate::qr::{Drawing, Level, MARGIN_MODULES_MAX, Picture, SIZE_PX};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct QrQuery {
    format: Option<String>,
    size: Option<u32>,
    margin: Option<u32>,
    level: Option<String>,
}

enum Format {
    Svg,
    Png,
}

impl QrQuery {
    fn parse(&self) -> Result<(Format, Drawing), LinkError> {
        let refused = |name, detail: String| Err(LinkError::Parameter { name, detail });
        let format = match self.format.as_deref() {
            None | Some("svg") => Format::Svg,
            Some("png") => Format::Png,
            Some(_) => return refused("format", "must be svg or png".to_owned()),
        };
        let usual = Drawing::default();
        let level = match self.level.as_deref() {
            None => usual.level,
            Some("L") => Level::L,
            Some("M") => Level::M,
            Some("Q") => Level::Q,
            Some("H") => Level::H,
            Some(_) => return refused("level", "must be L, M, Q or H".to_owned()),
        };
        let size_px = self.size.unwrap_or(usual.size_px);
        if !SIZE_PX.contains(&size_px) {
            let (least, most) = (SIZE_PX.start(), SIZE_PX.end());
            return refused("size", format!("must be between {least} and {most}"));
        }
        let margin_modules = self.margin.unwrap_or(usual.margin_modules);
        if margin_modules > MARGIN_MODULES_MAX {
            return refused("margin", format!("must be between 0 and {MARGIN_MODULES_MAX}"));
        }
        let drawing = Drawing {
            size_px,
            margin_modules,
            level,
        };
        Ok((format, drawing))
    }
}

/// A link's QR code
///
/// Holds the link's short URL, so it does not change when the link does.
#[utoipa::path(
    get,
    path = "/v1/links/{code}/qr",
    operation_id = "show_link_qr",
    tag = "links",
    security(("token" = ["links:read"])),
    params(
        ("code" = String, Path, description = "What stands behind the slash", max_length = 64, pattern = "^[A-Za-z0-9_-]{3,64}$"),
        ("format" = Option<String>, Query, description = "`svg` (the default) or `png`", pattern = "^(svg|png)$", nullable = false),
        ("size" = Option<u32>, Query, description = "The picture's side in pixels; 256 unless given", minimum = 64, maximum = 2048, nullable = false),
        ("margin" = Option<u32>, Query, description = "The quiet zone in modules; 4 unless given", minimum = 0, maximum = 20, nullable = false),
        ("level" = Option<String>, Query, description = "How much damage it bears: `L` 7 %, `M` 15 % (the default), `Q` 25 %, `H` 30 %", pattern = "^[LMQH]$", nullable = false)
    ),
    responses(
        (status = 200, description = "The picture", content((Vec<u8> = "image/png"), (String = "image/svg+xml")), headers(
            ("Cache-Control" = String, description = "Always `private, no-store`"))),
        (status = 404, description = "No such link, or another tenant's", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is not acceptable", body = Problem, content_type = "application/problem+json"),
        ManagedRefusals
    )
)]
pub(super) async fn show(
    State(app): State<App>,
    caller: Authenticated,
    Path(code): Path<String>,
    Query(query): Query<QrQuery>,
) -> Result<Response, Problem> {
    caller.require(LINKS_READ)?;
    let (format, drawing) = query.parse()?;
    let code = Code::parse(&code).ok_or(LinkError::NotFound)?;
    let found = app.links.find_link(&caller.0.tenant, &code).await?;
    let picture =
        Picture::of(&app.short_url(&found.link.code), drawing).map_err(|error| LinkError::Parameter {
            name: "size",
            detail: error.to_string(),
        })?;
    let (media_type, body) = match format {
        Format::Svg => ("image/svg+xml", picture.svg().into_bytes()),
        Format::Png => ("image/png", picture.png().map_err(Problem::internal)?),
    };
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        PRIVATE,
        // Opened by itself, an SVG is a document of this origin.
        (
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; sandbox"),
        ),
    ];
    Ok((StatusCode::OK, headers, body).into_response())
}
