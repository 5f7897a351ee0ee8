//! The processor's faults, to be switched on where it allows that: on one machine, never with a real processor.

use axum::extract::{Form, State};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use client::{Client, ClientError};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use identity::PAYMENTS_WRITE;
use pages::{Field, Input, Markup, Tone, badge, button, card, field, html};
use problem::Problem;
use serde::{Deserialize, Serialize};
use server::Query;

use super::{Said, SignedIn, drawn, see_other};
use crate::http::{App, operator_only};

pub(super) const HERE: &str = "/ui/payment/faults";

/// The largest answer that is read.
const ANSWER_BYTES_MAX: usize = 16 * 1_024;

/// What is wrong on purpose, as the processor has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Faults {
    decline_ppm: u32,
    decline_next: u32,
    delay_ms: u64,
    lose_answer_after_charge: u32,
    answer_twice: u32,
    webhooks: String,
    settlement_wrong_amount_ppm: u32,
}

/// Why they cannot be seen or set.
#[derive(Debug, Clone, thiserror::Error)]
enum FaultsError {
    #[error("the processor cannot be reached")]
    Away(#[from] ClientError),
    #[error("this processor has no faults to switch on")]
    Off,
    #[error("the processor answered {0}")]
    Refused(u16),
    #[error("the processor's answer cannot be read")]
    Unreadable,
}

/// Where the processor's faults are.
#[derive(Debug, Clone)]
pub(crate) struct ProcessorFaults {
    client: Client,
    uri: Option<Uri>,
    authorization: Option<HeaderValue>,
}

impl ProcessorFaults {
    /// Of the processor at `url`, which knows us by `api_key`.
    pub(crate) fn new(client: Client, url: &str, api_key: &str) -> Self {
        let authorization = HeaderValue::try_from(format!("Bearer {api_key}")).map(|mut value| {
            value.set_sensitive(true);
            value
        });
        Self {
            client,
            uri: format!("{}/v1/processor/faults", url.trim_end_matches('/'))
                .parse()
                .ok(),
            authorization: authorization.ok(),
        }
    }

    async fn ask(&self, method: Method, faults: Option<&Faults>) -> Result<Faults, FaultsError> {
        let body = faults.map(|faults| serde_json::to_vec(faults).expect("numbers are always JSON"));
        let mut request = Request::new(Full::new(Bytes::from(body.unwrap_or_default())));
        *request.method_mut() = method;
        *request.uri_mut() = self.uri.clone().ok_or(ClientError::Address)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        let answer = self.client.send(request).await?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NO_CONTENT => return Ok(Faults::default()),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => return Err(FaultsError::Off),
            status => return Err(FaultsError::Refused(status.as_u16())),
        }
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|_| FaultsError::Unreadable)?.to_bytes();
        serde_json::from_slice(&body).map_err(|_| FaultsError::Unreadable)
    }
}

/// What the page's address says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ShowQuery {
    said: Option<String>,
}

/// The form: empty numbers are none.
#[derive(Debug, Deserialize)]
pub(super) struct FaultsForm {
    decline_ppm: String,
    decline_next: String,
    delay_ms: String,
    lose_answer_after_charge: String,
    answer_twice: String,
    webhooks: String,
    settlement_wrong_amount_ppm: String,
}

impl FaultsForm {
    fn read(&self) -> Option<Faults> {
        let number = |text: &str| match text.trim() {
            "" => Some(0),
            digits => digits.parse().ok(),
        };
        Some(Faults {
            decline_ppm: number(&self.decline_ppm)?,
            decline_next: number(&self.decline_next)?,
            delay_ms: number(&self.delay_ms)?.into(),
            lose_answer_after_charge: number(&self.lose_answer_after_charge)?,
            answer_twice: number(&self.answer_twice)?,
            webhooks: self.webhooks.clone(),
            settlement_wrong_amount_ppm: number(&self.settlement_wrong_amount_ppm)?,
        })
    }
}

pub(super) async fn show(
    State(app): State<App>,
    who: SignedIn,
    Query(query): Query<ShowQuery>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_WRITE)?;
    operator_only(&app, &who.0.tenant)?;
    let said = query
        .said
        .map(|_| Said::Done("the processor behaves so from now on".to_owned()));
    Ok(draw(&app, &who, said).await)
}

