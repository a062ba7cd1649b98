//! Lengths that a multipart body states of its parts, set right after words in it were replaced by shorter or longer ones.

use std::ops::Range;

const HEADER: &str = "content-length:";

/// A stated length.
struct Length {
    /// Where its digits are.
    digits: Range<usize>,
    /// What it says.
    stated: usize,
    /// Bytes from the end of its head to the next boundary.
    span: usize,
}

fn lengths(text: &str) -> Option<Vec<Length>> {
    let lower = text.to_ascii_lowercase();
    let mut found = Vec::new();
    for (at, _) in lower.match_indices(HEADER) {
        if at > 0 && !text.get(..at)?.ends_with('\n') {
            continue;
        }
        let rest = text.get(at + HEADER.len()..)?;
        let blanks = rest.len() - rest.trim_start_matches(' ').len();
        let begin = at + HEADER.len() + blanks;
        let end = begin + text.get(begin..)?.find('\r')?;
        let body = begin + text.get(begin..)?.find("\r\n\r\n")? + 4;
        let rest = text.get(body..)?;
        found.push(Length {
            digits: begin..end,
            stated: text.get(begin..end)?.trim().parse().ok()?,
            span: rest.find("\r\n--").unwrap_or(rest.len()),
        });
    }
    Some(found)
}

/// `after` is `before` with other words: each part's length changes by as much as the part did.
pub(super) fn adjusted(before: &str, after: String) -> String {
    let (Some(old), Some(new)) = (lengths(before), lengths(&after)) else {
        return after;
    };
    if old.is_empty() || old.len() != new.len() {
        return after;
    }
    let mut text = String::with_capacity(after.len());
    let mut from = 0;
    for (old, new) in old.iter().zip(&new) {
        text.push_str(after.get(from..new.digits.start).unwrap_or_default());
        let length = (old.stated + new.span).saturating_sub(old.span);
        text.push_str(&length.to_string());
        from = new.digits.end;
    }
    text.push_str(after.get(from..).unwrap_or_default());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(name: &str) -> String {
        let body = format!("{{\"email\":\"{name}@example.com\"}}");
        format!(
            "--b\r\nContent-ID: <part-0>\r\n\r\nPOST /x HTTP/1.1\r\nContent-Length: {0}\r\n\r\n{body}\r\n--b\r\n\r\n\
             HTTP/1.1 200 OK\r\ncontent-length: {0}\r\nETag: 1\r\n\r\n{body}\r\n--b--\r\n",
            body.len()
        )
    }

    #[test]
    fn each_part_states_its_own_length_again() {
        let (before, wanted) = (batch("anna"), batch("somebody-else"));
        let renamed = before.replace("anna", "somebody-else");
        assert_ne!(renamed, wanted, "the lengths are wrong at first");
        assert_eq!(adjusted(&before, renamed), wanted);
    }

    #[test]
    fn what_states_no_length_stays_as_it_is() {
        assert_eq!(adjusted("{\"a\":1}", "{\"b\":1}".to_owned()), "{\"b\":1}");
        assert_eq!(adjusted("content-length: x\r\n", "y".to_owned()), "y");
    }
}
