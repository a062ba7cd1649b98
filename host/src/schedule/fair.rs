//! Who is next, of many tenants that wait for a few places: fair queueing by virtual time, as in a network's switch.
//!
//! Each tenant has an account of the time that its jobs took. The next place goes to the tenant with the lowest account;
//! a tenant that comes back after a rest begins level with the others, so that nobody saves time up, and debts are
//! bounded, so that nobody pays for a long job for ever. Hence a flood of one tenant delays another's job by no more than
//! the jobs at work. Jobs that take long may hold all places but a few, which are kept for short ones.
//!
//! Pure: no clock, no store, no task. What may not enter: what a job does.

use std::collections::{BTreeMap, VecDeque};

/// How many jobs are at work at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Places {
    /// Of all tenants.
    pub all: usize,
    /// Of these, kept for jobs that do not take long. Where long jobs hold all places after all (nobody knew that they
    /// take long), this many short ones are at work besides.
    pub kept_for_short: usize,
    /// Of one tenant.
    pub per_tenant: usize,
}

/// What goes first within a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Somebody asked.
    Request,
    /// Something changed.
    Event,
    /// Its time came.
    Schedule,
}

/// A job that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Waiting {
    key: u64,
    class: Class,
    long: bool,
    /// What it is expected to take, in milliseconds.
    cost: u64,
}

/// A job at work.
#[derive(Debug, Clone, PartialEq, Eq)]
struct AtWork {
    tenant: String,
    long: bool,
    charged: u64,
}

/// The most that a tenant can be behind the others, in milliseconds.
const LARGEST_DEBT: u64 = 60_000;

#[derive(Debug, Default)]
struct Tenant {
    /// What its ended jobs took, in milliseconds of virtual time.
    took: u64,
    /// What its jobs at work are expected to take.
    expected: u64,
    waiting: VecDeque<Waiting>,
    at_work: usize,
}

/// The queue. Jobs are named by a number of the caller's.
#[derive(Debug)]
pub struct Fair {
    places: Places,
    /// The lowest account of all who were busy when somebody came last: nobody who comes begins below it.
    now: u64,
    tenants: BTreeMap<String, Tenant>,
    at_work: BTreeMap<u64, AtWork>,
    long_at_work: usize,
    waiting: usize,
    /// Who was given a place last, for ties.
    last: Option<String>,
}

impl Fair {
    /// A queue with nothing in it. Each number of places is at least one.
    pub fn new(places: Places) -> Self {
        let all = places.all.max(1);
        Self {
            places: Places {
                all,
                kept_for_short: places.kept_for_short.min(all - 1),
                per_tenant: places.per_tenant.max(1),
            },
            now: 0,
            tenants: BTreeMap::new(),
            at_work: BTreeMap::new(),
            long_at_work: 0,
            waiting: 0,
            last: None,
        }
    }

    /// A job waits from now on. `cost`: what it is expected to take, in milliseconds.
    pub fn enqueue(&mut self, tenant: &str, key: u64, class: Class, long: bool, cost: u64) {
        let is_busy = |tenant: &Tenant| !tenant.waiting.is_empty() || tenant.at_work > 0;
        let busy = self.tenants.values().filter(|tenant| is_busy(tenant));
        if let Some(lowest) = busy.map(|tenant| tenant.took).min() {
            self.now = self.now.max(lowest);
        }
        let now = self.now;
        let tenant = self.tenants.entry(tenant.to_owned()).or_default();
        if !is_busy(tenant) {
            tenant.took = tenant.took.clamp(now, now.saturating_add(LARGEST_DEBT));
        }
        let place = tenant
            .waiting
            .iter()
            .position(|other| other.class > class)
            .unwrap_or(tenant.waiting.len());
        let job = Waiting {
            key,
            class,
            long,
            cost: cost.max(1),
        };
        tenant.waiting.insert(place, job);
        self.waiting += 1;
    }

