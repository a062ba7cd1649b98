//! How much of its quota a vendor says is used up.
//!
//! Microsoft Graph: `x-ms-throttle-limit-percentage`, given once more than 0.8 of the limit is used, from 0.8 to 1.8
//! ("Microsoft Graph service-specific throttling limits", identity and access). `RateLimit-Limit` and
//! `RateLimit-Remaining` are the IETF's draft, which Graph and others answer in places. Google says nothing.

use http::HeaderMap;

/// The share that is used, 0 where all is left; none where the answer does not say.
pub(super) fn used(headers: &HeaderMap) -> Option<f64> {
    let number = |name: &str| {
        let text = headers.get(name)?.to_str().ok()?;
        text.trim()
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite() && *number >= 0.0)
    };
    number("x-ms-throttle-limit-percentage").or_else(|| {
        let (limit, left) = ["ratelimit", "x-ratelimit"].into_iter().find_map(|prefix| {
            let limit = number(&format!("{prefix}-limit"))?;
            Some((limit, number(&format!("{prefix}-remaining"))?))
        })?;
        (limit > 0.0).then(|| (1.0 - left / limit).clamp(0.0, 1.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&'static str, &'static str)]) -> Option<f64> {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        used(&headers)
    }

    #[test]
    fn each_vendors_way_to_say_it_is_understood_and_nonsense_is_not() {
        assert_eq!(of(&[("x-ms-throttle-limit-percentage", "0.9")]), Some(0.9));
        assert_eq!(
            of(&[("ratelimit-limit", "200"), ("ratelimit-remaining", "50")]),
            Some(0.75)
        );
        assert_eq!(
            of(&[("x-ratelimit-limit", "10"), ("x-ratelimit-remaining", "12")]),
            Some(0.0)
        );
        assert_eq!(of(&[("ratelimit-limit", "200")]), None);
        assert_eq!(
            of(&[("ratelimit-limit", "0"), ("ratelimit-remaining", "0")]),
            None
        );
        assert_eq!(of(&[("x-ms-throttle-limit-percentage", "NaN")]), None);
        assert_eq!(of(&[]), None);
    }
}
