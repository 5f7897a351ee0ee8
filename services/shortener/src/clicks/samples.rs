//! Events as each version wrote them, read as this one reads. A stream outlives the program that filled it: these files never change.

use serde_json::{Value, json};

use super::{FormerClickEvent, VisitEvent};
use crate::visit::{Browser, Country, Device, Kind, Visitor};

/// Before visits: only how often, in the stream `clicks`.
const CLICKS_V1: &str = include_str!("../../tests/shortener/samples/clicks_v1.json");
/// With who followed, in the stream `visits`.
const VISITS_V2: &str = include_str!("../../tests/shortener/samples/visits_v2.json");

/// The same as a newer version might write it: with a field more in each object, of any type.
fn with_more_fields(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(with_more_fields);
            fields.insert("newer".to_owned(), json!({"than": [2, null]}));
        }
        Value::Array(items) => items.iter_mut().for_each(with_more_fields),
        _ => {}
    }
}

fn newer(sample: &str) -> String {
    let mut value: Value = serde_json::from_str(sample).unwrap();
    with_more_fields(&mut value);
    value.to_string()
}

#[test]
fn clicks_of_the_first_version_are_read_also_with_fields_that_are_not_known() {
    for text in [CLICKS_V1.to_owned(), newer(CLICKS_V1)] {
        let event: FormerClickEvent = serde_json::from_str(&text).unwrap();
        assert_eq!(
            (event.clicks(), event.first_at_ms()),
            (5, Some(1_795_342_830_000))
        );
        let sums = event.sums("id", 0);
        assert_eq!(
            (sums.links[0].count, sums.links[0].last_at_ms),
            (4, 1_795_342_830_005)
        );
        assert_eq!(sums.links[1].tenant.as_str(), "umbrella.example");
        assert_eq!(event.traces.len(), 1);
    }
}

#[test]
fn visits_of_the_second_version_are_read_also_with_fields_that_are_not_known() {
    for text in [VISITS_V2.to_owned(), newer(VISITS_V2)] {
        let event: VisitEvent = serde_json::from_str(&text).unwrap();
        assert_eq!(event.id(), "00f067aa0ba902b7-2-7");
        assert_eq!(event.key(), "lane-2");
        assert_eq!(
            (event.clicks(), event.first_at_ms()),
            (4, Some(1_795_342_830_000))
        );
        let person = Kind {
            country: Country::parse("DE"),
            device: Device::Mobile,
            browser: Browser::Firefox,
            bot: false,
            referrer: Some("news.example".into()),
        };
        let robot = Kind {
            bot: true,
            ..Kind::default()
        };
        assert_eq!(event.kinds, [person, robot]);
        assert_eq!(event.links[0].visits[0], (0, 2, Visitor(u64::MAX), 0));
        assert_eq!(event.links[0].visits[2].2, Visitor::UNKNOWN);
    }
}

#[test]
fn this_version_writes_what_its_sample_says() {
    let event: VisitEvent = serde_json::from_str(VISITS_V2).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), VISITS_V2.trim_end());
}

#[test]
fn what_lacks_a_field_that_is_needed_is_no_event() {
    for field in ["producer", "lane", "seq", "kinds", "links"] {
        let mut value: Value = serde_json::from_str(VISITS_V2).unwrap();
        value.as_object_mut().unwrap().remove(field).unwrap();
        assert!(serde_json::from_value::<VisitEvent>(value).is_err(), "{field}");
    }
}
