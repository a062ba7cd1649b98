//! Throttling: what a request costs, and when an application has spent its window.

use std::collections::HashMap;

use http::Method;

use super::format::Throttle;
use super::reply::Refusal;

/// What one application has spent in its current window.
#[derive(Debug, Default)]
pub(super) struct Windows(HashMap<String, Spent>);

#[derive(Debug, Default)]
struct Spent {
    since_ms: u64,
    units: u64,
    writes: u64,
}

/// The cost of a request in resource units, by the documented table.
pub(super) fn units(method: &Method, path: &str, query: &str) -> u64 {
    if method != Method::GET {
        return 1;
    }
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let mut cost: u64 = match segments.as_slice() {
        [_, "groups", _, "transitiveMembers", ..] => 5,
        [_, "groups", _, "members", ..] => 3,
        [_, "users"] => 2,
        _ => 1,
    };
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match name.as_ref() {
            "$select" => cost = cost.saturating_sub(1),
            "$expand" => cost = cost.saturating_add(1),
            "$top" if value.parse::<u64>().is_ok_and(|top| top < 20) => cost = cost.saturating_sub(1),
            _ => {}
        }
    }
    cost.max(1)
}

impl Windows {
    /// Counts a request, or refuses it with 429.
    pub fn count(
        &mut self,
        throttle: &Throttle,
        client_id: &str,
        method: &Method,
        units: u64,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let spent = self.0.entry(client_id.to_owned()).or_default();
        let window = throttle.window_ms.max(1);
        if now_ms >= spent.since_ms.saturating_add(window) {
            *spent = Spent {
                since_ms: now_ms - now_ms % window,
                ..Spent::default()
            };
        }
        let is_write = method != Method::GET;
        let over_units = throttle
            .units_per_window
            .is_some_and(|limit| spent.units.saturating_add(units) > limit);
        let over_writes = is_write
            && throttle
                .writes_per_window
                .is_some_and(|limit| spent.writes >= limit);
        if over_units || over_writes {
            let mut refusal = Refusal::new(429, "TooManyRequests", "Too many requests. Wait and try again.")
                .with("x-ms-throttle-limit-percentage", "1.0")
                .with(
                    "x-ms-throttle-scope",
                    format!("Tenant_Application/ReadWrite/{client_id}"),
                )
                .with(
                    "x-ms-throttle-information",
                    if over_writes {
                        "WriteLimitExceeded"
                    } else {
                        "ResourceUnitLimitExceeded"
                    },
                );
            if throttle.retry_after {
                let wait = spent.since_ms.saturating_add(window).saturating_sub(now_ms);
                refusal = refusal.with("retry-after", wait.div_ceil(1000).max(1).to_string());
            }
            return Err(refusal);
        }
        spent.units = spent.units.saturating_add(units);
        spent.writes = spent.writes.saturating_add(u64::from(is_write));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_follow_the_documented_table() {
        let get = |path, query| units(&Method::GET, path, query);
        assert_eq!(get("/v1.0/groups/g/members", ""), 3);
        assert_eq!(get("/v1.0/groups/g/members", "$select=id&$top=5"), 1);
        assert_eq!(get("/v1.0/groups/g/transitiveMembers", "%24select=id"), 4);
        assert_eq!(get("/v1.0/users", "$filter=x"), 2);
        assert_eq!(get("/v1.0/groups", "$select=id"), 1);
    }

    #[test]
    fn a_spent_window_refuses_and_the_next_one_serves() {
        let throttle = Throttle {
            writes_per_window: Some(1),
            ..Throttle::default()
        };
        let mut windows = Windows::default();
        let mut count = |method: Method, now| windows.count(&throttle, "app", &method, 1, now);
        assert!(count(Method::POST, 20_000).is_ok());
        let refusal = count(Method::POST, 24_500).unwrap_err();
        assert_eq!(refusal.status, 429);
        assert!(refusal.headers.contains(&("retry-after", "6".to_owned())));
        assert!(count(Method::GET, 24_500).is_ok());
        assert!(count(Method::POST, 30_000).is_ok());
    }
}
