//! Each test spoils one thing in a token that would pass, so that only that can be the reason of the refusal.

use std::time::Duration;

use identity::{SigningKey, VerifierSettings, VerifyError};

use crate::fixture::{NOW_S, World, ada, b64};

#[tokio::test]
async fn a_good_token_names_tenant_user_and_scopes() {
    let world = World::new();
    let principal = world.verifier.verify(&world.token()).await.unwrap();
    assert_eq!(principal, ada());
    assert!(principal.may(identity::LINKS_WRITE) && !principal.may("admin"));
    // The hand-made form passes too, so the refusals below are not the forge's fault.
    let by_hand = world.forge(&world.good_header(), &world.good_payload());
    assert_eq!(world.verifier.verify(&by_hand).await, Ok(ada()));
}

#[tokio::test]
async fn unsigned_tokens_are_refused() {
    let world = World::new();
    for alg in ["none", "None", "NONE", ""] {
        let header = format!(r#"{{"alg":"{alg}","typ":"JWT","kid":"{}"}}"#, world.key.kid());
        let message = format!("{}.{}", b64(header), b64(world.good_payload()));
        for token in [
            format!("{message}."),
            message.clone(),
            format!("{message}.{}", b64([0; 64])),
        ] {
            assert!(world.verifier.verify(&token).await.is_err(), "{alg:?}");
        }
    }
    let no_alg = world.forge(
        &format!(r#"{{"kid":"{}"}}"#, world.key.kid()),
        &world.good_payload(),
    );
    assert_eq!(world.verifier.verify(&no_alg).await, Err(VerifyError::Malformed));
    assert_eq!(world.issuer.fetches(), 0, "refused before any key is touched");
}

#[tokio::test]
async fn the_public_key_is_no_hmac_secret() {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let world = World::new();
    let x = world.key.public_jwk().x.unwrap();
    let raw = base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &x).unwrap();
    let jwk = serde_json::to_vec(&world.key.public_jwk()).unwrap();
    for secret in [raw.as_slice(), x.as_bytes(), &jwk] {
        let header = format!(r#"{{"alg":"HS256","typ":"JWT","kid":"{}"}}"#, world.key.kid());
        let message = format!("{}.{}", b64(header), b64(world.good_payload()));
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
        mac.update(message.as_bytes());
        let token = format!("{message}.{}", b64(mac.finalize().into_bytes()));
        assert_eq!(
            world.verifier.verify(&token).await,
            Err(VerifyError::WrongAlgorithm)
        );
    }
}

#[tokio::test]
async fn other_algorithms_are_refused_even_over_a_good_signature() {
    let world = World::new();
    for alg in ["RS256", "RS512", "PS256", "ES256", "ES384", "HS256", "HS512"] {
        let token = world.forge(
            &format!(r#"{{"alg":"{alg}","kid":"{}"}}"#, world.key.kid()),
            &world.good_payload(),
        );
        assert_eq!(
            world.verifier.verify(&token).await,
            Err(VerifyError::WrongAlgorithm),
            "{alg}"
        );
    }
    assert_eq!(world.issuer.fetches(), 0, "refused before any key is touched");
}

#[tokio::test]
async fn a_token_must_name_its_key() {
    let world = World::new();
    for header in [
        r#"{"alg":"EdDSA"}"#,
        r#"{"alg":"EdDSA","kid":""}"#,
        r#"{"alg":"EdDSA","kid":null}"#,
    ] {
        let token = world.forge(header, &world.good_payload());
        assert_eq!(
            world.verifier.verify(&token).await,
            Err(VerifyError::MissingKeyId),
            "{header}"
        );
    }
}

#[tokio::test]
async fn a_key_inside_the_token_is_not_believed() {
    let world = World::new();
    let mallory = SigningKey::generate();
    let jwk = serde_json::to_string(&mallory.public_jwk()).unwrap();
    let header = format!(
        r#"{{"alg":"EdDSA","kid":"{}","jwk":{jwk},"jku":"http://127.0.0.1:1/"}}"#,
        world.key.kid()
    );
    let as_mallory = World {
        key: mallory,
        ..World::new()
    };
    let token = as_mallory.forge(&header, &world.good_payload());
    assert_eq!(
        world.verifier.verify(&token).await,
        Err(VerifyError::BadSignature)
    );
}

#[tokio::test]
async fn issuer_and_audience_must_be_ours() {
    let world = World::new();
    for iss in [
        "",
        "http://127.0.0.1:8081",
        "http://127.0.0.1:8080/",
        "https://127.0.0.1:8080",
    ] {
        let mut claims = world.claims();
        claims.iss = iss.into();
        let token = world.key.sign(&claims).unwrap();
        assert_eq!(
            world.verifier.verify(&token).await,
            Err(VerifyError::WrongIssuer),
            "{iss}"
        );
    }
    for aud in ["", "Orrery", "orrery ", "console"] {
        let mut claims = world.claims();
        claims.aud = aud.into();
        let token = world.key.sign(&claims).unwrap();
        assert_eq!(
            world.verifier.verify(&token).await,
            Err(VerifyError::WrongAudience),
            "{aud}"
        );
    }
    let many = |aud: &str| {
        world
            .good_payload()
            .replace(r#""aud":"orrery""#, &format!(r#""aud":{aud}"#))
    };
    let ours = world.forge(&world.good_header(), &many(r#"["console","orrery"]"#));
    assert_eq!(
        world.verifier.verify(&ours).await,
        Ok(ada()),
        "an issuer may name several audiences"
    );
    let others = world.forge(&world.good_header(), &many(r#"["console","x"]"#));
    assert_eq!(
        world.verifier.verify(&others).await,
        Err(VerifyError::WrongAudience)
    );
    let nobody = world.forge(&world.good_header(), &many("[]"));
    assert_eq!(
        world.verifier.verify(&nobody).await,
        Err(VerifyError::WrongAudience)
    );
}

#[tokio::test]
async fn a_token_ends_at_exp_remembered_or_not() {
    let world = World::new();
    let token = world.token();
    world.clock.advance(Duration::from_millis(900_000 + 4_999));
    assert_eq!(
        world.verifier.verify(&token).await,
        Ok(ada()),
        "inside the leeway"
    );
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(
        world.verifier.verify(&token).await,
        Err(VerifyError::Expired),
        "remembered"
    );
    let fresh = World {
        clock: world.clock.clone(),
        ..World::new()
    };
    let settings = VerifierSettings::default();
    let verifier = identity::Verifier::new(settings, world.issuer.clone(), fresh.clock.clone());
    assert_eq!(
        verifier.verify(&token).await,
        Err(VerifyError::Expired),
        "never seen before"
    );
}

#[tokio::test]
async fn tokens_from_the_future_are_refused() {
    let world = World::new();
    let mut claims = world.claims();
    claims.iat = NOW_S + 6;
    let token = world.key.sign(&claims).unwrap();
    assert_eq!(world.verifier.verify(&token).await, Err(VerifyError::NotYetValid));
    claims.iat = NOW_S + 5;
    assert_eq!(
        world.verifier.verify(&world.key.sign(&claims).unwrap()).await,
        Ok(ada()),
        "inside the leeway"
    );
    let nbf = |s: u64| world.good_payload().replacen('{', &format!(r#"{{"nbf":{s},"#), 1);
    let token = world.forge(&world.good_header(), &nbf(NOW_S + 6));
    assert_eq!(world.verifier.verify(&token).await, Err(VerifyError::NotYetValid));
    let token = world.forge(&world.good_header(), &nbf(NOW_S));
    assert_eq!(world.verifier.verify(&token).await, Ok(ada()));
}

#[tokio::test]
async fn no_token_lives_longer_than_fifteen_minutes() {
    let world = World::new();
    let payload = |exp: u64| {
        world
            .good_payload()
            .replace(&format!("\"exp\":{}", NOW_S + 900), &format!("\"exp\":{exp}"))
    };
    for exp in [NOW_S + 901, NOW_S + 86_400, u64::MAX, NOW_S, NOW_S - 1, 0] {
        let token = world.forge(&world.good_header(), &payload(exp));
        assert_eq!(
            world.verifier.verify(&token).await,
            Err(VerifyError::LifetimeTooLong),
            "{exp}"
        );
        let mut claims = world.claims();
        claims.exp = exp;
        assert!(world.key.sign(&claims).is_err(), "and none is signed");
    }
}

#[tokio::test]
async fn a_changed_payload_breaks_the_signature() {
    let world = World::new();
    let token = world.token();
    let parts: Vec<&str> = token.split('.').collect();
    let richer = world.good_payload().replace("acme", "evil");
    let token = format!("{}.{}.{}", parts[0], b64(richer), parts[2]);
    assert_eq!(
        world.verifier.verify(&token).await,
        Err(VerifyError::BadSignature)
    );
    let own = SigningKey::generate();
    let stolen_id = World {
        key: own,
        ..World::new()
    }
    .forge(&world.good_header(), &world.good_payload());
    assert_eq!(
        world.verifier.verify(&stolen_id).await,
        Err(VerifyError::BadSignature)
    );
}

#[tokio::test]
async fn no_single_changed_character_passes() {
    let world = World::with(VerifierSettings {
        unknown_key_interval_ms: 3_600_000,
        ..VerifierSettings::default()
    });
    let token = world.token();
    world.verifier.verify(&token).await.unwrap();
    for at in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        assert!(world.verifier.verify(&changed).await.is_err(), "character {at}");
    }
}

#[tokio::test]
async fn claims_must_be_there_once_and_of_the_right_type() {
    let world = World::new();
    let good = world.good_payload();
    let doubled = |claim: &str| good.replacen('{', &format!("{{{claim},"), 1);
    let mut bad = vec![
        doubled(r#""tenant":"evil""#),
        doubled(r#""sub":"root""#),
        doubled(r#""aud":"orrery""#),
        doubled(r#""exp":9999999999"#),
        doubled(r#""scope":"admin""#),
        good.replace(r#""tenant":"acme""#, r#""tenant":"a b""#),
        good.replace(r#""tenant":"acme""#, r#""tenant":null"#),
        good.replace(r#""sub":"ada""#, r#""sub":"../etc""#),
        good.replace(r#""sub":"ada""#, r#""sub":7"#),
        good.replace(&format!("\"iat\":{NOW_S}"), "\"iat\":-1"),
        good.replace(&format!("\"exp\":{}", NOW_S + 900), "\"exp\":\"soon\""),
        "null".into(),
        "[]".into(),
        "\"text\"".into(),
        String::new(),
        format!("{good}{good}"),
        "[".repeat(2_000),
    ];
    for claim in ["iss", "aud", "sub", "tenant", "iat", "exp"] {
        bad.push(good.replace(&format!("\"{claim}\":"), "\"x-gone\":"));
    }
    for payload in bad {
        let token = world.forge(&world.good_header(), &payload);
        assert_eq!(
            world.verifier.verify(&token).await,
            Err(VerifyError::Malformed),
            "{payload}"
        );
    }
}

#[tokio::test]
async fn header_extensions_that_must_be_understood_are_refused() {
    let world = World::new();
    for extra in [
        r#""crit":["exp"]"#,
        r#""crit":[]"#,
        r#""zip":"DEF""#,
        r#""enc":"A128GCM""#,
        r#""alg":"EdDSA""#,
    ] {
        let header = world.good_header().replacen('{', &format!("{{{extra},"), 1);
        let token = world.forge(&header, &world.good_payload());
        assert_eq!(
            world.verifier.verify(&token).await,
            Err(VerifyError::Malformed),
            "{extra}"
        );
    }
}

#[tokio::test]
async fn garbage_is_refused_without_a_fetch() {
    let world = World::new();
    let token = world.token();
    let spoiled = [
        String::new(),
        ".".into(),
        "..".into(),
        "...".into(),
        "a.b.c".into(),
        "ä.ö.ü".into(),
        "\0\0.\0.\0".into(),
        format!(" {token}"),
        format!("Bearer {token}"),
        token.replace('.', ","),
        "e30.e30.e30".into(),
        format!("{}.e30.e30", b64("{\"alg\":".repeat(300))),
    ];
    for token in spoiled {
        let refused = world.verifier.verify(&token).await.expect_err(&token);
        assert!(!refused.retryable());
    }
    assert_eq!(world.issuer.fetches(), 0);
    for token in [
        format!("{token} "),
        format!("{token}\n"),
        format!("{token}="),
        format!("{token}.x"),
        format!("x.{token}"),
    ] {
        assert!(world.verifier.verify(&token).await.is_err(), "{token:?}");
    }
}

#[tokio::test]
async fn a_huge_token_is_refused_by_its_length_alone() {
    let world = World::new();
    let token = format!("{}.{}", world.token(), "A".repeat(10_000_000));
    assert_eq!(world.verifier.verify(&token).await, Err(VerifyError::TooLong));
    assert_eq!(
        world.verifier.verify(&"A".repeat(4_097)).await,
        Err(VerifyError::TooLong)
    );
    assert_eq!(
        world.verifier.verify(&"A".repeat(4_096)).await,
        Err(VerifyError::Malformed)
    );
}

#[tokio::test]
async fn an_id_token_opens_nothing() {
    let world = World::new();
    let claims = world.claims();
    let id = identity::IdClaims {
        iss: claims.iss,
        aud: "orrery-gateway".into(),
        sub: claims.sub,
        tenant: claims.tenant,
        iat: claims.iat,
        exp: claims.exp,
        nonce: None,
    };
    let token = world.key.sign_id(&id).unwrap();
    assert_eq!(
        world.verifier.verify(&token).await,
        Err(VerifyError::WrongAudience)
    );
}

#[tokio::test]
async fn no_refusal_shows_the_token() {
    let world = World::new();
    let token = world.forge(&world.good_header(), "{\"secret\":\"hunter2\"}");
    let refused = world.verifier.verify(&token).await.unwrap_err();
    let shown = format!("{refused} {refused:?} {:?} {:?}", world.verifier, world.key);
    assert!(!shown.contains("hunter2") && !shown.contains(token.split('.').nth(1).unwrap()));
}
