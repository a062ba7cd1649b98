//! How long to wait: reading `Retry-After`, growing waits and seeded jitter. Pure.

use http::HeaderMap;

/// The longest that we wait at one go; a longer wait is the scheduler's business.
pub const LONGEST_MS: u64 = 120_000;

const FIRST_MS: u64 = 1_000;
const LONGEST_BACKOFF_MS: u64 = 32_000;

/// Milliseconds that a `Retry-After` header asks for: seconds, fractions of them (seen from Graph), or an HTTP
/// date held against the answer's own `Date`, else against `unix_seconds`: one of the two clocks may go wrong by minutes.
/// None where it is absent or nonsense, such as a negative number.
pub fn retry_after_ms(headers: &HeaderMap, unix_seconds: u64) -> Option<u64> {
    let text = |name| headers.get(name)?.to_str().ok();
    let there = text("date").and_then(|date| http_date(date.trim()));
    parse_retry_after(text("retry-after")?, there.unwrap_or(unix_seconds))
}

/// The same for the header's text, as batch answers carry it.
pub fn parse_retry_after(text: &str, unix_seconds: u64) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        if !seconds.is_finite() || seconds < 0.0 {
            return None;
        }
        // The cast saturates, which is what an absurd number deserves.
        return Some((seconds * 1000.0).ceil() as u64);
    }
    let due = http_date(text)?;
    Some(due.saturating_sub(unix_seconds).saturating_mul(1000))
}

/// How long to wait before the next try: what the vendor asked for, or growing with each attempt (0 is
/// the first wait); `random` spreads both, so that many clients do not come back at once.
pub fn wait_ms(attempt: u32, asked_ms: Option<u64>, random: u64) -> u64 {
    match asked_ms {
        Some(asked) => asked.saturating_add(random % 250),
        None => {
            let grown = FIRST_MS.saturating_mul(1_u64 << attempt.min(16));
            grown.min(LONGEST_BACKOFF_MS) + random % 1_000
        }
    }
}

/// The next number of a sequence that the run's seed fixes (SplitMix64).
pub fn next_random(state: u64) -> (u64, u64) {
    let state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (state, mixed ^ (mixed >> 31))
}

/// Seconds since the Unix epoch of an HTTP date (RFC 9110, 5.6.7).
fn http_date(text: &str) -> Option<u64> {
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_to_wait_for_goes_by_the_clock_of_whoever_names_it() {
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap());
        assert_eq!(retry_after_ms(&headers, 784_111_770), Some(7_000));
        headers.insert("date", "Sun, 06 Nov 1994 08:49:34 GMT".parse().unwrap());
        assert_eq!(
            retry_after_ms(&headers, 0),
            Some(3_000),
            "our clock is far behind"
        );
    }

    #[test]
    fn every_form_of_retry_after_is_read() {
        assert_eq!(parse_retry_after("3", 0), Some(3_000));
        assert_eq!(parse_retry_after("2.128", 0), Some(2_128));
        assert_eq!(parse_retry_after(" 0 ", 0), Some(0));
        assert_eq!(parse_retry_after("1e9", 0), Some(1_000_000_000_000));
        assert_eq!(
            parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_770),
            Some(7_000)
        );
        assert_eq!(
            parse_retry_after("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_778),
            Some(0)
        );
        assert_eq!(
            parse_retry_after("Thu, 29 Feb 2024 00:00:00 GMT", 1_709_164_790),
            Some(10_000)
        );
        for nonsense in [
            "-1",
            "soon",
            "",
            "NaN",
            "inf",
            "Sun, 06 Nov 1994",
            "Sun, 99 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(parse_retry_after(nonsense, 0), None, "{nonsense}");
        }
    }

    #[test]
    fn waits_grow_to_a_bound_and_the_vendors_word_counts() {
        assert_eq!(wait_ms(0, None, 0), 1_000);
        assert_eq!(wait_ms(3, None, 5), 8_005);
        assert_eq!(wait_ms(60, None, 0), 32_000);
        assert_eq!(wait_ms(60, Some(10), 0), 10);
    }

    #[test]
    fn one_seed_gives_one_sequence() {
        let (state, first) = next_random(7);
        assert_eq!(next_random(7), (state, first));
        assert_ne!(next_random(state).1, first);
        assert_ne!(next_random(8).1, first);
    }
}
