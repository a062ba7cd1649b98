//! Proof that a read is whole (R42). [`Complete`] can be made only by [`Collector::finish`], which has
//! seen the evidence; the removal planner takes nothing else. No clock, no socket.

/// A value that is proven whole.
#[derive(Debug, Clone)]
pub struct Complete<T>(T);

impl<T> Complete<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }

    /// The value, derived: a pure function of something whole is whole.
    pub fn map<U>(self, derive: impl FnOnce(T) -> U) -> Complete<U> {
        Complete(derive(self.0))
    }
}
