//! Signatures: known ones, forged ones, old ones, and two secrets at once.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

use webhooks::{
    Headers, SIGNATURES_MAX, Secret, SecretError, SignError, TOLERANCE_S, VerifyError, sign, verify,
};

const NOW_S: u64 = 1_614_265_330;
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// Of the above, as the reference libraries' own test has it.
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

fn secret() -> Secret {
    Secret::parse(SECRET).unwrap()
}

fn headers(signature: &str) -> Headers<'_> {
    Headers {
        id: ID,
        timestamp: "1614265330",
        signature,
    }
}

fn judged(signature: &str) -> Result<(), VerifyError> {
    verify(&[secret()], headers(signature), BODY, NOW_S, TOLERANCE_S)
}

#[test]
fn the_known_signatures_come_out() {
    assert_eq!(sign(&[secret()], ID, NOW_S, BODY).unwrap(), SIGNATURE);
    // The second one was made with Python's hmac module from the specification's text.
    let other = Secret::parse("whsec_5WbX5kEWLlfzsGNjH64I8lOOqUB6e8FH").unwrap();
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    assert_eq!(
        sign(&[other], "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553, body).unwrap(),
        "v1,KOyrvExVHg9iTDUsuKOtp7124BgzrikEL0ufapDv7r4="
    );
    judged(SIGNATURE).unwrap();
}

#[test]
fn whatever_is_changed_is_refused() {
    let refused = |headers: Headers<'_>, body: &[u8]| {
        assert_eq!(
            verify(&[secret()], headers, body, NOW_S, TOLERANCE_S),
            Err(VerifyError::NoMatch)
        );
    };
    refused(headers(SIGNATURE), br#"{"test": 2432232315}"#);
    refused(
        Headers {
            id: "msg_other",
            ..headers(SIGNATURE)
        },
        BODY,
    );
    refused(
        Headers {
            timestamp: "1614265331",
            ..headers(SIGNATURE)
        },
        BODY,
    );
    for forged in [
        "",
        "v1,",
        "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OA=",
        // Another version's, and half of the right one.
        "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        "v1,g0hM9SsE+OTPJTGt/tmIKg==",
        "v1,not base64",
    ] {
        assert_eq!(judged(forged), Err(VerifyError::NoMatch), "{forged}");
    }
    assert_eq!(
        verify(&[], headers(SIGNATURE), BODY, NOW_S, TOLERANCE_S),
        Err(VerifyError::NoMatch)
    );
}

#[test]
fn a_timestamp_is_believed_within_the_tolerance_and_in_one_spelling() {
    let at = |now_s| verify(&[secret()], headers(SIGNATURE), BODY, now_s, TOLERANCE_S);
    at(NOW_S + TOLERANCE_S).unwrap();
    at(NOW_S - TOLERANCE_S).unwrap();
    assert_eq!(at(NOW_S + TOLERANCE_S + 1), Err(VerifyError::TooOld));
    assert_eq!(at(NOW_S - TOLERANCE_S - 1), Err(VerifyError::TooNew));
    assert_eq!(at(u64::MAX), Err(VerifyError::TooOld));
    for timestamp in [
        "",
        "x",
        "-1",
        "+1614265330",
        "01614265330",
        "1614265330.0",
        " 1614265330",
    ] {
        let headers = Headers {
            timestamp,
            ..headers(SIGNATURE)
        };
        let judged = verify(&[secret()], headers, BODY, NOW_S, TOLERANCE_S);
        assert_eq!(judged, Err(VerifyError::Timestamp), "{timestamp}");
    }
}

#[test]
fn while_secrets_rotate_either_side_may_know_both() {
    let (old, new, stranger) = (secret(), Secret::generate(), Secret::generate());
    let by_both = sign(&[new.clone(), old.clone()], ID, NOW_S, BODY).unwrap();
    let by_old = sign(std::slice::from_ref(&old), ID, NOW_S, BODY).unwrap();
    let known_to = |secrets: &[Secret], signature: &str| verify(secrets, headers(signature), BODY, NOW_S, 0);
    known_to(std::slice::from_ref(&old), &by_both).unwrap();
    known_to(std::slice::from_ref(&new), &by_both).unwrap();
    known_to(&[new.clone(), old], &by_old).unwrap();
    assert_eq!(known_to(&[new], &by_old), Err(VerifyError::NoMatch));
    assert_eq!(known_to(&[stranger], &by_both), Err(VerifyError::NoMatch));
}

#[test]
fn more_signatures_than_the_limit_are_not_looked_at() {
    let padded = format!("{}{SIGNATURE}", "v1,AAAA ".repeat(SIGNATURES_MAX));
    assert_eq!(judged(&padded), Err(VerifyError::NoMatch));
    judged(&format!("v1a,AAAA v1,AAAA {SIGNATURE}")).unwrap();
}

#[test]
fn an_id_cannot_be_read_in_two_ways() {
    for id in ["", "a.1", "a b", "é", "a\n", &"x".repeat(257)] {
        assert_eq!(sign(&[secret()], id, NOW_S, BODY), Err(SignError::Id), "{id}");
        let headers = Headers {
            id,
            ..headers(SIGNATURE)
        };
        assert_eq!(
            verify(&[secret()], headers, BODY, NOW_S, 0),
            Err(VerifyError::Id),
            "{id}"
        );
    }
    assert_eq!(sign(&[], ID, NOW_S, BODY), Err(SignError::Secrets));
    let many = vec![secret(); SIGNATURES_MAX + 1];
    assert_eq!(sign(&many, ID, NOW_S, BODY), Err(SignError::Secrets));
}

#[test]
fn a_secret_reads_as_it_was_written_and_never_shows() {
    let made = Secret::generate();
    assert_eq!(Secret::parse(&made.to_text()).unwrap(), made);
    assert_eq!(secret().to_text(), SECRET);
    assert_eq!(format!("{:?}", secret()), "Secret(***)");
    assert_eq!(
        Secret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        Err(SecretError::Prefix)
    );
    assert_eq!(Secret::parse("whsec_*"), Err(SecretError::Encoding));
    assert_eq!(Secret::parse("whsec_AAAA"), Err(SecretError::Length { bytes: 3 }));
    let long = format!("whsec_{}", "AAAA".repeat(22));
    assert_eq!(Secret::parse(&long), Err(SecretError::Length { bytes: 66 }));
}
