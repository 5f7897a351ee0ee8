//! Separate processes of both versions on the same engines.

use std::path::Path;
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use testkit::http::call;
use testkit::platform::{Options, Platform, PortBlock};

use super::{PATIENCE, change, counted, make, previous, show};
use crate::engines::client::Api;
use crate::engines::fleet::{EngineUrls, env_of_all};
use crate::platform::binary;

/// Both issuers hash API keys with the same.
const SECRET: &str = "5ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4";
/// Clicks at each version.
const CLICKS: u64 = 20;

/// An issuer, a shortener and the gateway before them, of one version.
struct Trio {
    issuer: Platform,
    shortener: Platform,
    gateway: Platform,
}

/// How processes of one version are started.
struct Plan<'a> {
    program: &'a Path,
    base: u16,
    folder: &'a Path,
    env: Vec<(String, String)>,
}

impl<'a> Plan<'a> {
    /// `public` is the first port of whoever is known to the world.
    fn of(program: &'a Path, base: u16, public: u16, engines: &EngineUrls, folder: &'a Path) -> Self {
        let issuer = format!("http://127.0.0.1:{}", base + 12);
        let mut env = env_of_all(engines, public, folder);
        env.extend([
            ("ORRERY_GATEWAY_UPSTREAMS_ISSUER", issuer.clone()),
            (
                "ORRERY_SHORTENER_JWKS_URL",
                format!("{issuer}/.well-known/jwks.json"),
            ),
            ("ORRERY_ISSUER_API_KEY_SECRET", SECRET.to_owned()),
        ]);
        Self {
            program,
            base,
            folder,
            env: env
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect(),
        }
    }

    fn role(&self, name: &str, index: u16) -> Options {
        Options {
            data: Some(self.folder.join(format!("{}-{name}", self.base))),
            port_base: Some(self.base),
            env: self.env.clone(),
            deadline: Duration::from_secs(90),
            ..Options::default()
        }
        .serve(name, index)
    }

    async fn start(&self) -> Trio {
        Trio {
            issuer: Platform::start(self.program, self.role("issuer", 1)).await,
            shortener: Platform::start(self.program, self.role("shortener", 2)).await,
            gateway: Platform::start(self.program, self.role("gateway", 0)).await,
        }
    }
}

impl Trio {
    async fn stop(mut self) {
        for process in [&mut self.gateway, &mut self.shortener, &mut self.issuer] {
            assert!(process.terminate().await.success(), "{}", process.tail());
        }
    }

    /// An API key of a tenant that is made with it: `id` and `secret`.
    async fn api_key(&self, tenant: &str) -> (String, String) {
        let name = format!("The {tenant} company");
        let create = ["key", "create", "--tenant", tenant, "--tenant-name", &name];
        let output = self
            .issuer
            .command(&create)
            .arg("--data")
            .arg(self.issuer.data())
            .output();
        let output = output.await.expect("orrery starts");
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let told = |name: &str| {
            let mut lines = out.lines().filter_map(|line| line.strip_prefix(name));
            lines
                .next()
                .unwrap_or_else(|| panic!("no {name} in {out} {output:?}"))
                .to_owned()
        };
        (told("client_id="), told("client_secret="))
    }

    /// What a client's key is good for at this gateway.
    async fn api(&self, (id, secret): &(String, String)) -> Api {
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
        let answer = call(Method::POST, format!("{}/oauth2/token", self.gateway.url()))
            .header("content-type", "application/x-www-form-urlencoded")
            .bytes(form)
            .send()
            .await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
        let token = answer.json()["access_token"]
            .as_str()
            .expect("a token")
            .to_owned();
        Api::new(&self.gateway.url(), &token)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_versions_serve_side_by_side_and_the_newer_one_counts_the_clicks_of_both() {
    let test = "two_versions_serve_side_by_side_and_the_newer_one_counts_the_clicks_of_both";
    let (Some(program), Some(engines)) = (previous(test), EngineUrls::shared(test)) else {
        return;
    };
    let _turn = crate::turn::shared().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ports = [PortBlock::reserve(), PortBlock::reserve()];
    let bases = [ports[0].base(), ports[1].base()];
    let old_plan = Plan::of(&program, bases[0], bases[0], &engines, folder.path());
    let new_plan = Plan::of(binary(), bases[1], bases[0], &engines, folder.path());
    // The old ones make the schema, the new ones expand it beside them.
    let (old, new) = (old_plan.start().await, new_plan.start().await);

    // A key that either made is good at both, for one tenant each.
    let (of_old, of_new) = (old.api_key("acme").await, new.api_key("globex").await);
    new.api(&of_new).await;
    old.api(&of_new).await;
    let (at_old, at_new) = (old.api(&of_old).await, new.api(&of_old).await);
    let made = make(&at_old, "first").await;
    make(&at_new, "second").await;
    for alias in ["first", "second"] {
        changed_at_either(&at_old, &at_new, alias).await;
        for api in [&at_old, &at_new] {
            for _ in 0..CLICKS {
                assert_eq!(api.follow(alias).await.0, StatusCode::FOUND, "{alias}");
            }
        }
    }
    let details = json!({ "title": "Kept by both", "tags": ["kept"] });
    change(&at_new, "second", &details).await;
    change(
        &at_old,
        "second",
        &json!({ "url": "https://example.com/by-the-older" }),
    )
    .await;
    for alias in ["first", "second"] {
        counted(&at_new, alias, 2 * CLICKS).await;
    }
    old.stop().await;

    for alias in ["first", "second"] {
        counted(&at_new, alias, 2 * CLICKS).await;
    }
    let second = show(&at_new, "second").await;
    assert_eq!(second["title"], details["title"], "{second}");
    assert_eq!(second["url"], "https://example.com/by-the-older", "{second}");
    // What the old one answered is answered again.
    let again = make(&at_new, "first").await;
    for part in ["id", "code", "short_url", "url", "created_at"] {
        assert_eq!(again[part], made[part], "{again}");
    }
    // Keys from before are good, and new ones are made.
    new.api(&of_old).await;
    let later = new.api_key("initech").await;
    make(&new.api(&later).await, "later").await;
    new.stop().await;
}

/// A link changed at one is followed to the same place at both, within the bound of what caches may remember.
async fn changed_at_either(one: &Api, other: &Api, alias: &str) {
    for (round, api) in (1..).zip([one, other, one, other]) {
        let url = format!("https://example.com/{alias}/{round}");
        change(api, alias, &json!({ "url": url })).await;
        for api in [one, other] {
            let (status, shown) = api
                .send(Method::GET, &format!("/v1/links/{alias}"), None, None)
                .await;
            assert_eq!((status, shown["url"].as_str()), (StatusCode::OK, Some(&*url)));
            let led = async {
                while api.head(alias).await.as_deref() != Some(&*url) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            let led = tokio::time::timeout(PATIENCE, led).await;
            assert!(led.is_ok(), "{alias} does not lead to {url}");
        }
    }
}
