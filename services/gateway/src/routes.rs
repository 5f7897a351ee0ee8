//! What the gateway lets through, and to whom. All of it stands in [`ROUTES`]; the rest is a 404 here.

use http::Method;

/// A role behind the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Upstream {
    Issuer,
    Shortener,
    Payment,
    Console,
}

impl Upstream {
    pub(crate) const ALL: [Self; 4] = [Self::Issuer, Self::Shortener, Self::Payment, Self::Console];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Issuer => "issuer",
            Self::Shortener => "shortener",
            Self::Payment => "payment",
            Self::Console => "console",
        }
    }
}

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody; no token is looked at.
    Open,
    /// A token, in the `Authorization` header or in the session cookie.
    Token,
    /// As `Token`; a browser without one is sent to sign in.
    Page,
}

/// Which paths a route covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// This path and everything below it.
    Tree(&'static str),
    /// One segment right below the root: a link's code.
    Code,
}

/// One line of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Route {
    pub(crate) shape: Shape,
    pub(crate) upstream: Upstream,
    pub(crate) access: Access,
    /// Empty: every method but TRACE and CONNECT.
    pub(crate) methods: &'static [Method],
}

/// The table. The longest path wins, whatever the order.
pub(crate) const ROUTES: &[Route] = &[
    tree("/v1/links", Upstream::Shortener, Access::Token),
    tree("/v1/link-batches", Upstream::Shortener, Access::Token),
    tree("/v1/link-exports", Upstream::Shortener, Access::Token),
    tree("/v1/link-imports", Upstream::Shortener, Access::Token),
    tree("/v1/link-transfers", Upstream::Shortener, Access::Token),
    tree("/v1/domain-rules", Upstream::Shortener, Access::Token),
    tree("/v1/stats", Upstream::Shortener, Access::Token),
    tree("/ui/shortener", Upstream::Shortener, Access::Page),
    tree("/ui/shortener/assets", Upstream::Shortener, Access::Open),
    tree("/v1/accounts", Upstream::Payment, Access::Token),
    tree("/v1/transfers", Upstream::Payment, Access::Token),
    tree("/v1/transactions", Upstream::Payment, Access::Token),
    tree("/v1/holds", Upstream::Payment, Access::Token),
    tree("/v1/trial-balance", Upstream::Payment, Access::Token),
    tree("/v1/ledger", Upstream::Payment, Access::Token),
    tree("/v1/payments", Upstream::Payment, Access::Token),
    tree("/v1/payers", Upstream::Payment, Access::Token),
    tree("/v1/webhook-endpoints", Upstream::Payment, Access::Token),
    tree("/v1/webhook-deliveries", Upstream::Payment, Access::Token),
    tree("/v1/reconciliations", Upstream::Payment, Access::Token),
    tree("/v1/reconciliation-breaks", Upstream::Payment, Access::Token),
    tree("/ui/payment", Upstream::Payment, Access::Page),
    tree("/ui/payment/assets", Upstream::Payment, Access::Open),
    tree("/v1/console", Upstream::Console, Access::Token),
    tree("/ui/console", Upstream::Console, Access::Page),
    tree("/ui/console/assets", Upstream::Console, Access::Open),
    tree("/oauth2", Upstream::Issuer, Access::Open),
    tree("/.well-known", Upstream::Issuer, Access::Open),
    tree("/ui/issuer", Upstream::Issuer, Access::Open),
    Route {
        shape: Shape::Code,
        upstream: Upstream::Shortener,
        access: Access::Open,
        // POST is how people send a link's password.
        methods: &[Method::GET, Method::HEAD, Method::POST],
    },
];

/// Single segments that are never codes, whatever the shortener would say: the admin port's paths, and our own.
pub(crate) const NEVER_CODES: &[&str] = &[
    "metrics",
    "livez",
    "readyz",
    "debug",
    "docs",
    "ui",
    "v1",
    "oauth2",
    ".well-known",
];

const fn tree(path: &'static str, upstream: Upstream, access: Access) -> Route {
    Route {
        shape: Shape::Tree(path),
        upstream,
        access,
        methods: &[],
    }
}

impl Route {
    /// The router's patterns for this line; the first is what metrics and traces call it.
    pub(crate) fn patterns(&self) -> Vec<String> {
        match self.shape {
            Shape::Tree(path) => vec![path.to_owned(), format!("{path}/{{*rest}}")],
            Shape::Code => vec!["/{code}".to_owned()],
        }
    }

