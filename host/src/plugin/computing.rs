//! How long a run computes, on which threads, and how it is stopped from outside.
//!
//! Computing is measured as processor time of the thread that polls the run, so that neither waiting nor a busy machine
//! counts. Whoever has computed for a while goes on in the slow lane: threads of low priority, which the system lets run
//! when nobody else wants to. A run that only reads and compares never gets there; one that computes without end does,
//! and whoever is beside it does not notice. Timers, sockets and the store stay with the threads of the host at either
//! time: a slow run must never hold what a quick one waits for.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use groupcast_guest::failure::{Failure, FailureKind};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tracing::Instrument as _;

use super::error::PluginError;
use super::violation::Violation;
use crate::aside;

/// Processor time that a run has before it goes on in the slow lane: several times what a sync without changes takes.
pub(super) const QUICK: Duration = Duration::from_millis(100);

/// The threads of the slow lane.
pub(super) struct SlowLane {
    runtime: Option<Runtime>,
    /// Calls to the store that runs of the slow lane have under way, all together.
    calls: Arc<Semaphore>,
}

impl SlowLane {
    pub(super) fn new() -> Result<Self, PluginError> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("groupcast-slow")
            .on_thread_start(|| {
                lower_priority();
                aside::goes_here();
            })
            .build()
            .map_err(|error| PluginError::Engine(format!("cannot start the slow lane: {error}")))?;
        Ok(Self {
            runtime: Some(runtime),
            calls: Arc::new(Semaphore::new((threads / 2).max(1))),
        })
    }

    fn handle(&self) -> Option<&Handle> {
        self.runtime.as_ref().map(Runtime::handle)
    }

    pub(super) fn calls(&self) -> Arc<Semaphore> {
        Arc::clone(&self.calls)
    }
}

impl Drop for SlowLane {
    fn drop(&mut self) {
        // A runtime that is dropped waits, which an asynchronous context may not.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the calling thread's priority: from now on it runs when nobody else wants to. Niceness alone is not enough, since
/// a nice thread still ends its slice before one that wakes up gets its turn. Where the system does not let it, the lane is
/// only a lane of its own.
pub(super) fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{
            NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
            thread_native_id,
        };
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let lowered =
            set_thread_priority_and_policy(thread_native_id(), thread_priority::ThreadPriority::Min, idle);
        if let Err(error) = lowered {
            tracing::debug!(?error, "the priority of a thread could not be lowered");
        }
    }
}

/// Processor time that the calling thread has used.
fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(now.tv_sec).unwrap_or_default(),
        u32::try_from(now.tv_nsec).unwrap_or_default(),
    )
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Where a run computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// On quick threads, however long: nobody else is there.
    Unhindered,
    /// On quick threads at first.
    Quick,
    /// In the slow lane from the start.
    Slow,
    /// In another process: here its calls are answered, on quick threads, and only what is long is done aside.
    Elsewhere,
}

/// What a run and whoever watches over it share.
pub(super) struct Watch {
    /// Nanoseconds of earlier polls.
    computed: AtomicU64,
    /// The thread's time when this poll began.
    began: AtomicU64,
    /// Nanoseconds that the store worked for it.
    served: AtomicU64,
    slow: AtomicBool,
    has_slow_lane: bool,
    is_elsewhere: bool,
    /// Calls to the host that are under way, and when the last one ended.
    waiting: Mutex<(u32, Instant)>,
    calls: Arc<Semaphore>,
    slow_threads: Option<Handle>,
    doom: Mutex<Option<Violation>>,
    doomed: Notify,
}

impl Watch {
    /// Of a run that stays on quick threads, begins there, or begins in the slow lane.
    pub(super) fn new(lane: &SlowLane, pace: Pace) -> Arc<Self> {
        Arc::new(Self {
            computed: AtomicU64::new(0),
            began: AtomicU64::new(0),
            served: AtomicU64::new(0),
            slow: AtomicBool::new(pace == Pace::Slow),
            has_slow_lane: matches!(pace, Pace::Quick | Pace::Slow),
            is_elsewhere: pace == Pace::Elsewhere,
            waiting: Mutex::new((0, Instant::now())),
            calls: lane.calls(),
            slow_threads: lane.handle().cloned(),
            doom: Mutex::default(),
            doomed: Notify::new(),
        })
    }

    /// Processor time that the run has used. Asked within a poll, by the thread that polls.
    fn computing(&self) -> Duration {
        let this_poll = nanoseconds(thread_time()).saturating_sub(self.began.load(Ordering::Relaxed));
        Duration::from_nanos(self.computed.load(Ordering::Relaxed).saturating_add(this_poll))
    }

    /// Processor time that the run has used in all, for its record.
    pub(super) fn computed(&self) -> Duration {
        Duration::from_nanos(self.computed.load(Ordering::Relaxed))
    }

    /// Whether the run is over its time, or to be ended: asked once an epoch while it computes.
    pub(super) fn is_over(&self, budget: Duration) -> bool {
        let computing = self.computing();
        if self.has_slow_lane && computing > QUICK {
            self.slow.store(true, Ordering::Relaxed);
        }
        let served = Duration::from_nanos(self.served.load(Ordering::Relaxed));
        computing.saturating_add(served) > budget || self.is_doomed()
    }

