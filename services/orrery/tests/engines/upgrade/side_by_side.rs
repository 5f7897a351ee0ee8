//! Separate processes of both versions on the same engines.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use http::{Method, StatusCode};
use serde_json::json;
use testkit::http::call;
use testkit::platform::{Options, Platform, PortBlock};

use super::{contract, eventually, found, make, previous, refused, set};
use crate::engines::client::Api;
use crate::engines::fleet::{EngineUrls, env_of_all};
use crate::platform::binary;

/// Both issuers hash API keys with the same.
const SECRET: &str = "5ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4e75ec4";
/// Links that wait to be filled in by the contract.
const OLD_LINKS: u32 = 24;

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
async fn two_versions_serve_side_by_side_and_the_newer_one_through_the_contract() {
    let test = "two_versions_serve_side_by_side_and_the_newer_one_through_the_contract";
    let (Some(program), Some(engines)) = (previous(test), EngineUrls::shared(test)) else {
        return;
    };
    let _turn = crate::TURN.lock().await;
    let folder = tempfile::tempdir().expect("a temporary folder");
    let ports = [PortBlock::reserve(), PortBlock::reserve()];
    let bases = [ports[0].base(), ports[1].base()];
    let old_plan = Plan::of(&program, bases[0], bases[0], &engines, folder.path());
    let new_plan = Plan::of(binary(), bases[1], bases[0], &engines, folder.path());
    // The old ones make the schema, the new ones expand it beside them.
    let (old, new) = (old_plan.start().await, new_plan.start().await);

    // A key that either made is good at both, for one tenant each.
    let (of_old, of_new) = (old.api_key("acme").await, new.api_key("globex").await);
    let at_old = old.api(&of_old).await;
    let at_new = new.api(&of_old).await;
    changed_at_either(&at_old, &at_new, ["first", "second"]).await;
    changed_at_either(
        &new.api(&of_new).await,
        &old.api(&of_new).await,
        ["third", "fourth"],
    )
    .await;
    let made = make(&at_old, "kept", true).await;
    for number in 0..OLD_LINKS {
        make(&at_old, &format!("old-{number}"), number % 2 == 0).await;
    }
    old.stop().await;

    through_the_contract(&at_new, folder.path(), &new_plan.env).await;
    for number in 0..OLD_LINKS {
        found(&at_new, &format!("old-{number}"), number % 2 == 0).await;
    }
    for alias in ["first", "second"] {
        found(&at_new, alias, true).await;
        set(&at_new, alias, false).await;
        found(&at_new, alias, false).await;
    }
    // What the old one answered is answered again.
    assert_eq!(make(&at_new, "kept", true).await, made);
    // Keys and tenants from before are good, and new ones are made.
    new.api(&of_old).await;
    let later = new.api_key("initech").await;
    make(&new.api(&later).await, "later", true).await;

    refused(&program, "issuer", &old_plan.role("issuer", 1)).await;
    refused(&program, "shortener", &old_plan.role("shortener", 2)).await;
    new.stop().await;
}

/// Links of both, each changed at both, are right at both all the time.
async fn changed_at_either(one: &Api, other: &Api, aliases: [&str; 2]) {
    make(one, aliases[0], true).await;
    make(other, aliases[1], true).await;
    for alias in aliases {
        for permanent in [true, false] {
            for api in [one, other] {
                set(api, alias, permanent).await;
                found(one, alias, permanent).await;
                found(other, alias, permanent).await;
            }
        }
        // Left as the one that was not asked last must not believe it.
        set(one, alias, true).await;
        found(other, alias, true).await;
    }
}

/// Requests go on while the schema is contracted, and none fails.
async fn through_the_contract(api: &Api, folder: &Path, env: &[(String, String)]) {
    let (rounds, is_over) = (AtomicU32::new(0), AtomicBool::new(false));
    make(api, "busy", false).await;
    let load = async {
        while !is_over.load(Ordering::Relaxed) {
            let round = rounds.fetch_add(1, Ordering::Relaxed);
            let (busy, permanent) = (json!({ "permanent": round % 2 == 0 }), round % 2 == 0);
            let (status, link) = patient(api, Method::PATCH, "/v1/links/busy", Some(&busy)).await;
            assert_eq!(
                (status, link["permanent"].as_bool()),
                (StatusCode::OK, Some(permanent)),
                "{link}"
            );
            let (status, link) = patient(api, Method::GET, "/v1/links/busy", None).await;
            assert_eq!(
                (status, link["permanent"].as_bool()),
                (StatusCode::OK, Some(permanent)),
                "{link}"
            );
            let body = json!({ "url": "https://example.com/more", "alias": format!("more-{round}") });
            let (status, link) = patient(api, Method::POST, "/v1/links", Some(&body)).await;
            assert_eq!(status, StatusCode::CREATED, "{link}");
            // Nobody has asked for it yet: it comes from the store.
            let status = api.follow(&format!("more-{round}")).await.0;
            assert!(
                matches!(status, StatusCode::FOUND | StatusCode::SERVICE_UNAVAILABLE),
                "{status}"
            );
        }
    };
    let change = async {
        let more = async |than: u32| {
            let wanted = rounds.load(Ordering::Relaxed) + than;
            eventually("requests are answered", async || {
                rounds.load(Ordering::Relaxed) >= wanted
            })
            .await;
        };
        more(3).await;
        contract(&folder.join("contract"), env).await;
        more(5).await;
        is_over.store(true, Ordering::Relaxed);
    };
    tokio::join!(load, change);
}

/// Sends again what was refused for the moment, a few times.
async fn patient(
    api: &Api,
    method: Method,
    path: &str,
    body: Option<&serde_json::Value>,
) -> (StatusCode, serde_json::Value) {
    let mut answer = api.send(method.clone(), path, body, None).await;
    for _ in 0..3 {
        if answer.0 != StatusCode::SERVICE_UNAVAILABLE {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
        answer = api.send(method.clone(), path, body, None).await;
    }
    answer
}
