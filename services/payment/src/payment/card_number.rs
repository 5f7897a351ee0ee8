//! Card numbers have no business here: what looks like one is refused, wherever it stands, and repeated nowhere.

mod glyphs;

use glyphs::Glyph;

/// The most digits of a card number.
const DIGITS_MAX: usize = 19;

/// What most cards have at most; Snowflakes have 17 and more.
pub const DIGITS_USUAL_MAX: usize = 16;

/// Whether a text has a card number in it: 13 to 19 digits that begin as the cards of a network do and are as many as those have, whose last is the Luhn
/// check digit. A longer run is no card: ids and amounts are runs of digits too, and about one in ten would pass as one.
///
/// A run is judged whole, but where separators make groups every stretch of groups is, so that a card beside another number is found. Groups are those of
/// cards, not those of dates, invoices or telephones. Digits and separators are those of any script, and what is not seen parts nothing: see [`glyphs`].
pub fn is_in(text: &str) -> bool {
    any_stretch(text, DIGITS_MAX)
}

/// The same of a URL, of which programs make parts: those are judged as an `Idempotency-Key` is. What is percent-encoded is judged as what it stands for.
pub fn is_in_url(url: &str) -> bool {
    // Bytes that make no text are no digits either.
    let decoded = percent_encoding::percent_decode_str(url).decode_utf8_lossy();
    let judged: Vec<&str> = decoded
        .split(['/', '?', '&', '=', '#'])
        .map(|part| if is_made(part) { "made" } else { part })
        .collect();
    any_stretch(&judged.join("/"), DIGITS_USUAL_MAX)
}

/// The same of an `Idempotency-Key`. Keys are made by programs: a UUID, and hexadecimal digits with a letter among them, are names by chance, as is a run
/// longer than nearly all cards are. Whether a key passes must not be luck: a client learns of it from its first request, not from a repeat.
pub fn is_in_key(key: &str) -> bool {
    !is_made(key) && any_stretch(key, DIGITS_USUAL_MAX)
}

/// Whether a text is, as a whole, a name that a program made: a UUID, or hexadecimal digits with a letter among them.
pub fn is_made(text: &str) -> bool {
    is_uuid(text) || is_hexadecimal(text)
}

fn is_uuid(text: &str) -> bool {
    /// Digits of each group.
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut groups = text.split('-');
    let fit = GROUPS.iter().all(|digits| {
        let group = groups.next().unwrap_or_default();
        group.len() == *digits && group.bytes().all(|byte| byte.is_ascii_hexdigit())
    });
    fit && groups.next().is_none()
}