    /// Whether the line has this method. TRACE would show a page's script its own cookies, CONNECT is for other proxies.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        match self.methods {
            [] => *method != Method::TRACE && *method != Method::CONNECT,
            some => some.contains(method),
        }
    }

    /// The value of `Allow`.
    pub(crate) fn allowed(&self) -> &'static str {
        if self.methods.is_empty() {
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
        } else {
            "GET, HEAD, POST"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    fn printed() -> String {
        let mut text = String::new();
        for route in ROUTES {
            let methods = if route.methods.is_empty() {
                "any"
            } else {
                route.allowed()
            };
            let (patterns, upstream) = (route.patterns().join("  "), route.upstream.name());
            let _ = writeln!(text, "{patterns} -> {upstream}, {:?}, {methods}", route.access);
        }
        text
    }

    /// Read this when it fails: every line is a door in the wall.
    #[test]
    fn the_route_table_is_what_was_agreed() {
        let agreed = "\
/v1/links  /v1/links/{*rest} -> shortener, Token, any
/v1/link-batches  /v1/link-batches/{*rest} -> shortener, Token, any
/v1/link-exports  /v1/link-exports/{*rest} -> shortener, Token, any
/v1/link-imports  /v1/link-imports/{*rest} -> shortener, Token, any
/v1/link-transfers  /v1/link-transfers/{*rest} -> shortener, Token, any
/v1/domain-rules  /v1/domain-rules/{*rest} -> shortener, Token, any
/v1/stats  /v1/stats/{*rest} -> shortener, Token, any
/ui/shortener  /ui/shortener/{*rest} -> shortener, Page, any
/ui/shortener/assets  /ui/shortener/assets/{*rest} -> shortener, Open, any
/v1/accounts  /v1/accounts/{*rest} -> payment, Token, any
/v1/transfers  /v1/transfers/{*rest} -> payment, Token, any
/v1/transactions  /v1/transactions/{*rest} -> payment, Token, any
/v1/holds  /v1/holds/{*rest} -> payment, Token, any
/v1/trial-balance  /v1/trial-balance/{*rest} -> payment, Token, any
/v1/ledger  /v1/ledger/{*rest} -> payment, Token, any
/v1/payments  /v1/payments/{*rest} -> payment, Token, any
/v1/payers  /v1/payers/{*rest} -> payment, Token, any
/v1/webhook-endpoints  /v1/webhook-endpoints/{*rest} -> payment, Token, any
/v1/webhook-deliveries  /v1/webhook-deliveries/{*rest} -> payment, Token, any
/v1/reconciliations  /v1/reconciliations/{*rest} -> payment, Token, any
/v1/reconciliation-breaks  /v1/reconciliation-breaks/{*rest} -> payment, Token, any
/ui/payment  /ui/payment/{*rest} -> payment, Page, any
/ui/payment/assets  /ui/payment/assets/{*rest} -> payment, Open, any
/v1/console  /v1/console/{*rest} -> console, Token, any
/ui/console  /ui/console/{*rest} -> console, Page, any
/ui/console/assets  /ui/console/assets/{*rest} -> console, Open, any
/oauth2  /oauth2/{*rest} -> issuer, Open, any
/.well-known  /.well-known/{*rest} -> issuer, Open, any
/ui/issuer  /ui/issuer/{*rest} -> issuer, Open, any
/{code} -> shortener, Open, GET, HEAD, POST
";
        assert_eq!(printed(), agreed);
    }

    #[test]
    fn spans_and_what_the_processor_says_come_from_inside_alone() {
        let taken = [
            "/v1/traces",
            "/v1/metrics",
            "/v1/logs",
            "/v1",
            "/v1/processor",
            "/v1/processor-webhooks",
        ];
        assert!(
            ROUTES
                .iter()
                .all(|route| taken.iter().all(|path| route.shape != Shape::Tree(path)))
        );
    }

    #[test]
    fn no_route_reaches_an_admin_path() {
        for path in ["metrics", "livez", "readyz"] {
            assert!(NEVER_CODES.contains(&path));
            assert!(ROUTES.iter().all(|route| route.shape != Shape::Tree(path)));
        }
    }
}
