//! The write permit: the one primitive that every mutating request passes, each time it is about to be sent.
//!
//! A permit says that *now* the run's lease is fresh, the directory is still managed (R36), the run is not cancelled,
//! the operation is one of the approved plan (R44) and its intent is durable. No write starts after one of these
//! lapses; one that is already on the wire is bounded by its deadline. Time is the boot-time clock, which goes on
//! while the machine sleeps: a machine that was frozen knows for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use groupcast_guest::plan::part::Operation;
use tokio_util::sync::CancellationToken;

use super::decode::WireWrite;
use super::learned::ApprovedOperations;

/// A clock that goes on while the machine sleeps.
pub trait BootClock: Send + Sync {
    /// Time since some moment before this process; never goes backwards.
    fn now(&self) -> Duration;
}

/// `CLOCK_BOOTTIME`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemBootClock;

impl BootClock for SystemBootClock {
    fn now(&self) -> Duration {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let id = rustix::time::ClockId::Boottime;
        // Elsewhere the monotonic clock is what there is; production machines are Linux.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        let id = rustix::time::ClockId::Monotonic;
        let time = rustix::time::clock_gettime(id);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or(0),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    }
}

/// This run's hold on its directory (R48), as far as this process knows. Whoever renews the lease in the store tells
/// this value; when nobody does, it lapses by itself.
pub struct Lease {
    clock: Arc<dyn BootClock>,
    /// Milliseconds of the boot-time clock; 0 is never.
    deadline: AtomicU64,
}

impl Lease {
    /// A lease that is not held yet.
    pub fn new(clock: Arc<dyn BootClock>) -> Self {
        Self {
            clock,
            deadline: AtomicU64::new(0),
        }
    }

    /// The moment to hand to [`Lease::renewed`]: read it *before* asking the store, so that the time the store takes
    /// counts against the lease and not for it.
    pub fn before_renewal(&self) -> Duration {
        self.clock.now()
    }

    /// The store granted or renewed the lease for `life`, asked at `asked_at`. Never shortens it.
    pub fn renewed(&self, asked_at: Duration, life: Duration) {
        self.deadline
            .fetch_max(milliseconds(asked_at.saturating_add(life)), Ordering::SeqCst);
    }

    /// The store refused to renew: somebody else holds it, or the run gives it up.
    pub fn lost(&self) {
        self.deadline.store(0, Ordering::SeqCst);
    }

    /// Whether the lease still runs.
    pub fn is_fresh(&self) -> bool {
        milliseconds(self.clock.now()) < self.deadline.load(Ordering::SeqCst)
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Knows which intents are durable and have no outcome yet.
pub trait OpenIntents: Send + Sync {
    /// Whether this run has an open intent for the operation, given as its canonical JSON.
    fn is_open(&self, operation_json: &str) -> bool;
}

/// Knows whether a directory is managed at this moment (R36).
#[async_trait]
pub trait ManagedQuestion: Send + Sync {
    /// Asked before every write, so it must be cheap, and it must be current: of this moment, whichever process
    /// switched the directory off.
    ///
    /// # Errors
    /// Why nobody can say; the write does not start then.
    async fn is_managed(&self) -> Result<bool, String>;
}

/// Why a write may not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PermitRefusal {
    /// Not a run that applies a plan.
    #[error("this run may only read; nothing is written until a plan is approved and applied")]
    ReadOnly,
    /// The run was cancelled.
    #[error("the run was cancelled, so this write was not started; apply the plan again to go on")]
    Cancelled,
    /// R36.
    #[error(
        "group management of this directory was switched off, so this write was not started; \
         switch it on again and plan anew"
    )]
    NotManaged,
    /// R36, where nobody can say.
    #[error(
        "whether group management of this directory is still switched on could not be read ({0}), so this write was \
         not started; apply the plan again once it can be"
    )]
    ManagedUnknown(String),
    /// R48.
    #[error(
        "this run no longer holds its directory (the lease ran out, for example since the machine slept), so this \
         write was not started; another run may be at work: wait for it, then apply again"
    )]
    LeaseLapsed,
    /// R44.
    #[error("the approved plan has no such operation: {0}; plan again and approve what is missing")]
    NotApproved(String),
    /// Write-ahead.
    #[error(
        "the operation has no open intent in the ledger: {0}; the component must call ledger.intend before it \
         sends, which is a defect of the component"
    )]
    NoIntent(String),
}

