//! A program with an API key that asks the issuer for tokens: the requests that need PostgreSQL.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use testkit::http::{Answer, call, get};

use crate::engines::fleet::Fleet;

/// Between two requests.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(crate) struct Machine {
    gateways: [String; 2],
    form: String,
}

/// What became of its requests.
#[derive(Default)]
pub(crate) struct Tokens {
    pub(crate) granted: u32,
    pub(crate) refused: u32,
}

impl Machine {
    pub(crate) async fn register(fleet: &Fleet) -> Self {
        let words = ["key", "create", "--tenant", "acme", "--client", "importer"];
        let output = fleet
            .issuer
            .command(&words)
            .arg("--data")
            .arg(fleet.issuer.data())
            .output()
            .await
            .expect("the command runs");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let value = |name: &str| {
            let line = said.lines().find_map(|line| line.strip_prefix(name));
            line.expect("a line for a shell").to_owned()
        };
        let (id, secret) = (value("client_id="), value("client_secret="));
        Self {
            gateways: fleet.gateways.each_ref().map(testkit::platform::Platform::url),
            form: format!("grant_type=client_credentials&client_id={id}&client_secret={secret}"),
        }
    }

    /// By turns at both gateways, until it is over.
    pub(crate) async fn ask_until(self, over: Arc<AtomicBool>) -> Tokens {
        let mut tokens = Tokens::default();
        for turn in 0.. {
            if over.load(Ordering::Relaxed) {
                break;
            }
            let gateway: &str = &self.gateways[turn % 2];
            let answer = self.ask(gateway).await;
            tokens.see(&answer, |answer| answer.json()["access_token"].is_string());
            let keys = get(format!("{gateway}/.well-known/jwks.json")).send().await;
            tokens.see(&keys, |keys| keys.json()["keys"].is_array());
            tokio::time::sleep(PAUSE).await;
        }
        tokens
    }

    /// With everything there again, both gateways give it a token.
    pub(crate) async fn is_served(&self) {
        for gateway in &self.gateways {
            let answer = self.ask(gateway).await;
            assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        }
    }

    async fn ask(&self, gateway: &str) -> Answer {
        call(Method::POST, format!("{gateway}/oauth2/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .bytes(self.form.clone())
            .send()
            .await
    }
}

impl Tokens {
    fn see(&mut self, answer: &Answer, is_right: impl Fn(&Answer) -> bool) {
        if answer.status == StatusCode::OK {
            assert!(is_right(answer), "{}", answer.text());
            self.granted += 1;
            return;
        }
        let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT];
        let says_when =
            answer.status == StatusCode::GATEWAY_TIMEOUT || !answer.header("retry-after").is_empty();
        assert!(
            busy.contains(&answer.status)
                && answer.header("content-type") == problem::MEDIA_TYPE
                && says_when,
            "not an honest problem: {} {:?} {}",
            answer.status,
            answer.headers,
            answer.text()
        );
        self.refused += 1;
    }
}

impl fmt::Display for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} answers of the issuer, {} refusals",
            self.granted, self.refused
        )
    }
}
