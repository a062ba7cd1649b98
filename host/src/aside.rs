//! Whether the calling thread is one of low priority, whose work is in nobody's way. What may not enter: which work goes
//! there, which is the sandbox's to decide.

use std::cell::Cell;

thread_local! {
    static ASIDE: Cell<bool> = const { Cell::new(false) };
}

/// The calling thread is of low priority, for good.
pub(crate) fn goes_here() {
    ASIDE.set(true);
}

/// Whether the calling thread is of low priority.
pub(crate) fn is_here() -> bool {
    ASIDE.get()
}
