//! Names that programs make, and where they stand: one that passes for a card by chance is none.

use crate::{DIGITS_MAX, DIGITS_USUAL_MAX, any_stretch};

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

/// The same of a reference, where a whole part behind a `/` may be an id of 17 to 19 digits: `payment/117093590311632896`.
pub fn is_in_reference(reference: &str) -> bool {
    let is_id = |part: &str| {
        (DIGITS_USUAL_MAX + 1..=DIGITS_MAX).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    let judged: Vec<&str> = reference
        .split('/')
        .enumerate()
        .map(|(place, part)| if place > 0 && is_id(part) { "id" } else { part })
        .collect();
    any_stretch(&judged.join("/"), DIGITS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::is_in;
    use crate::tests::CARDS;

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
    fn an_id_behind_a_word_is_no_card_and_a_card_there_is() {
        let ids: Vec<u64> = (601_190_590_311_632_896..601_190_590_311_632_996).collect();
        let passing = ids.iter().filter(|id| is_in(&id.to_string())).count();
        assert!(passing > 5, "else this shows nothing");
        for id in ids {
            assert!(!is_in_reference(&format!("payment/{id}")));
        }
        for card in CARDS {
            assert!(is_in_reference(card), "{card}");
            assert!(is_in_reference(&format!("payment/{card}")), "{card}");
            assert!(is_in_reference(&format!("payment/card {card}")), "{card}");
            let (head, tail) = card.split_at(4);
            assert!(is_in_reference(&format!("{head}/{tail}")), "{card}");
        }
    }
}
