//! The sign-in page.

use identity::{
    CONSOLE_READ, LEDGER_READ, LEDGER_WRITE, LINKS_READ, LINKS_WRITE, PAYMENTS_READ, PAYMENTS_WRITE, Tenant,
    User,
};
use pages::{Field, Html, Markup, Page, Place, Tone, card, checkbox, field, html, notice, orrery};

use crate::http::App;
use crate::operations::authorize::{AuthorizeRequest, CLIENT_ID, SCOPES, error_location};
use crate::params::Params;

/// What stands in the form.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) tenant: String,
    pub(crate) user: String,
    pub(crate) ticked: Vec<String>,
    sent: bool,
}

impl Entry {
    /// A form nobody has touched: names to go on with, everything allowed that was asked for.
    pub(crate) fn fresh(request: &AuthorizeRequest) -> Self {
        let ticked = request.scopes.iter().map(str::to_owned).collect();
        Self {
            tenant: "acme".to_owned(),
            user: "ada".to_owned(),
            ticked,
            sent: false,
        }
    }

    /// What somebody sent.
    pub(crate) fn sent(params: &Params) -> Self {
        let value = |name| params.get(name).unwrap_or_default().trim().to_owned();
        let ticked = params.all("grant").map(str::to_owned).collect();
        Self {
            tenant: value("tenant"),
            user: value("user"),
            ticked,
            sent: true,
        }
    }
}

fn scope_label(scope: &str) -> &'static str {
    match scope {
        LINKS_READ => "See my links",
        LINKS_WRITE => "Make, change and delete my links",
        LEDGER_READ => "See my accounts and what is on them",
        LEDGER_WRITE => "Open accounts, and move money between them",
        PAYMENTS_READ => "See my payments",
        PAYMENTS_WRITE => "Pay and refund",
        CONSOLE_READ => "Watch the platform, whoever uses it",
        _ => "",
    }
}

/// Draws the page for `request`.
pub(crate) fn page(app: &App, request: &AuthorizeRequest, entry: &Entry) -> Html {
    let rule = "1 to 64 letters, digits, dots, underscores or hyphens.";
    let tenant_wrong = entry.sent && Tenant::parse(&entry.tenant).is_err();
    let user_wrong = entry.sent && User::parse(&entry.user).is_err();
    let name = |label, name, value, wrong: bool, hint| {
        field(&Field {
            label,
            name,
            value,
            hint,
            error: if wrong { rule } else { "" },
            required: true,
            pattern: "[A-Za-z0-9._\\-]{1,64}",
            length_max: identity::NAME_BYTES_MAX,
            ..Field::default()
        })
    };
    let form = html! {
        form method="post" action="/oauth2/authorize" {
            (hidden(app, request))
            (name("Tenant", "tenant", &entry.tenant, tenant_wrong, "Whose data you will see: any name makes a tenant."))
            (name("Name", "user", &entry.user, user_wrong, "Who you are in it."))
            (scopes(request, entry))
            button.wide type="submit" { "Sign in" }
        }
        a.button.quiet.wide href=(cancel(app, request)) { "Cancel" }
    };
    let body = html! {
        div.narrow {
            (orrery())
            @if tenant_wrong || user_wrong {
                (notice(Tone::Bad, &html! { "The tenant or the name is not valid." }))
            }
            h1 { "Sign in" }
            p.lead { "Orrery's local issuer stands in for a real one: no password, be whoever you like. It answers on this machine only." }
            (card("sign-in", "Who are you?", &form))
        }
    };
    let page = Page {
        title: "Sign in",
        role: crate::ROLE,
        place: Place::SignIn,
        signed_in: None,
        body,
    };
    // The answer is a redirect to the client, which may be on another port: browsers ask the policy for that too.
    let target = url::Url::parse(&request.redirect_uri).map(|url| url.origin().ascii_serialization());
    pages::page(&page).with_form_target(&target.unwrap_or_default())
}

fn scopes(request: &AuthorizeRequest, entry: &Entry) -> Markup {
    let asked: Vec<&str> = SCOPES
        .into_iter()
        .filter(|scope| request.scopes.contains(scope))
        .collect();
    html! {
        @if !asked.is_empty() {
            fieldset {
                legend { "Allow Orrery to" }
                @for scope in asked {
                    (checkbox(scope_label(scope), "grant", scope, entry.ticked.iter().any(|ticked| ticked == scope)))
                }
            }
        }
    }
}

fn hidden(app: &App, request: &AuthorizeRequest) -> Markup {
    let expires_ms = app.clock.unix_ms().saturating_add(app.rules.form_lifetime_ms);
    let form = app.forms.make(request, expires_ms);
    let scope = request.scopes.to_string();
    let state = request.state.as_deref().unwrap_or_default();
    let nonce = request.nonce.as_deref().unwrap_or_default();
    let fields = [
        ("form", form.as_str()),
        ("client_id", CLIENT_ID),
        ("redirect_uri", &request.redirect_uri),
        ("response_type", "code"),
        ("code_challenge", &request.challenge),
        ("code_challenge_method", "S256"),
        ("scope", &scope),
        ("state", state),
        ("nonce", nonce),
    ];
    html! { @for (name, value) in fields { input type="hidden" name=(name) value=(value); } }
}

fn cancel(app: &App, request: &AuthorizeRequest) -> String {
    let state = request.state.as_deref();
    error_location(
        &request.redirect_uri,
        &app.rules,
        state,
        "access_denied",
        "the person chose not to sign in",
    )
}