/// Lets writes start, or not.
#[async_trait]
pub trait WritePermit: Send + Sync {
    /// Asks whether these writes may start now: all of them, or none. Answers the approved operations that they are,
    /// in the same order.
    ///
    /// # Errors
    /// The first reason why not.
    async fn ask(&self, writes: &[WireWrite]) -> Result<Vec<Operation>, PermitRefusal>;

    /// The vendor itself said that the group created under `key` has this ID.
    fn learn(&self, key: &str, id: &str);

    /// The lease under which permitted writes leave; looked at again for each of their bytes.
    fn lease(&self) -> Option<Arc<Lease>>;
}

/// The permit of `describe`, `check`, `plan` and `explain`: none.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPermit;

#[async_trait]
impl WritePermit for NoPermit {
    async fn ask(&self, _writes: &[WireWrite]) -> Result<Vec<Operation>, PermitRefusal> {
        Err(PermitRefusal::ReadOnly)
    }

    fn learn(&self, _key: &str, _id: &str) {}

    fn lease(&self) -> Option<Arc<Lease>> {
        None
    }
}

/// The permit of `apply`.
pub struct RunPermit {
    /// The run's hold on the directory.
    pub lease: Arc<Lease>,
    /// Whether the directory is still managed (R36).
    pub managed: Arc<dyn ManagedQuestion>,
    /// Cancelled when the run is.
    pub cancelled: CancellationToken,
    /// The approved plan.
    pub approved: Arc<ApprovedOperations>,
    /// The ledger.
    pub intents: Arc<dyn OpenIntents>,
}

#[async_trait]
impl WritePermit for RunPermit {
    async fn ask(&self, writes: &[WireWrite]) -> Result<Vec<Operation>, PermitRefusal> {
        let mut operations = Vec::with_capacity(writes.len());
        for write in writes {
            let candidates = self.approved.matching(write);
            if candidates.is_empty() {
                return Err(PermitRefusal::NotApproved(write.to_string()));
            }
            let open = candidates
                .into_iter()
                .find(|operation| self.intents.is_open(&operation.to_json()))
                .ok_or_else(|| PermitRefusal::NoIntent(write.to_string()))?;
            operations.push(open);
        }
        // The answer may come from a store and takes a while; whatever can change meanwhile is looked at after it.
        match self.managed.is_managed().await {
            Ok(true) => {}
            Ok(false) => return Err(PermitRefusal::NotManaged),
            Err(why) => return Err(PermitRefusal::ManagedUnknown(why)),
        }
        if self.cancelled.is_cancelled() {
            return Err(PermitRefusal::Cancelled);
        }
        // Last, since it is the one that time alone can change.
        if !self.lease.is_fresh() {
            return Err(PermitRefusal::LeaseLapsed);
        }
        Ok(operations)
    }

    fn learn(&self, key: &str, id: &str) {
        self.approved.learn(key, id);
    }

