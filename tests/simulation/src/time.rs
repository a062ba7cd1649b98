//! Virtual time: it stands still while somebody works and jumps to the next alarm when everybody waits.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// The clock of one story.
#[derive(Debug)]
pub struct VirtualTime {
    now_ms: Cell<u64>,
    next_alarm: Cell<u64>,
    alarms: RefCell<BTreeMap<(u64, u64), Waker>>,
}

impl VirtualTime {
    /// A clock that stands at this moment, in milliseconds since the Unix epoch.
    pub fn at(now_ms: u64) -> Self {
        Self {
            now_ms: Cell::new(now_ms),
            next_alarm: Cell::new(0),
            alarms: RefCell::default(),
        }
    }

    /// The moment.
    pub fn now_ms(&self) -> u64 {
        self.now_ms.get()
    }

    /// Lets time pass between two runs.
    pub fn pass(&self, ms: u64) {
        self.now_ms.set(self.now_ms.get() + ms);
    }

    /// Waits.
    pub fn sleep(&self, ms: u64) -> Sleep<'_> {
        let number = self.next_alarm.get();
        self.next_alarm.set(number + 1);
        Sleep {
            time: self,
            alarm: (self.now_ms.get().saturating_add(ms), number),
        }
    }

    /// Runs a future to its end; none where `cut_off` was set meanwhile: then it is dropped where it stands, as a
    /// killed process would be.
    ///
    /// # Panics
    /// Where everybody waits and no alarm is set: the engine would hang for ever.
    pub fn run<T>(&self, future: impl Future<Output = T>, cut_off: &Cell<bool>) -> Option<T> {
        let mut future = pin!(future);
        let flag = Arc::new(Flag(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&flag));
        let mut context = Context::from_waker(&waker);
        loop {
            let polled = future.as_mut().poll(&mut context);
            if cut_off.get() {
                return None;
            }
            if let Poll::Ready(value) = polled {
                return Some(value);
            }
            if !flag.0.swap(false, Ordering::SeqCst) {
                self.ring();
            }
        }
    }

    fn ring(&self) {
        let first = self.alarms.borrow().keys().next().map(|(due, _)| *due);
        let due = first.expect("everybody waits and nobody wakes anybody: the engine hangs");
        self.now_ms.set(self.now_ms.get().max(due));
        let ringing = {
            let mut alarms = self.alarms.borrow_mut();
            let later = alarms.split_off(&(due + 1, 0));
            std::mem::replace(&mut *alarms, later)
        };
        ringing.into_values().for_each(Waker::wake);
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A wait.
#[derive(Debug)]
pub struct Sleep<'a> {
    time: &'a VirtualTime,
    alarm: (u64, u64),
}

impl Future for Sleep<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.time.now_ms() >= self.alarm.0 {
            return Poll::Ready(());
        }
        self.time
            .alarms
            .borrow_mut()
            .insert(self.alarm, context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.time.alarms.borrow_mut().remove(&self.alarm);
    }
}
