use super::*;
use crate::store::StoreError;

#[test]
fn a_form_is_read_as_people_fill_it() {
    let form = LinkForm {
        url: "  https://example.com/ ".into(),
        alias: " ".into(),
        expires_at: "2027-01-01T10:30".into(),
        tags: "a, b ,,c".into(),
        max_clicks: " 5 ".into(),
        utm_source: "mail".into(),
        ..LinkForm::empty()
    };
    let (body, idempotent) = form.request().unwrap();
    assert_eq!(body.url, "https://example.com/");
    assert_eq!(
        (body.alias, body.permanent, body.max_clicks),
        (None, false, Some(5))
    );
    assert_eq!(body.expires_at.as_deref(), Some("2027-01-01T10:30:00Z"));
    assert_eq!(body.tags, ["a", "b", "c"]);
    assert_eq!(body.utm.unwrap().source.as_deref(), Some("mail"));
    assert!(body.password.is_none() && idempotent.is_some());
    let form = LinkForm {
        max_clicks: "many".into(),
        ..form
    };
    assert!(matches!(form.request(), Err(LinkError::Invalid(_))));
}

#[test]
fn only_what_somebody_touched_is_changed() {
    let shown = LinkForm {
        url: "https://example.com/".into(),
        title: "Old".into(),
        notes: "one\ntwo".into(),
        expires_at: "2020-01-01T00:00".into(),
        tags: "a, b".into(),
        permanent: None,
        ..LinkForm::default()
    };
    let sent = LinkForm {
        notes: "one\r\ntwo".into(),
        ..shown.clone()
    };
    let nothing = sent.patch(&shown).unwrap();
    assert_eq!(
        serde_json::to_value(&nothing).unwrap(),
        serde_json::to_value(LinkPatchBody::default()).unwrap()
    );
    let sent = LinkForm {
        title: " ".into(),
        tags: "b".into(),
        permanent: Some("yes".into()),
        remove_password: Some("yes".into()),
        ..shown.clone()
    };
    let patch = sent.patch(&shown).unwrap();
    assert_eq!(
        (patch.title, patch.tags, patch.permanent),
        (Some(None), Some(vec!["b".to_owned()]), Some(true))
    );
    assert!(matches!(patch.password, Some(None)) && patch.url.is_none() && patch.expires_at.is_none());
}

#[test]
fn a_moment_comes_back_as_it_was_shown() {
    for (at_ms, shown) in [
        (1_798_761_600_000, "2027-01-01T00:00"),
        (1_798_761_601_000, "2027-01-01T00:00:01"),
        (1_798_761_600_120, "2027-01-01T00:00:00.120"),
    ] {
        assert_eq!(local(at_ms), shown);
        assert_eq!(crate::http::parse_moment(&utc(shown)), Some(at_ms));
    }
}

fn refused(form: LinkForm, error: &LinkError) -> (LinkForm, String) {
    form.refused(error, &Problem::from(error.clone()))
}

#[test]
fn a_form_keeps_its_key_where_the_link_may_be_made_already_or_soon() {
    let retry_after = std::time::Duration::from_secs(1);
    for error in [
        LinkError::Idempotency(IdempotencyError::InFlight { retry_after }),
        LinkError::Store(StoreError::Unknown("disk".into())),
    ] {
        let form = LinkForm::empty();
        let key = form.key.clone();
        assert_eq!(refused(form, &error).0.key, key, "{error}");
    }
}

#[test]
fn a_refused_form_keeps_what_was_typed_but_the_password_and_marks_the_field() {
    let form = LinkForm {
        tags: "x".into(),
        password: "sesame".into(),
        ..LinkForm::empty()
    };
    let key = form.key.clone();
    let (form, said) = refused(form, &LinkError::field("/tags/0", "too long"));
    assert_eq!(
        (form.tags.as_str(), form.error("tags"), form.error("url")),
        ("x", "too long", "")
    );
    assert!(said.contains("marked") && form.password.is_empty());
    assert_ne!(form.key, key);
}

#[test]
fn what_has_no_field_on_the_form_is_said_above_it() {
    let (_, said) = refused(
        LinkForm::empty(),
        &LinkError::field("/elsewhere", "not like this"),
    );
    assert_eq!(said, "not like this");
}