    fn is_slow(&self) -> bool {
        self.slow.load(Ordering::Relaxed)
    }

    /// Whether what is done here for the run makes way for what is done for others.
    pub(super) fn makes_way(&self) -> bool {
        self.is_slow() || self.is_elsewhere
    }

    /// Ends the run, from wherever it is seen that it must; the first reason counts.
    pub(super) fn doom(&self, violation: Violation) {
        self.doom
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(violation);
        self.doomed.notify_one();
    }

    fn is_doomed(&self) -> bool {
        self.doom.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// Why the run was ended, if it was.
    pub(super) fn reason(&self) -> Option<Violation> {
        self.doom.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns once the run is to be ended.
    pub(super) async fn ending(&self) {
        while !self.is_doomed() {
            self.doomed.notified().await;
        }
    }

    /// How long nothing of the host's has been under way for the run.
    pub(super) fn idle(&self) -> Duration {
        let (calls, last) = *self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if calls > 0 { Duration::ZERO } else { last.elapsed() }
    }

    /// Counts a call to the host while what is returned lives.
    pub(super) fn call(self: &Arc<Self>) -> UnderWay {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).0 += 1;
        UnderWay(Arc::clone(self))
    }

    /// A call to the store, which counts as the run's computing. One of a slow run, or of one elsewhere, is made on the
    /// host's own threads, and few of them at once.
    pub(super) async fn served<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl Future<Output = Result<T, Failure>> + Send + 'static,
    ) -> Result<T, Failure> {
        let _under_way = self.call();
        if !self.makes_way() {
            let began = Instant::now();
            let result = call.await;
            self.charge(began.elapsed());
            return result;
        }
        let _place = self.calls.acquire().await;
        let began = Instant::now();
        let result = Joined(tokio::spawn(call.in_current_span())).await;
        self.charge(began.elapsed());
        result.unwrap_or_else(|error| Err(Failure::new(FailureKind::Host, "host", error.to_string())))
    }

    /// Whether a run that computes in another process is over its time, with what was done here for it.
    pub(super) fn is_spent(&self, elsewhere: Duration, budget: Duration) -> bool {
        let served = Duration::from_nanos(self.served.load(Ordering::Relaxed));
        let here = self.computing().saturating_add(served);
        here.saturating_add(elsewhere) > budget
    }

    /// A call that works on a vendor's answer, which may be long. That of a slow run is worked on in the slow lane too:
    /// none where that has ended.
    pub(super) async fn answered<T: Send + 'static>(
        &self,
        call: impl Future<Output = T> + Send + 'static,
    ) -> Option<T> {
        let Some(threads) = self.slow_threads.as_ref().filter(|_| self.makes_way()) else {
            return Some(call.await);
        };
        let aside = Aside {
            call: Box::pin(call.in_current_span()),
            host: Handle::current(),
        };
        let answered = Joined(threads.spawn(aside)).await;
        answered
            .inspect_err(|error| tracing::error!(%error, "an answer could not be worked on"))
            .ok()
    }

    fn charge(&self, time: Duration) {
        self.served.fetch_add(nanoseconds(time), Ordering::Relaxed);
    }
}

/// A call to the host that is under way.
pub(super) struct UnderWay(Arc<Watch>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.0 = waiting.0.saturating_sub(1);
        waiting.1 = Instant::now();
    }
}

/// A task that ends with whoever waits for it.
struct Joined<T>(JoinHandle<T>);

impl<T> Future for Joined<T> {
    type Output = Result<T, tokio::task::JoinError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Joined<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A call in the slow lane.
struct Aside<F> {
    call: Pin<Box<F>>,
    host: Handle,
}

impl<F: Future> Future for Aside<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Timers, tasks and sockets that it makes belong to the host's threads.
        let host = self.host.clone();
        let _entered = host.enter();
        self.call.as_mut().poll(context)
    }
}

/// The whole of a run, in whichever lane.
pub(super) type Body<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A run on the host's own threads, until it has computed for long.
struct Quick<'a, T> {
    body: &'a mut Body<T>,
    watch: Arc<Watch>,
}

impl<T> Future for Quick<'_, T> {
    /// The result; none: it goes on in the slow lane.
    type Output = Option<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let watch = Arc::clone(&self.watch);
        match poll_measured(self.body, &watch, context) {
            Poll::Ready(result) => Poll::Ready(Some(result)),
            Poll::Pending if watch.is_slow() => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// A run on threads of low priority.
struct Slow<T> {
    body: Body<T>,
    watch: Arc<Watch>,
    host: Handle,
}

impl<T> Future for Slow<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Timers, tasks and sockets that the run makes belong to the host's threads.
        let host = self.host.clone();
        let _entered = host.enter();
        let watch = Arc::clone(&self.watch);
        poll_measured(&mut self.body, &watch, context)
    }
}

