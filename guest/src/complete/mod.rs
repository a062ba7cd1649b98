//! Proof that a read is whole (R42). [`Complete`] can be made only by [`Collector::finish`], which has
//! seen the evidence; the removal planner takes nothing else. No clock, no socket.
//!
//! Nobody outside this room can make one:
//!
//! ```compile_fail,E0423
//! use groupcast_guest::complete::Complete;
//! let forged = Complete(vec!["nobody read this"]);
//! ```

mod collector;

pub use collector::{Bounds, Collector, Incomplete, Next, Page, Shortfall};

/// A value that is proven whole.
#[derive(Debug, Clone)]
pub struct Complete<T>(T);

impl<T> Complete<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value, without its proof.
    pub fn into_inner(self) -> T {
        self.0
    }

    /// The value, derived: a pure function of something whole is whole.
    pub fn map<U>(self, derive: impl FnOnce(T) -> U) -> Complete<U> {
        Complete(derive(self.0))
    }

    /// Two whole values are whole together.
    pub fn zip<U>(self, other: Complete<U>) -> Complete<(T, U)> {
        Complete((self.0, other.0))
    }

    /// Whole values are whole together. There is always a first one, since no evidence at all proves nothing.
    pub fn all(first: Self, rest: impl IntoIterator<Item = Self>) -> Complete<Vec<T>> {
        let mut values = vec![first.0];
        values.extend(rest.into_iter().map(|whole| whole.0));
        Complete(values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(items: &[&str]) -> Complete<Vec<String>> {
        let mut collector = Collector::new("letters", String::clone);
        collector
            .feed(Page::new(
                items.iter().map(|item| (*item).to_owned()).collect(),
                Next::End,
            ))
            .unwrap();
        collector.finish().unwrap()
    }

    #[test]
    fn whole_values_compose_without_losing_anything() {
        let both = whole(&["a"]).zip(whole(&["b", "c"]));
        assert_eq!(both.get().0, ["a"]);
        assert_eq!(both.get().1, ["b", "c"]);
        let all = Complete::all(whole(&["a"]), [whole(&["b"]), whole(&[])]).map(|lists| lists.concat());
        assert_eq!(all.get(), &["a", "b"]);
    }
}
