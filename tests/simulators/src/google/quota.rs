//! Google's three quotas, counted over sliding windows of the simulator's own time.

use std::collections::{HashMap, VecDeque};

use super::error::ApiError;
use super::tenant::Quota;

const WINDOW_MS: u64 = 60_000;

/// What was called when, as far as the windows reach back.
#[derive(Debug, Default)]
pub(super) struct Meter {
    by_user: HashMap<String, VecDeque<u64>>,
    account: VecDeque<u64>,
    arrivals: (u64, u32),
}

impl Meter {
    /// Counts a request as it arrives; a batch is one.
    pub(super) fn arrive(&mut self, quota: &Quota, now_ms: u64) -> Result<(), ApiError> {
        let (at, count) = self.arrivals;
        let count = if at == now_ms { count.saturating_add(1) } else { 1 };
        self.arrivals = (now_ms, count);
        match quota.concurrent {
            Some(most) if count > most => Err(ApiError::quota(
                403,
                "quotaExceeded",
                "Quota exceeded for concurrent requests.",
                quota.retry_after_seconds,
            )),
            _ => Ok(()),
        }
    }

    /// Counts a call for its user. A refused call does not fill the window further.
    pub(super) fn call(&mut self, quota: &Quota, user: &str, now_ms: u64) -> Result<(), ApiError> {
        let fits = |window: &mut VecDeque<u64>, most: Option<u32>| {
            while window
                .front()
                .is_some_and(|at| at.saturating_add(WINDOW_MS) <= now_ms)
            {
                window.pop_front();
            }
            most.is_none_or(|most| window.len() < usize::try_from(most).unwrap_or(usize::MAX))
        };
        if !fits(&mut self.account, quota.account_queries_per_minute) {
            return Err(ApiError::quota(
                429,
                "rateLimitExceeded",
                "Quota exceeded for quota metric 'Queries' and limit 'Queries per minute' of service \
                 'admin.googleapis.com'.",
                quota.retry_after_seconds,
            ));
        }
        let window = self.by_user.entry(user.to_owned()).or_default();
        if !fits(window, quota.queries_per_minute) {
            return Err(ApiError::quota(
                403,
                "userRateLimitExceeded",
                "User Rate Limit Exceeded",
                quota.retry_after_seconds,
            ));
        }
        if quota.queries_per_minute.is_some() {
            window.push_back(now_ms);
        }
        if quota.account_queries_per_minute.is_some() {
            self.account.push_back(now_ms);
        }
        Ok(())
    }
}
