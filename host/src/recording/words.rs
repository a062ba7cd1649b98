//! Texts as words, whatever they are spelled in: as they are, percent-encoded, or escaped as in JSON. What may not enter:
//! which words matter.

/// A stretch of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// Letters and digits, as written and as meant.
    Word {
        /// As it stands in the text.
        written: &'a str,
        /// Decoded.
        word: String,
    },
    /// Anything else.
    Between(&'a str),
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

/// The character that begins a text and how many bytes it is written in.
fn first(text: &str) -> Option<(char, usize)> {
    let plain = text.chars().next()?;
    match plain {
        '%' => percent(text).or(Some((plain, 1))),
        '\\' => Some(escaped(text)),
        _ => Some((plain, plain.len_utf8())),
    }
}

/// A percent-encoded character: its bytes make one in UTF-8.
fn percent(text: &str) -> Option<(char, usize)> {
    let mut bytes = Vec::new();
    for at in (0..12).step_by(3) {
        let code = text.get(at..at + 3)?.strip_prefix('%')?;
        bytes.push(u8::try_from(hex(code)?).ok()?);
        if let Ok(decoded) = std::str::from_utf8(&bytes) {
            return Some((decoded.chars().next()?, at + 3));
        }
    }
    None
}

/// An escape of JSON. Two characters at least, so that the `n` of `\n` begins no word.
fn escaped(text: &str) -> (char, usize) {
    let unit = |at: usize| {
        let code = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::try_from(hex(code)?).ok()
    };
    let Some(high) = unit(0) else {
        let second = text.chars().nth(1).map_or(0, char::len_utf8);
        return ('\\', 1 + second);
    };
    let mut units = vec![high];
    if (0xD800..0xDC00).contains(&high) {
        units.extend(unit(6));
    }
    match char::decode_utf16(units.iter().copied()).next() {
        Some(Ok(character)) => (character, 6 * units.len()),
        _ => (char::REPLACEMENT_CHARACTER, 6),
    }
}

fn is_of_word(character: char) -> bool {
    character.is_alphanumeric()
}

/// The text in pieces; what is written of them, one after the other, is the text.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let (mut begin, mut at) = (0, 0);
    let mut word: Option<String> = None;
    let close = |pieces: &mut Vec<_>, begin: usize, end: usize, word: &mut Option<String>| {
        let written = text.get(begin..end).unwrap_or_default();
        if !written.is_empty() {
            pieces.push(match word.take() {
                Some(word) => Piece::Word { written, word },
                None => Piece::Between(written),
            });
        }
    };
    while let Some((character, length)) = text.get(at..).and_then(first) {
        if is_of_word(character) != word.is_some() {
            close(&mut pieces, begin, at, &mut word);
            begin = at;
            word = is_of_word(character).then(String::new);
        }
        if let Some(word) = &mut word {
            word.push(character);
        }
        at += length;
    }
    close(&mut pieces, begin, text.len(), &mut word);
    pieces
}

/// The words of a text, in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    pieces(text)
        .into_iter()
        .filter_map(|piece| match piece {
            Piece::Word { word, .. } => Some(word.to_lowercase()),
            Piece::Between(_) => None,
        })
        .collect()
}

/// Which pieces stand before the `@` of what looks like an address.
pub(super) fn in_local_part(pieces: &[Piece<'_>]) -> Vec<bool> {
    let mut found = vec![false; pieces.len()];
    for (at, pair) in pieces.windows(2).enumerate() {
        let [Piece::Between("@" | "%40"), Piece::Word { .. }] = pair else {
            continue;
        };
        let joined = |piece: &Piece<'_>| match piece {
            Piece::Word { .. } => true,
            Piece::Between(written) => decoded(written)
                .chars()
                .all(|character| ".-_+'".contains(character)),
        };
        let before = pieces.iter().zip(found.iter_mut()).take(at).rev();
        for (_, is_local) in before.take_while(|(piece, _)| joined(piece)) {
            *is_local = true;
        }
    }
    found
}

fn decoded(text: &str) -> String {
    let mut decoded = String::new();
    let mut at = 0;
    while let Some((character, length)) = text.get(at..).and_then(first) {
        decoded.push(character);
        at += length;
    }
    decoded
}

/// The words before the `@` of everything that looks like an address, and those of its domain, in lower case.
pub(super) fn address_words(text: &str) -> (Vec<String>, Vec<String>) {
    let pieces = pieces(text);
    let local = in_local_part(&pieces);
    let (mut locals, mut domains) = (Vec::new(), Vec::new());
    let mut of_domain = false;
    for (piece, local) in pieces.iter().zip(local) {
        match piece {
            Piece::Word { word, .. } if local => locals.push(word.to_lowercase()),
            Piece::Word { word, .. } if of_domain => domains.push(word.to_lowercase()),
            Piece::Between("@" | "%40") => of_domain = true,
            Piece::Between("." | "-") => {}
            _ => of_domain = false,
        }
    }
    (locals, domains)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_are_found_in_every_spelling() {
        let text =
            r#"{"a":"anna.b@example.com"} users/c%2Bd%40example.com "\nzo\u00eb@x.org" @odata.type a @ b"#;
        let (locals, domains) = address_words(text);
        assert_eq!(locals, ["anna", "b", "c", "d", "zoë"]);
        assert_eq!(domains, ["example", "com", "example", "com", "x", "org"]);
    }

    #[test]
    fn words_are_read_in_every_spelling() {
        assert_eq!(
            words(r"Jos%C3%A9 jos\u00e9 \ud835\udc9c! a-b_c 100%"),
            ["josé", "josé", "𝒜", "a", "b", "c", "100"]
        );
    }

    proptest! {
        #[test]
        fn the_pieces_of_any_text_are_the_text(text in r"(\\PC|%[0-9A-F]{2}|\\u[0-9a-f]{4}|[a-z@.\\%]){0,40}") {
            let again: String = pieces(&text).iter().map(|piece| match piece {
                Piece::Word { written, .. } | Piece::Between(written) => *written,
            }).collect();
            prop_assert_eq!(again, text);
        }
    }
}
