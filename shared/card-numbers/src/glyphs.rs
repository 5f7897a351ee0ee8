//! What a character is where a card number is looked for: people paste them from pages that space them with more than a space, and whoever wants to pass
//! writes them in another script.

/// What a character is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Glyph {
    /// A decimal digit of any script, 0 to 9.
    Digit(u8),
    /// Neither a letter nor a digit: it may part groups of digits. One stands for all its like.
    Separator(char),
    /// A letter, or a number that is no decimal digit.
    Other,
}

/// The zeros of the decimal digits (Unicode 15, category Nd); one to nine follow each.
const ZEROS: [u32; 66] = [
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6, 0x0d66,
    0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80, 0x1a90, 0x1b50,
    0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0, 0xff10, 0x104a0, 0x10d30,
    0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450, 0x114d0, 0x11650, 0x116c0, 0x11730, 0x118e0,
    0x11950, 0x11c50, 0x11d50, 0x11da0, 0x16a60, 0x16ac0, 0x16b50, 0x1d7ce, 0x1d7d8, 0x1d7e2, 0x1d7ec,
    0x1d7f6, 0x1e140, 0x1e2f0, 0x1e950, 0x1fbf0,
];

/// What a character is, or nothing where it is not seen.
pub(super) fn read(char: char) -> Option<Glyph> {
    if is_unseen(char) {
        return None;
    }
    if let Some(digit) = digit(char) {
        return Some(Glyph::Digit(digit));
    }
    let separator = match narrow(char) {
        '-' | '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        char if char.is_whitespace() => ' ',
        char if char.is_alphanumeric() => return Some(Glyph::Other),
        char => char,
    };
    Some(Glyph::Separator(separator))
}

fn digit(char: char) -> Option<u8> {
    let code = u32::from(char);
    let zero = ZEROS.partition_point(|zero| *zero <= code).checked_sub(1)?;
    u8::try_from(code - ZEROS[zero]).ok().filter(|digit| *digit < 10)
}

/// The full-width forms of ASCII are meant as ASCII.
fn narrow(char: char) -> char {
    match char {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(char) - 0xfee0).unwrap_or(char),
        _ => char,
    }
}

/// Takes no room: joiners, marks of direction, variants of the character before, the key around a digit.
fn is_unseen(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{20e3}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_read_as_what_they_are_meant_for() {
        for (char, glyph) in [
            ('0', Some(Glyph::Digit(0))),
            ('9', Some(Glyph::Digit(9))),
            ('\u{ff19}', Some(Glyph::Digit(9))),
            ('\u{1d7ff}', Some(Glyph::Digit(9))),
            ('\u{1fbf9}', Some(Glyph::Digit(9))),
            ('\u{a0}', Some(Glyph::Separator(' '))),
            ('\u{2028}', Some(Glyph::Separator(' '))),
            ('\u{ff3f}', Some(Glyph::Separator('_'))),
            ('\u{2012}', Some(Glyph::Separator('-'))),
            ('\u{200b}', None),
            ('\u{fe0f}', None),
            ('/', Some(Glyph::Separator('/'))),
            (':', Some(Glyph::Separator(':'))),
            ('\u{ff5c}', Some(Glyph::Separator('|'))),
            ('\u{b7}', Some(Glyph::Separator('\u{b7}'))),
            ('a', Some(Glyph::Other)),
            ('\u{b2}', Some(Glyph::Other)),
        ] {
            assert_eq!(read(char), glyph, "{char:?}");
        }
    }
}