    /// A job waits no longer; whether it did.
    pub fn withdraw(&mut self, tenant: &str, key: u64) -> bool {
        let Some(known) = self.tenants.get_mut(tenant) else {
            return false;
        };
        let before = known.waiting.len();
        known.waiting.retain(|job| job.key != key);
        let gone = before - known.waiting.len();
        self.waiting -= gone;
        self.forget(tenant);
        gone > 0
    }

    /// The job that gets a place now; none where no place is free, or nobody who waits may have it.
    #[expect(
        clippy::should_implement_trait,
        reason = "a queue and no iterator: what comes next depends on what ended meanwhile"
    )]
    pub fn next(&mut self) -> Option<u64> {
        let may_short = self.has_place(false);
        let may_long = self.has_place(true);
        if !may_short && !may_long {
            return None;
        }
        let per_tenant = self.places.per_tenant;
        let allowed = |job: &Waiting| if job.long { may_long } else { may_short };
        // Of equals the one after whoever was served last: else the first in the alphabet would always be first.
        let last = self.last.as_deref();
        let (name, position) = self
            .tenants
            .iter()
            .filter(|(_, tenant)| tenant.at_work < per_tenant)
            .filter_map(|(name, tenant)| {
                let position = tenant.waiting.iter().position(allowed)?;
                Some((
                    tenant.took.saturating_add(tenant.expected),
                    last.is_some_and(|last| name.as_str() <= last),
                    name,
                    position,
                ))
            })
            .min()
            .map(|(_, _, name, position)| (name.clone(), position))?;
        let tenant = self.tenants.get_mut(&name)?;
        let job = tenant.waiting.remove(position)?;
        self.waiting -= 1;
        tenant.expected = tenant.expected.saturating_add(job.cost);
        tenant.at_work += 1;
        self.long_at_work += usize::from(job.long);
        self.at_work.insert(
            job.key,
            AtWork {
                tenant: name.clone(),
                long: job.long,
                charged: job.cost,
            },
        );
        self.last = Some(name);
        Some(job.key)
    }

    fn has_place(&self, long: bool) -> bool {
        let running = self.at_work.len();
        let Places {
            all, kept_for_short, ..
        } = self.places;
        if long {
            running < all && self.long_at_work < all - kept_for_short
        } else {
            running < all || running - self.long_at_work < kept_for_short && running < all + kept_for_short
        }
    }

    /// A job at work turns out to take long.
    pub fn takes_long(&mut self, key: u64) {
        if let Some(job) = self.at_work.get_mut(&key)
            && !job.long
        {
            job.long = true;
            self.long_at_work += 1;
        }
    }

    /// A job has ended; `took`: milliseconds that it was at work.
    pub fn ended(&mut self, key: u64, took: u64) {
        let Some(job) = self.at_work.remove(&key) else {
            return;
        };
        self.long_at_work -= usize::from(job.long);
        if let Some(tenant) = self.tenants.get_mut(&job.tenant) {
            tenant.at_work -= 1;
            tenant.expected = tenant.expected.saturating_sub(job.charged);
            tenant.took = tenant.took.saturating_add(took.max(1));
        }
        self.forget(&job.tenant);
    }

    /// A tenant at rest needs no account once the others have caught up with it.
    fn forget(&mut self, name: &str) {
        if let Some(tenant) = self.tenants.get(name)
            && tenant.waiting.is_empty()
            && tenant.at_work == 0
            && tenant.took <= self.now
        {
            self.tenants.remove(name);
        }
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Jobs at work, and how many of them take long.
    pub fn at_work(&self) -> (usize, usize) {
        (self.at_work.len(), self.long_at_work)
    }

    /// The most that can be at work at once.
    pub fn most(&self) -> usize {
        self.places.all + self.places.kept_for_short
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn queue(all: usize, kept_for_short: usize, per_tenant: usize) -> Fair {
        Fair::new(Places {
            all,
            kept_for_short,
            per_tenant,
        })
    }

    #[test]
    fn a_flood_of_one_tenant_delays_another_by_the_jobs_at_work_alone() {
        let mut fair = queue(2, 0, 2);
        for key in 0..1_000 {
            fair.enqueue("flood", key, Class::Schedule, false, 100);
        }
        assert!(fair.next().is_some() && fair.next().is_some() && fair.next().is_none());
        fair.enqueue("other", 5_000, Class::Schedule, false, 100);
        fair.ended(0, 100);
        assert_eq!(fair.next(), Some(5_000));
    }

    #[test]
    fn requests_go_before_events_and_events_before_schedules_of_the_same_tenant() {
        let mut fair = queue(1, 0, 1);
        fair.enqueue("one", 1, Class::Schedule, false, 1);
        fair.enqueue("one", 2, Class::Event, false, 1);
        fair.enqueue("one", 3, Class::Request, false, 1);
        fair.enqueue("one", 4, Class::Request, false, 1);
        let mut order = Vec::new();
        while let Some(key) = fair.next() {
            order.push(key);
            fair.ended(key, 1);
        }
        assert_eq!(order, [3, 4, 2, 1]);
    }

    #[test]
    fn long_jobs_never_hold_the_places_that_are_kept_for_short_ones() {
        let mut fair = queue(4, 1, 4);
        for key in 0..10 {
            fair.enqueue(&format!("long-{key}"), key, Class::Schedule, true, 60_000);
        }
        let mut long = 0;
        while fair.next().is_some() {
            long += 1;
        }
        assert_eq!(long, 3);
        fair.enqueue("small", 100, Class::Schedule, false, 50);
        assert_eq!(fair.next(), Some(100));
    }

    #[test]
    fn jobs_that_nobody_knew_to_take_long_do_not_stop_short_ones_either() {
        let mut fair = queue(2, 1, 2);
        for key in 0..2 {
            fair.enqueue(&format!("new-{key}"), key, Class::Request, false, 50);
        }
        assert!(fair.next().is_some() && fair.next().is_some());
        fair.enqueue("small", 100, Class::Schedule, false, 50);
        fair.takes_long(0);
        fair.takes_long(1);
        assert_eq!(fair.next(), Some(100));
    }

    #[test]
    fn a_tenant_whose_jobs_take_longer_gets_fewer_of_them() {
        let mut fair = queue(1, 0, 1);
        for key in 0..200 {
            fair.enqueue("slow", key, Class::Schedule, false, 10);
            fair.enqueue("quick", 1_000 + key, Class::Schedule, false, 10);
        }
        let mut served = (0u32, 0u32);
        for _ in 0..110 {
            let key = fair.next().unwrap();
            if key < 1_000 {
                served.0 += 1;
                fair.ended(key, 100);
            } else {
                served.1 += 1;
                fair.ended(key, 10);
            }
        }
        assert!((9..=11).contains(&served.0), "{served:?}");
    }

    #[derive(Debug, Clone)]
    enum Step {
        Enqueue {
            tenant: u8,
            class: u8,
            long: bool,
            cost: u16,
        },
        Next,
        End {
            which: usize,
            took: u16,
        },
        Withdraw {
            which: usize,
        },
        Long {
            which: usize,
        },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..6u8, 0..3u8, any::<bool>(), 1..500u16)
                .prop_map(|(tenant, class, long, cost)| Step::Enqueue { tenant, class, long, cost }),
            4 => Just(Step::Next),
            2 => (any::<usize>(), 0..500u16).prop_map(|(which, took)| Step::End { which, took }),
            1 => any::<usize>().prop_map(|which| Step::Withdraw { which }),
            1 => any::<usize>().prop_map(|which| Step::Long { which }),
        ]
    }

    proptest! {
        /// Nothing is lost, nothing is served twice, no bound is broken, and no place stays free for which somebody
        /// waits.
        #[test]
        fn every_bound_holds_whatever_happens(
            all in 1..6usize, kept in 0..3usize, per_tenant in 1..4usize,
            steps in proptest::collection::vec(step(), 1..200),
        ) {
            let mut fair = queue(all, kept, per_tenant);
            let kept = kept.min(all - 1);
            let mut waiting: Vec<(u64, String, bool)> = Vec::new();
            let mut running: Vec<(u64, String, bool)> = Vec::new();
            let mut keys = 0;
            for step in steps {
                match step {
                    Step::Enqueue { tenant, class, long, cost } => {
                        keys += 1;
                        let class = [Class::Request, Class::Event, Class::Schedule][usize::from(class)];
                        let tenant = format!("t{tenant}");
                        fair.enqueue(&tenant, keys, class, long, cost.into());
                        waiting.push((keys, tenant, long));
                    }
                    Step::Next => {
                        let at_work = |tenant: &str| running.iter().filter(|(_, of, _)| of == tenant).count();
                        match fair.next() {
                            Some(key) => {
                                let place = waiting.iter().position(|(known, ..)| *known == key);
                                let job = waiting.remove(place.expect("it waited"));
                                prop_assert!(at_work(&job.1) < per_tenant);
                                running.push(job);
                            }
                            None => {
                                if running.len() < all {
                                    let long = running.iter().filter(|(.., long)| *long).count();
                                    for (_, tenant, is_long) in &waiting {
                                        prop_assert!(
                                            at_work(tenant) >= per_tenant || *is_long && long >= all - kept,
                                            "a place stays free while {tenant} waits"
                                        );
                                    }
                                }
                            }
                        }
                    }
                    Step::End { which, took } if !running.is_empty() => {
                        let job = running.remove(which % running.len());
                        fair.ended(job.0, took.into());
                    }
                    Step::Withdraw { which } if !waiting.is_empty() => {
                        let job = waiting.remove(which % waiting.len());
                        prop_assert!(fair.withdraw(&job.1, job.0));
                        prop_assert!(!fair.withdraw(&job.1, job.0));
                    }
                    Step::Long { which } if !running.is_empty() => {
                        let place = which % running.len();
                        fair.takes_long(running[place].0);
                        running[place].2 = true;
                    }
                    _ => {}
                }
                prop_assert_eq!(fair.waiting(), waiting.len());
                let long = running.iter().filter(|(.., long)| *long).count();
                prop_assert_eq!(fair.at_work(), (running.len(), long));
                prop_assert!(running.len() <= fair.most());
            }
        }

        /// Whoever comes from rest with one job is served before the flood's next one, however much the flood has
        /// waiting: as soon as one place is free.
        #[test]
        fn who_comes_from_rest_is_next(
            places in 1..5usize, flood in 1..200u64, served in 0..50usize, cost in 1..1_000u64, took in 1..1_000u64,
        ) {
            let mut fair = queue(places, 0, places);
            for key in 0..flood {
                fair.enqueue("flood", key, Class::Request, false, cost);
            }
            let mut running = VecDeque::new();
            for _ in 0..served {
                while let Some(key) = fair.next() {
                    running.push_back(key);
                }
                if let Some(key) = running.pop_front() {
                    fair.ended(key, took);
                }
            }
            fair.enqueue("rested", 10_000, Class::Schedule, false, cost);
            // Its turn is the very next, or that after one of equals.
            let first = fair.next();
            let second = if first == Some(10_000) { first } else {
                running.extend(first);
                if let Some(key) = running.pop_front() {
                    fair.ended(key, took);
                }
                fair.next()
            };
            prop_assert!(first == Some(10_000) || second == Some(10_000));
        }

        /// Tenants that always have something waiting get shares of the time that differ by two jobs at most.
        #[test]
        fn shares_of_the_time_are_equal(costs in proptest::collection::vec(1..200u64, 2..6)) {
            let mut fair = queue(1, 0, 1);
            let longest = *costs.iter().max().unwrap();
            let mut time = vec![0u64; costs.len()];
            for (tenant, cost) in costs.iter().enumerate() {
                for number in 0..2_000u64 {
                    let key = tenant as u64 * 10_000 + number;
                    fair.enqueue(&format!("t{tenant}"), key, Class::Schedule, false, *cost);
                }
            }
            for _ in 0..500 {
                let key = fair.next().unwrap();
                let tenant = usize::try_from(key / 10_000).unwrap();
                fair.ended(key, costs[tenant]);
                time[tenant] += costs[tenant];
            }
            let spread = time.iter().max().unwrap() - time.iter().min().unwrap();
            prop_assert!(spread <= 2 * longest, "{time:?} of {costs:?}");
        }
    }
}