pub(super) async fn set(
    State(app): State<App>,
    who: SignedIn,
    Form(form): Form<FaultsForm>,
) -> Result<Response, Problem> {
    who.require(PAYMENTS_WRITE)?;
    operator_only(&app, &who.0.tenant)?;
    let Some(faults) = form.read() else {
        let said = Said::Refused("each field takes a whole number".to_owned());
        return Ok(refused(&app, &who, said, StatusCode::UNPROCESSABLE_ENTITY).await);
    };
    settled(&app, &who, app.faults.ask(Method::PUT, Some(&faults)).await).await
}

pub(super) async fn reset(State(app): State<App>, who: SignedIn) -> Result<Response, Problem> {
    who.require(PAYMENTS_WRITE)?;
    operator_only(&app, &who.0.tenant)?;
    settled(&app, &who, app.faults.ask(Method::DELETE, None).await).await
}

async fn settled(app: &App, who: &SignedIn, done: Result<Faults, FaultsError>) -> Result<Response, Problem> {
    match done {
        Ok(_) => Ok(see_other(&format!("{HERE}?said=set"))),
        Err(error) => Ok(refused(
            app,
            who,
            Said::Refused(error.to_string()),
            StatusCode::BAD_GATEWAY,
        )
        .await),
    }
}

async fn refused(app: &App, who: &SignedIn, said: Said, status: StatusCode) -> Response {
    let mut page = draw(app, who, Some(said)).await;
    *page.status_mut() = status;
    page
}

async fn draw(app: &App, who: &SignedIn, said: Option<Said>) -> Response {
    let body = match app.faults.ask(Method::GET, None).await {
        Ok(faults) => html! {
            (card("faults", "What goes wrong on purpose", &form(&faults)))
            (card("reset", "All well again", &html! {
                form method="post" action=(format!("{HERE}/reset")) { button.quiet type="submit" { "Reset all faults" } }
            }))
        },
        Err(error) => {
            if let FaultsError::Away(cause) = &error {
                tracing::warn!(%cause, "the processor's faults cannot be read");
            }
            card(
                "faults",
                "What goes wrong on purpose",
                &html! { p.empty { (error) "." } },
            )
        }
    };
    drawn(who, HERE, "Processor", said.as_ref(), &body).into_response()
}

fn form(faults: &Faults) -> Markup {
    let number = |label, name, value: String, hint| {
        field(&Field {
            label,
            name,
            input: Input::Text,
            value: &value,
            hint,
            pattern: "[0-9]*",
            required: true,
            length_max: 7,
            ..Field::default()
        })
    };
    let modes = [
        ("none", "as they should be"),
        ("doubled", "each twice"),
        ("out_of_order", "out of order"),
    ];
    html! {
        p { "Now: " @if *faults == (Faults { webhooks: "none".to_owned(), ..Faults::default() }) { (badge(Tone::Good, "well")) } @else { (badge(Tone::Bad, "faulty")) } }
        form method="post" action=(HERE) {
            div.columns {
                (number("Decline the next", "decline_next", faults.decline_next.to_string(), "so many charges"))
                (number("Decline", "decline_ppm", faults.decline_ppm.to_string(), "of a million charges"))
                (number("Delay", "delay_ms", faults.delay_ms.to_string(), "milliseconds before each effect"))
                (number("Lose the answer", "lose_answer_after_charge", faults.lose_answer_after_charge.to_string(), "of the next so many, after the effect"))
                (number("Answer twice", "answer_twice", faults.answer_twice.to_string(), "webhooks of the next so many effects"))
                (number("Wrong amount", "settlement_wrong_amount_ppm", faults.settlement_wrong_amount_ppm.to_string(), "of a million lines of a settlement"))
                div.field {
                    label for="webhooks" { "Webhooks" }
                    select id="webhooks" name="webhooks" {
                        @for (value, name) in modes { option value=(value) selected[faults.webhooks == value] { (name) } }
                    }
                }
            }
            (button("Set the faults"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_field_is_none_and_what_is_no_number_is_refused() {
        let form = |text: &str| FaultsForm {
            decline_ppm: text.to_owned(),
            decline_next: " 3 ".to_owned(),
            delay_ms: String::new(),
            lose_answer_after_charge: String::new(),
            answer_twice: String::new(),
            webhooks: "doubled".to_owned(),
            settlement_wrong_amount_ppm: String::new(),
        };
        let read = form("").read().unwrap();
        assert_eq!(
            (read.decline_ppm, read.decline_next, read.webhooks.as_str()),
            (0, 3, "doubled")
        );
        for wrong in ["-1", "1.5", "many", "99999999999"] {
            assert_eq!(form(wrong).read(), None, "{wrong}");
        }
    }
}