fn poll_measured<T>(body: &mut Body<T>, watch: &Watch, context: &mut Context<'_>) -> Poll<T> {
    let began = nanoseconds(thread_time());
    watch.began.store(began, Ordering::Relaxed);
    let polled = body.as_mut().poll(context);
    let used = nanoseconds(thread_time()).saturating_sub(began);
    watch.computed.fetch_add(used, Ordering::Relaxed);
    watch.began.store(u64::MAX, Ordering::Relaxed);
    polled
}

/// How a body came to its end.
pub(super) enum Ended<T, S> {
    /// By itself.
    Itself(T),
    /// `stop` came first; the body is gone.
    Stopped(S),
    /// It panicked, which is a fault of the host's.
    Broken(String),
}

/// Runs a body to its end, or until `stop`: when this returns, nothing of it runs any more.
pub(super) async fn run<T: Send + 'static, S>(
    mut body: Body<T>,
    watch: &Arc<Watch>,
    lane: &SlowLane,
    stop: impl Future<Output = S>,
) -> Ended<T, S> {
    let mut stop = std::pin::pin!(stop);
    if !watch.is_slow() {
        let quick = Quick {
            body: &mut body,
            watch: Arc::clone(watch),
        };
        tokio::select! {
            biased;
            why = &mut stop => return Ended::Stopped(why),
            result = quick => if let Some(result) = result {
                return Ended::Itself(result);
            },
        }
    }
    let Some(threads) = lane.handle() else {
        return Ended::Broken("the slow lane has ended".to_owned());
    };
    let mut slow = Joined(threads.spawn(Slow {
        body,
        watch: Arc::clone(watch),
        host: Handle::current(),
    }));
    let ended = tokio::select! {
        biased;
        why = &mut stop => Err(why),
        result = &mut slow => Ok(result),
    };
    match ended {
        Ok(Ok(result)) => Ended::Itself(result),
        Ok(Err(error)) => Ended::Broken(error.to_string()),
        Err(why) => {
            slow.0.abort();
            // Until its last slice has ended it could still call the host.
            let _ended = (&mut slow).await;
            Ended::Stopped(why)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spin(time: Duration) {
        let until = thread_time() + time;
        while thread_time() < until {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn waiting_is_no_computing() {
        let lane = SlowLane::new().unwrap();
        let watch = Watch::new(&lane, Pace::Quick);
        let body: Body<()> = Box::pin(async {
            spin(Duration::from_millis(20));
            tokio::time::sleep(Duration::from_millis(200)).await;
        });
        let ended = run(body, &watch, &lane, std::future::pending::<()>()).await;
        assert!(matches!(ended, Ended::Itself(())));
        let computed = watch.computed();
        assert!(
            computed >= Duration::from_millis(20) && computed < Duration::from_millis(150),
            "{computed:?}"
        );
    }

    #[tokio::test]
    async fn who_computes_for_long_goes_on_in_the_slow_lane_with_the_hosts_own_timers() {
        let lane = SlowLane::new().unwrap();
        let watch = Watch::new(&lane, Pace::Quick);
        let (of_run, host) = (Arc::clone(&watch), Handle::current().id());
        let body: Body<(Option<String>, bool)> = Box::pin(async move {
            spin(QUICK * 2);
            assert!(!of_run.is_over(Duration::from_secs(60)));
            tokio::task::yield_now().await;
            tokio::time::sleep(Duration::from_millis(5)).await;
            let thread = std::thread::current().name().map(str::to_owned);
            (thread, Handle::current().id() == host)
        });
        let Ended::Itself((thread, is_hosts)) = run(body, &watch, &lane, std::future::pending::<()>()).await
        else {
            panic!("it ended otherwise");
        };
        assert_eq!(thread.as_deref(), Some("groupcast-slow"));
        assert!(is_hosts);
    }

    #[tokio::test]
    async fn what_a_slow_run_is_answered_is_worked_on_in_the_slow_lane_with_the_hosts_own_timers() {
        let lane = SlowLane::new().unwrap();
        let host = Handle::current().id();
        for (pace, is_aside) in [(Pace::Quick, false), (Pace::Slow, true), (Pace::Elsewhere, true)] {
            let watch = Watch::new(&lane, pace);
            let worked = watch.answered(async {
                tokio::time::sleep(Duration::from_millis(5)).await;
                (aside::is_here(), Handle::current().id())
            });
            assert_eq!(worked.await.unwrap(), (is_aside, host));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn nothing_runs_after_a_stop() {
        let lane = SlowLane::new().unwrap();
        let watch = Watch::new(&lane, Pace::Slow);
        let count = Arc::new(AtomicU64::new(0));
        let (counted, of_run) = (Arc::clone(&count), Arc::clone(&watch));
        let body: Body<()> = Box::pin(async move {
            loop {
                of_run.is_over(Duration::MAX);
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        // On a busy machine it takes long to get its turn.
        let has_run = async {
            while count.load(Ordering::Relaxed) < 10 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let ended = run(body, &watch, &lane, has_run).await;
        assert!(matches!(ended, Ended::Stopped(())));
        let then = count.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(count.load(Ordering::Relaxed), then);
    }
}
