//! How many requests there may be: by token or session where somebody is signed in, else by address; fewer for
//! attempts to sign in.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DefaultKeyedStateStore;
use governor::{Quota, RateLimiter};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::problem::{Kind, Problem};

/// Attempts to sign in, a minute and address.
const SIGN_INS: u32 = 20;
/// When so many are remembered, those that have had their time are forgotten.
const MANY: usize = 10_000;

/// Whose requests are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Of a token or person.
    Subject(String),
    /// Of an address: IPv6 by /64, which is what one customer has.
    Address(IpAddr),
}

impl Counted {
    /// Of an address.
    pub fn address(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(six) => IpAddr::V6((six.to_bits() & !u128::from(u64::MAX)).into()),
            four => four,
        })
    }
}

type Limiter =
    RateLimiter<Counted, DefaultKeyedStateStore<Counted>, DefaultClock, StateInformationMiddleware>;

/// The counts.
pub struct Rates {
    requests: (u32, Limiter),
    sign_ins: (u32, Limiter),
    clock: DefaultClock,
}

/// What is left, for the answer's headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    a_minute: u32,
    remaining: u32,
}

impl Rates {
    /// So many requests a minute.
    pub fn new(a_minute: u32) -> Self {
        Self {
            requests: (a_minute, limiter(a_minute)),
            sign_ins: (SIGN_INS, limiter(SIGN_INS)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    /// There were too many.
    pub fn request(&self, counted: &Counted) -> Result<Left, Problem> {
        self.count(&self.requests, counted, "requests")
    }

    /// Counts an attempt to sign in.
    ///
    /// # Errors
    /// There were too many.
    pub fn sign_in(&self, counted: &Counted) -> Result<Left, Problem> {
        self.count(&self.sign_ins, counted, "attempts to sign in")
    }

    fn count(
        &self,
        (a_minute, limiter): &(u32, Limiter),
        counted: &Counted,
        what: &str,
    ) -> Result<Left, Problem> {
        if limiter.len() > MANY {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
        match limiter.check_key(counted) {
            Ok(state) => Ok(Left {
                a_minute: *a_minute,
                remaining: state.remaining_burst_capacity(),
            }),
            Err(until) => {
                let wait = until.wait_time_from(self.clock.now());
                let left = Left {
                    a_minute: *a_minute,
                    remaining: 0,
                };
                let detail = format!(
                    "there were more than {a_minute} {what} a minute; wait as long as Retry-After says, then go on"
                );
                let mut problem = Problem::new(Kind::RATE, detail).retry_after(wait);
                for (name, value) in left.headers(wait) {
                    problem = problem.header(name, value);
                }
                Err(problem)
            }
        }
    }
}

impl Left {
    /// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers).
    fn headers(self, wait: Duration) -> Vec<(HeaderName, HeaderValue)> {
        let policy = format!("\"default\";q={};w=60", self.a_minute);
        let left = format!("\"default\";r={};t={}", self.remaining, wait.as_secs() + 1);
        [("ratelimit-policy", policy), ("ratelimit", left)]
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), value.parse().ok()?)))
            .collect()
    }

    /// Says it in an answer.
    pub fn tell(self, headers: &mut HeaderMap) {
        headers.extend(self.headers(Duration::ZERO));
    }
}

fn limiter(a_minute: u32) -> Limiter {
    let quota = Quota::per_minute(NonZeroU32::new(a_minute).unwrap_or(NonZeroU32::MIN));
    RateLimiter::keyed(quota).with_middleware::<StateInformationMiddleware>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_too_often_waits_and_others_do_not() {
        let rates = Rates::new(10);
        let (one, other) = (
            Counted::Subject("token:a".into()),
            Counted::Subject("token:b".into()),
        );
        for left in (0..10).rev() {
            assert_eq!(rates.request(&one).unwrap().remaining, left);
        }
        let refused = rates.request(&one).unwrap_err();
        assert_eq!(refused.kind(), Kind::RATE);
        assert!(rates.request(&other).is_ok());
    }

    #[test]
    fn one_customer_has_one_count_whatever_addresses_of_theirs_they_use() {
        let of = |text: &str| Counted::address(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1:2"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
    }
}
