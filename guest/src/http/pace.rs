//! How many requests are in flight: more by and by while all goes well, half as many when a vendor asks for
//! less. One thread; the only time it knows is what it is told.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Poll, Waker};

/// Requests in flight at the start.
const START: f64 = 4.0;

#[derive(Debug)]
pub(super) struct Pace {
    state: RefCell<State>,
    most: f64,
}

#[derive(Debug)]
struct State {
    window: f64,
    in_flight: usize,
    waiting: Vec<Waker>,
    quiet_until_ms: u64,
    cut_at_ms: Option<u64>,
}

/// The right to have one request in flight; given back when dropped.
#[derive(Debug)]
pub(super) struct Slot<'a>(&'a Pace);

impl Pace {
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1) as f64;
        Self {
            state: RefCell::new(State {
                window: START.min(most),
                in_flight: 0,
                waiting: Vec::new(),
                quiet_until_ms: 0,
                cut_at_ms: None,
            }),
            most,
        }
    }

    /// Waits until another request may be in flight.
    pub(super) async fn slot(&self) -> Slot<'_> {
        poll_fn(|context| {
            let mut state = self.state.borrow_mut();
            if (state.in_flight as f64) < state.window.floor() {
                state.in_flight += 1;
                Poll::Ready(())
            } else {
                state.waiting.push(context.waker().clone());
                Poll::Pending
            }
        })
        .await;
        Slot(self)
    }

    /// Until when nothing may be sent, in the clock's milliseconds.
    pub(super) fn quiet_until_ms(&self) -> u64 {
        self.state.borrow().quiet_until_ms
    }

    /// All went well.
    pub(super) fn more(&self) {
        let mut state = self.state.borrow_mut();
        state.window = (state.window + 1.0 / state.window).min(self.most);
    }

    /// The vendor asked for less, in answer to a request sent at `sent_ms`; everything is quiet until
    /// `until_ms`. Answers to what was sent before the last halving do not halve again.
    pub(super) fn less(&self, sent_ms: u64, now_ms: u64, until_ms: u64) {
        let mut state = self.state.borrow_mut();
        state.quiet_until_ms = state.quiet_until_ms.max(until_ms);
        if state.cut_at_ms.is_none_or(|cut| sent_ms >= cut) {
            state.window = (state.window / 2.0).max(1.0);
            state.cut_at_ms = Some(now_ms.max(1));
        }
    }

    /// Requests that may be in flight now.
    #[cfg(test)]
    pub(super) fn window(&self) -> usize {
        self.state.borrow().window as usize
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let waiting = {
            let mut state = self.0.state.borrow_mut();
            state.in_flight = state.in_flight.saturating_sub(1);
            std::mem::take(&mut state.waiting)
        };
        for waker in waiting {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_grows_by_one_a_round_and_halves_once_a_round() {
        let pace = Pace::new(6);
        assert_eq!(pace.window(), 4);
        for _ in 0..20 {
            pace.more();
        }
        assert_eq!(pace.window(), 6, "never above the most");
        pace.less(10, 20, 1_020);
        assert_eq!((pace.window(), pace.quiet_until_ms()), (3, 1_020));
        pace.less(15, 25, 900);
        assert_eq!(
            (pace.window(), pace.quiet_until_ms()),
            (3, 1_020),
            "sent before the halving"
        );
        pace.less(1_100, 1_110, 1_200);
        pace.less(1_200, 1_210, 1_300);
        assert_eq!(pace.window(), 1, "never below one");
    }
}
