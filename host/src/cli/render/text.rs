//! Words on a terminal: what vendors and administrators wrote is shown so that it can neither move the cursor nor
//! pass for something else.

use anstyle::{AnsiColor, Style};
pub use groupcast_guest::words::{count, fitting, grouped};

/// What stands out without meaning good or bad.
pub const STRONG: Style = Style::new().bold();
/// What is less important than the rest.
pub const FAINT: Style = Style::new().dimmed();
/// Additions and what holds.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Removals and what does not hold.
pub const BAD: Style = AnsiColor::Red.on_default();
/// What waits, and what to look at.
pub const CARE: Style = AnsiColor::Yellow.on_default();
/// Changes, and things to type.
pub const HINT: Style = AnsiColor::Cyan.on_default();

/// Text in a style. Streams that are no terminal leave the style out.
pub fn paint(style: Style, text: impl std::fmt::Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text of others, on one line: control characters, direction marks and invisible characters become `\u{..}`.
pub fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut before: Option<char> = None;
    let mut rest = text.chars().peekable();
    while let Some(character) = rest.next() {
        let joins = matches!(character, '\u{200c}' | '\u{200d}')
            && [before, rest.peek().copied()]
                .iter()
                .all(|neighbour| neighbour.is_some_and(|neighbour| !neighbour.is_ascii()));
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ if joins => safe.push(character),
            _ if deceives(character) => safe.extend(character.escape_unicode()),
            _ => safe.push(character),
        }
        before = Some(character);
    }
    safe
}

/// A name of others: as [`shown`], and in quotation marks where its ends could not be told otherwise.
pub fn name(text: &str) -> String {
    let safe = shown(text);
    if safe.is_empty() || safe != safe.trim() || safe.contains("  ") {
        format!("\"{safe}\"")
    } else {
        safe
    }
}

/// A sentence of others, which may have several lines: each is made safe, and indented.
pub fn lines(text: &str, indent: &str) -> String {
    text.lines()
        .map(|line| format!("{indent}{}\n", shown(line.trim_end())))
        .collect()
}

/// A word as the shell takes it.
pub fn argument(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./@:+=".contains(&byte);
    if !text.is_empty() && text.bytes().all(plain) {
        text.to_owned()
    } else if text == shown(text) {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        // What cannot be shown as it is cannot be pasted as it is either: bash's own quotation takes the escapes.
        let mut quoted = String::from("$'");
        for character in text.chars() {
            match character {
                '\'' | '\\' => quoted.extend(['\\', character]),
                _ if deceives(character) => quoted.push_str(&format!("\\U{:08x}", u32::from(character))),
                _ => quoted.push(character),
            }
        }
        quoted.push('\'');
        quoted
    }
}

/// A hash, short enough to read and long enough to type.
pub fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Whether a character moves the cursor, turns the direction, or cannot be seen.
fn deceives(character: char) -> bool {
    character.is_control()
        || (character.is_whitespace() && character != ' ')
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_neither_move_the_cursor_nor_turn_the_direction() {
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown("gro\u{202e}pu"), "gro\\u{202e}pu");
        assert_eq!(shown("a\u{9b}31m"), "a\\u{9b}31m");
        assert_eq!(shown("two\nlines"), "two\\nlines");
        assert_eq!(shown("\u{e0041}"), "\\u{e0041}");
    }

    #[test]
    fn invisible_characters_show_except_where_a_script_needs_them() {
        assert_eq!(shown("Sa\u{200c}les"), "Sa\\u{200c}les");
        assert_eq!(shown("می\u{200c}خواهم"), "می\u{200c}خواهم");
        assert_eq!(shown("👩\u{200d}💻"), "👩\u{200d}💻");
        assert_eq!(shown("no\u{a0}break"), "no\\u{a0}break");
    }

    #[test]
    fn r24_blanks_at_the_end_of_a_name_can_be_seen() {
        assert_eq!(name("Sales "), "\"Sales \"");
        assert_eq!(name("Sales"), "Sales");
        assert_eq!(name(""), "\"\"");
        assert_eq!(name("Grüße 東京"), "Grüße 東京");
    }

    #[test]
    fn words_for_the_shell_can_be_pasted() {
        assert_eq!(argument("sales@example.com"), "sales@example.com");
        assert_eq!(argument("R&D; rm -rf"), "'R&D; rm -rf'");
        assert_eq!(argument("it's"), "'it'\\''s'");
        assert_eq!(argument("a\nb'"), "$'a\\U0000000ab\\''");
    }
}
