#![doc = include_str!("../README.md")]

mod glyphs;
mod json;
mod made;

use glyphs::Glyph;

pub use json::{is_in_json, pointer_in_json};
pub use made::{is_in_key, is_in_reference, is_in_url, is_made};

/// The most digits of a card number.
const DIGITS_MAX: usize = 19;

/// The most characters that part two groups of one number.
const SEPARATOR_CHARS_MAX: usize = 3;

/// The same where they are blanks and dashes alone: people align what they type, and fill the room with them.
const GAP_CHARS_MAX: usize = 8;

/// What most cards have at most; Snowflakes have 17 and more.
pub const DIGITS_USUAL_MAX: usize = 16;

/// Whether a text has a card number in it: 13 to 19 digits that begin as the cards of a network do and are as many as those have, whose last is the Luhn
/// check digit. A longer run is no card: ids and amounts are runs of digits too, and about one in ten would pass as one.
///
/// A run is judged whole, but where separators make groups every stretch of groups is, so that a card beside another number is found. Groups are those of
/// cards, not those of dates, invoices or telephones. Digits and separators are those of any script, and what is not seen parts nothing: as README says.
pub fn is_in(text: &str) -> bool {
    any_stretch(text, DIGITS_MAX)
}

/// A message that may quote what somebody sent: as it is, or, with a card number in it, what is said instead.
pub fn unsaid(message: String) -> String {
    if is_in(&message) {
        "it is not acceptable, and not repeated here: it looks like a card number".to_owned()
    } else {
        message
    }
}

/// Whether some stretch of groups of up to so many digits is a card number.
fn any_stretch(text: &str, digits_max: usize) -> bool {
    let mut run = Run::default();
    // What stands after the last digit, until it is known whether another one follows.
    let mut between = String::new();
    for glyph in text.chars().filter_map(glyphs::read) {
        match glyph {
            Glyph::Digit(digit) => run.push(std::mem::take(&mut between), digit),
            Glyph::Separator(_) if run.groups.is_empty() => {}
            Glyph::Separator(separator) if may_go_on(&between, separator) => between.push(separator),
            Glyph::Separator(_) | Glyph::Other => {
                if std::mem::take(&mut run).has_card(digits_max) {
                    return true;
                }
                between.clear();
            }
        }
    }
    run.has_card(digits_max)
}

/// Whether this still parts two groups of one number, after what parts them already.
fn may_go_on(between: &str, separator: char) -> bool {
    let is_gap = |char: char| matches!(char, ' ' | '-');
    let most = if is_gap(separator) && between.chars().all(is_gap) {
        GAP_CHARS_MAX
    } else {
        SEPARATOR_CHARS_MAX
    };
    between.chars().count() < most
}

/// Groups of digits with a separator between each two.
#[derive(Default)]
struct Run {
    groups: Vec<Vec<u8>>,
    separators: Vec<String>,
}

impl Run {
    fn push(&mut self, between: String, digit: u8) {
        match self.groups.last_mut() {
            Some(group) if between.is_empty() => group.push(digit),
            last => {
                if last.is_some() {
                    self.separators.push(between);
                }
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

    /// Whether groups are as cards have them: four digits and more each but for the last, or one or two. Spaces, dashes and dots join with one another;
    /// strokes, commas, slashes and the like stand in names, amounts and dates too: they join only with their like. Groups of one or two are a date's as
    /// well, so that between those no more is let pass than a character each, or the same each time.
    fn belongs_together(&self, first: usize, last: usize) -> bool {
        let (groups, separators) = (&self.groups[first..=last], &self.separators[first..last]);
        let are_loose = separators.iter().all(|separator| is_loose(separator));
        if groups[..groups.len() - 1].iter().all(|group| group.len() >= 4) {
            are_loose || are_alike(separators.iter().map(|separator| marks(separator)))
        } else {
            let are_single = separators.iter().all(|separator| separator.chars().count() == 1);
            groups.iter().all(|group| group.len() <= 2)
                && (are_loose && are_single || are_alike(separators.iter()))
        }
    }
}

fn is_loose(separator: &str) -> bool {
    separator.chars().all(|char| matches!(char, ' ' | '-' | '.'))
}

/// A separator without its spaces.
fn marks(separator: &str) -> String {
    separator.chars().filter(|char| *char != ' ').collect()
}

fn are_alike<T: PartialEq>(mut all: impl Iterator<Item = T>) -> bool {
    let first = all.next();
    all.all(|other| Some(other) == first)
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The numbers that card networks publish for tests.
    pub(crate) const CARDS: [&str; 6] = [
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
                grouped.join("  "),
                grouped.join(" - "),
                grouped.join("--"),
                grouped.join("    "),
                grouped.join("        "),
                grouped.join("\t\t \t"),
                grouped.join(" ------ "),
                format!("{}     {}", grouped[..2].join(" - "), grouped[2..].join(" ")),
                card.chars().map(String::from).collect::<Vec<_>>().join("     "),
                grouped.join("|"),
                grouped.join(" | "),
                grouped.join(":"),
                grouped.join("*"),
                grouped.join("+"),
                grouped.join("\u{b7}"),
                grouped.join(", "),
                grouped.join("; "),
                format!("({})", grouped.join(")(")),
                format!("({})", grouped.join(") (")),
                format!("\"{}\"", grouped.join("\",\"")),
                format!("{}  {}", grouped[..2].join(" - "), grouped[2..].join(". ")),
                format!("{}, {}", grouped[..2].join(" ,"), grouped[2..].join(",")),
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
            "4242         4242         4242         4242",
            "4242 ------- 4242 ------- 4242 ------- 4242",
            "4242||||4242||||4242||||4242",
            "4242 |   4242 |   4242 |   4242",
            "4242....4242....4242....4242",
            "4242.00    4242.00    4242.00    4242.00",
            "42    42     42    42     42    42     42    42",
            "424242424242    42-42-42-42-42",
            "2026-11-22    4242    4242    42",
            "4242: 4242; 4242: 4242",
            "42: 42; 42: 42; 42: 42; 42: 42",
            "42.42. 42.42. 42.42. 42.42.",
            "4242 x 4242 x 4242 x 4242",
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

    #[test]
    fn a_message_that_quotes_a_card_number_says_something_else() {
        let other = "unknown variant `assett`, expected one of `asset`, `income`";
        assert_eq!(unsaid(other.to_owned()), other);
        for card in CARDS {
            let said = unsaid(format!("unknown variant `{card}`, expected `asset`"));
            assert!(
                !said.contains(&card[..6]) && said.contains("not repeated"),
                "{said}"
            );
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
}