fn is_hexadecimal(text: &str) -> bool {
    text.len() >= DIGITS_USUAL_MAX
        && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        && text.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// Whether some stretch of groups of up to so many digits is a card number.
fn any_stretch(text: &str, digits_max: usize) -> bool {
    let mut run = Run::default();
    // What stands after the last digit, until it is known whether another one follows.
    let mut between = None;
    for glyph in text.chars().filter_map(glyphs::read) {
        match glyph {
            Glyph::Digit(digit) => run.push(between.take(), digit),
            Glyph::Separator(separator) if between.is_none() && !run.groups.is_empty() => {
                between = Some(separator);
            }
            Glyph::Separator(_) | Glyph::Other => {
                if std::mem::take(&mut run).has_card(digits_max) {
                    return true;
                }
                between = None;
            }
        }
    }
    run.has_card(digits_max)
}

/// Groups of digits with a separator between each two.
#[derive(Default)]
struct Run {
    groups: Vec<Vec<u8>>,
    separators: Vec<char>,
}

impl Run {
    fn push(&mut self, between: Option<char>, digit: u8) {
        match (self.groups.last_mut(), between) {
            (Some(group), None) => group.push(digit),
            (_, separator) => {
                self.separators.extend(separator);
                self.groups.push(vec![digit]);
            }
        }
    }

    /// Whether some stretch of neighbouring groups is a card number.
    fn has_card(&self, digits_max: usize) -> bool {
        (0..self.groups.len()).any(|first| {
            let mut digits: Vec<u8> = Vec::new();
            for (last, group) in self.groups.iter().enumerate().skip(first) {
                digits.extend_from_slice(group);
                if digits.len() > digits_max {
                    return false;
                }
                let is_card = is_of_a_network(&digits) && passes_luhn(&digits);
                if is_card && self.belongs_together(first, last) {
                    return true;
                }
            }
            false
        })
    }

    /// Whether groups are as cards have them: four digits and more each but for the last, or one or two. Strokes, commas and slashes stand in names, amounts
    /// and dates too: they join only with their like.
    fn belongs_together(&self, first: usize, last: usize) -> bool {
        let (groups, separators) = (&self.groups[first..=last], &self.separators[first..last]);
        let is_long = groups[..groups.len() - 1].iter().all(|group| group.len() >= 4);
        let is_loose = separators
            .iter()
            .all(|separator| matches!(separator, ' ' | '-' | '.'));
        let is_uniform = separators.iter().all(|separator| *separator == separators[0]);
        (is_long || groups.iter().all(|group| group.len() <= 2)) && (is_loose || is_uniform)
    }
}

/// Whether a network gives numbers that begin so and have so many digits (ISO/IEC 7812, and what the networks publish of theirs).
fn is_of_a_network(digits: &[u8]) -> bool {
    let Some(head) = digits.get(..4) else {
        return false;
    };
    let head = head
        .iter()
        .fold(0_u32, |head, digit| head * 10 + u32::from(*digit));
    let count = digits.len();
    match head {
        // Visa.
        4000..=4999 => matches!(count, 13 | 16 | 19),
        // Mastercard.
        2221..=2720 | 5100..=5599 => count == 16,
        // American Express.
        3400..=3499 | 3700..=3799 => count == 15,
        // Diners Club.
        3000..=3059 | 3600..=3699 | 3800..=3999 => (14..=19).contains(&count),
        // Mir, JCB, Maestro, Discover, UnionPay, RuPay, Troy.
        2200..=2204 | 3528..=3589 | 5000..=5099 | 5600..=5899 | 6000..=6999 | 8100..=8299 | 9792 => {
            (16..=19).contains(&count)
        }
        _ => false,
    }
}

fn passes_luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, digit)| match (place % 2, u32::from(*digit)) {
            (0, digit) => digit,
            (_, digit) if digit > 4 => digit * 2 - 9,
            (_, digit) => digit * 2,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// Whether a JSON document has a card number in a text or a name, or as a number. Values of the names in `ids` that are digits and no more are ids and
/// amounts, which are judged as what they are: one in ten passes Luhn's formula by chance.
pub fn is_in_json(value: &serde_json::Value, ids: &[&str]) -> bool {
    match value {
        serde_json::Value::String(text) => is_in(text),
        serde_json::Value::Number(number) => is_in(&number.to_string()),
        serde_json::Value::Array(values) => values.iter().any(|value| is_in_json(value, ids)),
        serde_json::Value::Object(fields) => fields.iter().any(|(name, value)| {
            is_in(name) || (!(ids.contains(&name.as_str()) && is_number(value)) && is_in_json(value, ids))
        }),
        serde_json::Value::Null | serde_json::Value::Bool(_) => false,
    }
}

fn is_number(value: &serde_json::Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that card networks publish for tests.
    const CARDS: [&str; 6] = [
        "4242424242424242",
        "4000056655665556",
        "5555555555554444",
        "378282246310005",
        "6011111111111117",
        "4222222222222",
    ];

    #[test]
    fn published_test_cards_are_seen_in_every_dress() {
        for card in CARDS {
            let grouped: Vec<String> = card
                .as_bytes()
                .chunks(4)
                .map(|four| String::from_utf8_lossy(four).into_owned())
                .collect();
            for dressed in [
                card.to_owned(),
                grouped.join(" "),
                grouped.join("-"),
                grouped.join("."),
                grouped.join("_"),
                grouped.join("/"),
                grouped.join(","),
                card.chars().map(String::from).collect::<Vec<_>>().join(","),
                grouped.join("\t"),
                grouped.join("\u{a0}"),
                grouped.join("\u{2009}"),
                grouped.join("\u{202f}"),
                grouped.join("\u{3000}"),
                grouped.join("\u{200b}"),
                grouped.join("\u{200d} \u{2060}"),
                grouped.join("\u{ad}"),
                grouped.join("\u{feff}"),
                grouped.join("\u{2013}"),
                in_digits_of(card, '\u{ff10}'),
                in_digits_of(card, '\u{660}'),
                in_digits_of(card, '\u{966}'),
                in_digits_of(card, '\u{1d7ce}'),
                in_digits_of(&grouped.join("\u{a0}"), '\u{ff10}'),
                format!("{}@example.org", grouped.join(".")),
                format!("{}@example.org", grouped.join("_")),
                format!("tok_{}", grouped.join("_")),
                format!("card: {card}!"),
                format!("tok_{card}"),
                format!("2026-11-22 {}", grouped.join(" ")),
                format!("{} 12/29 123", grouped.join("-")),
            ] {
                assert!(is_in(&dressed), "{dressed}");
            }
        }
    }

    #[test]
    fn other_numbers_are_left_alone() {
        for text in [
            "",
            "4242424242424241",
            "42424242424241",
            "0000000000000000",
            "2026-11-22T17:00:00.123Z",
            "42424242424242424242424242",
            "order 1234, shelf 7",
            "1000000000000008",
            // The digits of each of these would be a card's if they stood together.
            "4,242,424,242,424,242",
            "400,005,665,566,555.6",
            "42/42/4242/42424242",
            "4242/42/42 42-42-42-42",
            "4242_4242/4242_4242",
            "4242; 4242; 4242; 4242",
            // Whatever their last digits are.
            "rent 2026-11-01 2026-12-01",
            "Invoice 2026-11-22-12345",
            "pay-20261122-123456",
            "+49 30 901820 4242 42",
            "DE89 3704 0044 0532 0130 00",
            "AT61 1904 3002 3457 3201",
            "FR14 2004 1010 0505 0001 3M02 606",
        ] {
            assert!(!is_in(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_networks_passes_whatever_its_check_digit_is() {
        for last in 0..10 {
            for text in [
                format!("rent 2026-11-01 2026-12-0{last}"),
                format!("Invoice 2026-11-22-1234{last}"),
                format!("pay-20261122-12345{last}"),
                format!("DE89 3704 0044 0532 0130 0{last}"),
                format!("transfer 45479677132800{last}35"),
            ] {
                assert!(!is_in(&text), "{text}");
            }
        }
    }

    /// The same in the decimal digits of another script.
    fn in_digits_of(text: &str, zero: char) -> String {
        text.chars()
            .map(|char| match char.to_digit(10) {
                Some(digit) => char::from_u32(u32::from(zero) + digit).unwrap(),
                None => char,
            })
            .collect()
    }

    #[test]
    fn a_card_in_a_url_is_seen_and_an_id_in_it_is_left_alone() {
        for card in CARDS {
            for url in [
                format!("https://shop.example.com/hooks/{card}"),
                format!("https://shop.example.com/hooks?card={card}&x=1"),
                format!("https://{card}:x@shop.example.com/"),
                format!("https://shop.example.com/{}%20{}", &card[..4], &card[4..]),
                format!("https://shop.example.com/%{:x}{}", card.as_bytes()[0], &card[1..]),
                format!("https://shop.example.com/{}/{}", &card[..8], &card[8..]),
            ] {
                assert!(is_in_url(&url), "{url}");
            }
        }
        for url in [
            "https://shop.example.com/hooks",
            "https://203.0.113.77:8443/2026/11/22",
            "https://shop.example.com/42424242-4242-4242-8aaa-aaaaaaaaaaaa",
            "https://shop.example.com/a424242424242424?id=4242424242424242428",
            "https://shop.example.com/%zz%e2%",
        ] {
            assert!(!is_in_url(url), "{url}");
        }
    }

    #[test]
    fn a_key_that_a_program_made_is_no_card_whatever_its_digits_are() {
        for made in [
            "550e8400-e29b-41d4-a424-242424242424",
            "42424242-4242-4242-8aaa-aaaaaaaaaaaa",
            "a424242424242424",
            "4242424242424242aa11bb22cc33dd44",
            "order-424242424242424242422",
            "pay/1795371234562",
        ] {
            assert!(!is_in_key(made), "{made}");
        }
        assert!(
            is_in("42424242-4242-4242-8aaa-aaaaaaaaaaaa"),
            "in a text it is one"
        );
        for card in CARDS {
            assert!(is_in_key(card), "{card}");
            assert!(is_in_key(&format!("order-{card}")), "{card}");
        }
    }

    #[test]
    fn a_document_is_searched_through_and_through_but_for_its_ids() {
        let ids = ["amount", "account_id"];
        let found = |value: serde_json::Value| is_in_json(&value, &ids);
        assert!(found(serde_json::json!({"a": [{"b": "4242 4242 4242 4242"}]})));
        assert!(found(serde_json::json!({"a": 4_242_424_242_424_242_u64})));
        assert!(found(serde_json::json!({"4242424242424242": true})));
        assert!(found(serde_json::json!({"amount": "4242 4242 4242 4242"})));
        for id in CARDS.into_iter().chain(["4242424242424242428"]) {
            assert!(!found(
                serde_json::json!({"amount": id, "below": {"account_id": id}})
            ));
            assert!(found(serde_json::json!({"below": {"account": id}})));
        }
        assert!(!found(
            serde_json::json!({"name": "Ada", "ok": true, "none": null})
        ));
    }
}