    fn lease(&self) -> Option<Arc<Lease>> {
        Some(Arc::clone(&self.lease))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use groupcast_guest::plan::part::{GroupRef, RemovalReason};

    use super::*;

    struct HandClock(AtomicU64);

    impl BootClock for HandClock {
        fn now(&self) -> Duration {
            Duration::from_millis(self.0.load(Ordering::SeqCst))
        }
    }

    #[derive(Default)]
    struct Intents(Mutex<BTreeSet<String>>);

    impl OpenIntents for Intents {
        fn is_open(&self, operation_json: &str) -> bool {
            self.0.lock().is_ok_and(|open| open.contains(operation_json))
        }
    }

    /// On, off, or nobody can say.
    #[derive(Default)]
    struct Switch(Mutex<Option<bool>>);

    #[async_trait]
    impl ManagedQuestion for Switch {
        async fn is_managed(&self) -> Result<bool, String> {
            self.0
                .lock()
                .unwrap()
                .ok_or_else(|| "the disk is full".to_owned())
        }
    }

    struct World {
        clock: Arc<HandClock>,
        managed: Arc<Switch>,
        cancelled: CancellationToken,
        permit: RunPermit,
    }

    fn add(group: GroupRef) -> Operation {
        Operation::AddMember {
            group,
            principal: "u1".into(),
            user: "s1".into(),
            address: "a@x".into(),
        }
    }

    fn world(operations: &[Operation], open: &[Operation]) -> World {
        let clock = Arc::new(HandClock(AtomicU64::new(1_000)));
        let lease = Arc::new(Lease::new(clock.clone()));
        lease.renewed(lease.before_renewal(), Duration::from_secs(10));
        let managed = Arc::new(Switch(Mutex::new(Some(true))));
        let asked = Arc::clone(&managed);
        let cancelled = CancellationToken::new();
        let intents = Intents::default();
        intents
            .0
            .lock()
            .unwrap()
            .extend(open.iter().map(Operation::to_json));
        World {
            clock,
            managed,
            cancelled: cancelled.clone(),
            permit: RunPermit {
                lease,
                managed: asked,
                cancelled,
                approved: Arc::new(ApprovedOperations::new(operations.iter().cloned())),
                intents: Arc::new(intents),
            },
        }
    }

    fn wire(group: &str) -> WireWrite {
        WireWrite::AddMember {
            group: group.into(),
            principal: "u1".into(),
        }
    }

    #[tokio::test]
    async fn r44_an_approved_operation_with_an_open_intent_passes() {
        let operation = add(GroupRef::Id("g".into()));
        let world = world(std::slice::from_ref(&operation), std::slice::from_ref(&operation));
        assert_eq!(world.permit.ask(&[wire("g")]).await, Ok(vec![operation]));
    }

    #[tokio::test]
    async fn r44_an_operation_that_is_not_approved_is_refused() {
        let operation = add(GroupRef::Id("g".into()));
        let world = world(std::slice::from_ref(&operation), std::slice::from_ref(&operation));
        let refusal = world.permit.ask(&[wire("g"), wire("other")]).await.unwrap_err();
        assert!(matches!(refusal, PermitRefusal::NotApproved(_)), "{refusal}");
        assert!(refusal.to_string().contains("other"), "{refusal}");
        let removal = WireWrite::RemoveMember {
            group: "g".into(),
            principal: "u1".into(),
        };
        assert!(world.permit.ask(&[removal]).await.is_err());
    }

    #[tokio::test]
    async fn r47_an_approved_operation_without_a_durable_intent_is_refused() {
        let operation = add(GroupRef::Id("g".into()));
        let world = world(&[operation], &[]);
        assert!(matches!(
            world.permit.ask(&[wire("g")]).await,
            Err(PermitRefusal::NoIntent(_))
        ));
    }

    #[tokio::test]
    async fn r47_of_two_approved_operations_that_look_alike_on_the_wire_the_open_one_is_taken() {
        let removal = |why| Operation::RemoveMember {
            group: GroupRef::Id("g".into()),
            principal: "u1".into(),
            user: None,
            address: String::new(),
            why,
        };
        let (first, second) = (
            removal(RemovalReason::LeftGroup),
            removal(RemovalReason::NotInSource),
        );
        let world = world(&[first, second.clone()], std::slice::from_ref(&second));
        let write = WireWrite::RemoveMember {
            group: "g".into(),
            principal: "u1".into(),
        };
        assert_eq!(world.permit.ask(&[write]).await, Ok(vec![second]));
    }

    #[tokio::test]
    async fn r36_a_write_is_refused_once_the_directory_is_no_longer_managed() {
        let operation = add(GroupRef::Id("g".into()));
        let world = world(std::slice::from_ref(&operation), std::slice::from_ref(&operation));
        *world.managed.0.lock().unwrap() = Some(false);
        assert_eq!(
            world.permit.ask(&[wire("g")]).await,
            Err(PermitRefusal::NotManaged)
        );
    }

    #[tokio::test]
    async fn r36_a_write_is_refused_while_nobody_can_say_whether_the_directory_is_managed() {
        let operation = add(GroupRef::Id("g".into()));
        let world = world(std::slice::from_ref(&operation), std::slice::from_ref(&operation));
        *world.managed.0.lock().unwrap() = None;
        assert_eq!(
            world.permit.ask(&[wire("g")]).await,
            Err(PermitRefusal::ManagedUnknown("the disk is full".to_owned()))
        );
    }

    #[tokio::test]
    async fn r36_a_write_is_refused_once_the_run_is_cancelled() {
        let operation = add(GroupRef::Id("g".into()));
        let world = world(std::slice::from_ref(&operation), std::slice::from_ref(&operation));
        world.cancelled.cancel();
        assert_eq!(
            world.permit.ask(&[wire("g")]).await,
            Err(PermitRefusal::Cancelled)
        );
    }

    #[tokio::test]
    async fn r48_a_write_is_refused_when_the_lease_ran_out_or_was_lost() {
        let operation = add(GroupRef::Id("g".into()));
        let world = world(std::slice::from_ref(&operation), std::slice::from_ref(&operation));
        world.clock.0.store(10_999, Ordering::SeqCst);
        assert!(world.permit.ask(&[wire("g")]).await.is_ok());
        world.clock.0.store(11_000, Ordering::SeqCst);
        assert_eq!(
            world.permit.ask(&[wire("g")]).await,
            Err(PermitRefusal::LeaseLapsed)
        );
        let lease = &world.permit.lease;
        lease.renewed(lease.before_renewal(), Duration::from_secs(10));
        assert!(world.permit.ask(&[wire("g")]).await.is_ok());
        lease.lost();
        assert_eq!(
            world.permit.ask(&[wire("g")]).await,
            Err(PermitRefusal::LeaseLapsed)
        );
    }

    #[tokio::test]
    async fn r48_the_time_that_the_store_takes_counts_against_the_lease() {
        let clock = Arc::new(HandClock(AtomicU64::new(0)));
        let lease = Lease::new(clock.clone());
        let asked = lease.before_renewal();
        clock.0.store(6_000, Ordering::SeqCst);
        lease.renewed(asked, Duration::from_secs(5));
        assert!(!lease.is_fresh());
    }

    #[tokio::test]
    async fn r44_a_member_of_a_group_yet_to_be_created_passes_once_the_vendor_has_named_its_id() {
        let create = Operation::CreateGroup {
            key: "k".into(),
            name: "N".into(),
            description: String::new(),
        };
        let member = add(GroupRef::New("k".into()));
        let all = [create, member.clone()];
        let world = world(&all, &all);
        assert!(matches!(
            world.permit.ask(&[wire("g9")]).await,
            Err(PermitRefusal::NotApproved(_))
        ));
        world.permit.learn("k", "g9");
        assert_eq!(world.permit.ask(&[wire("g9")]).await, Ok(vec![member]));
    }

    #[tokio::test]
    async fn r33_a_run_that_plans_has_no_permit_at_all() {
        assert_eq!(NoPermit.ask(&[wire("g")]).await, Err(PermitRefusal::ReadOnly));
    }

    #[test]
    fn the_boot_clock_goes_forward() {
        let first = SystemBootClock.now();
        assert!(first > Duration::ZERO);
        assert!(SystemBootClock.now() >= first);
    }
}
