//! The TOML file: its keys are judged one by one, so that a message can name the line.

use serde_json::Value;
use toml::de::{DeTable, DeValue};

use super::{Given, Origin, take, unknown_key};
use crate::catalog::Catalog;
use crate::error::Mistake;
use crate::nearest::nearest;

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
    catalog: &'a Catalog,
    given: &'a mut Given,
    mistakes: &'a mut Vec<Mistake>,
}

pub(super) fn read(
    name: &str,
    text: &str,
    catalog: &Catalog,
    given: &mut Given,
    mistakes: &mut Vec<Mistake>,
) {
    match (toml::from_str::<toml::Table>(text), DeTable::parse(text)) {
        (Ok(values), Ok(places)) => {
            let values = serde_json::to_value(values).unwrap_or(Value::Null);
            Reader {
                name,
                text,
                catalog,
                given,
                mistakes,
            }
            .table(&values, places.get_ref(), "");
        }
        (Err(error), _) | (_, Err(error)) => {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            let detail = error.message().to_owned();
            mistakes.push(Mistake::Syntax {
                file: name.to_owned(),
                line,
                detail,
            });
        }
    }
}

impl Reader<'_> {
    /// `values` has the values and `places` the same keys with where they stand.
    fn table(&mut self, values: &Value, places: &DeTable<'_>, above: &str) {
        for (key, place) in places {
            let name = key.get_ref();
            let Some(value) = values.get(name.as_ref()) else {
                continue;
            };
            let path = if above.is_empty() {
                name.to_string()
            } else {
                format!("{above}.{name}")
            };
            let line = line_of(self.text, key.span().start);
            let origin = Origin::File {
                name: self.name.to_owned(),
                line,
            };
            if let Some(setting) = self.catalog.get(&path) {
                take(
                    setting,
                    setting.kind.accept(value.clone()),
                    value,
                    origin,
                    self.given,
                    self.mistakes,
                );
            } else if let (DeValue::Table(places), true) = (place.get_ref(), self.catalog.is_section(&path)) {
                self.table(value, places, &path);
            } else if self.catalog.is_section(&path) {
                let (expected, found) = ("a table".to_owned(), super::shortened(value));
                self.mistakes.push(Mistake::WrongType {
                    key: path,
                    origin,
                    expected,
                    found,
                });
            } else if value.is_object() {
                let nearest = nearest(&path, self.catalog.sections(), '.').map(str::to_owned);
                self.mistakes.push(Mistake::UnknownKey {
                    key: path,
                    origin,
                    nearest,
                });
            } else {
                self.mistakes.push(unknown_key(&path, origin, self.catalog));
            }
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(at)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}
