//! One lane of writing: a queue of jobs, sent twenty at a time. A refused addition is split in halves down to the
//! culprit; an object that is not shown yet is waited for; "already there" and "not there" are read back
//! at the end (R40). Creations are not made here.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::errors::Meaning;
use super::graph::{Graph, Outcome, Reply};
use super::request::{BATCH, ObjectId, Request};
use super::types::UpdateGroup;
use super::write::{NOT_GRAPHS, SHOW_UP_TRIES, may_have_happened, member_ids, result, unanswered, unknown};
use crate::failure::Failure;
use crate::ledger::Settlement;
use crate::target::WriteResult;

/// One write of one group; `index` is its place in what the engine handed over.
#[derive(Debug, Clone)]
pub enum Step {
    /// Changes the group.
    Update {
        /// Place.
        index: usize,
        /// What changes.
        body: UpdateGroup,
    },
    /// Adds a member.
    Add {
        /// Place.
        index: usize,
        /// Whom.
        member: ObjectId,
    },
    /// Removes a member.
    Remove {
        /// Place.
        index: usize,
        /// Whom.
        member: ObjectId,
    },
}

/// A member and the writes that are about it; more than one only where the engine repeats itself.
#[derive(Debug, Clone)]
struct Person {
    id: ObjectId,
    indices: Vec<usize>,
}

#[derive(Debug, Clone)]
enum Work {
    Update { index: usize, body: UpdateGroup },
    Add(Vec<Person>),
    Remove(Person),
}

/// One request to be sent.
#[derive(Debug, Clone)]
struct Job {
    group: ObjectId,
    work: Work,
    /// Times that Graph did not know the object.
    missing: u32,
    /// Not before this moment of the monotonic clock.
    due_ms: u64,
}

/// What is read back at the end.
#[derive(Debug)]
struct Doubt {
    person: Person,
    /// Whether the person should be in the group.
    wanted: bool,
    /// The result if the person is not as wanted.
    otherwise: WriteResult,
}

/// One lane.
#[derive(Debug)]
pub struct Lane<'g, 'e> {
    graph: &'g Graph<'e>,
    queue: VecDeque<Job>,
    doubts: BTreeMap<ObjectId, Vec<Doubt>>,
    results: BTreeMap<usize, WriteResult>,
}

impl Work {
    fn indices(&self) -> Vec<usize> {
        match self {
            Self::Update { index, .. } => vec![*index],
            Self::Add(people) => people.iter().flat_map(|person| person.indices.clone()).collect(),
            Self::Remove(person) => person.indices.clone(),
        }
    }
}

impl Job {
    fn new(group: &ObjectId, work: Work) -> Self {
        Self {
            group: group.clone(),
            work,
            missing: 0,
            due_ms: 0,
        }
    }

    fn request(&self) -> Request {
        let group = self.group.clone();
        match &self.work {
            Work::Update { body, .. } => Request::Update {
                group,
                body: body.clone(),
            },
            Work::Add(people) => Request::Add {
                group,
                members: people.iter().map(|person| person.id.clone()).collect(),
            },
            Work::Remove(person) => Request::Remove {
                group,
                member: person.id.clone(),
            },
        }
    }
}

impl<'g, 'e> Lane<'g, 'e> {
    /// An empty lane.
    pub fn new(graph: &'g Graph<'e>) -> Self {
        Self {
            graph,
            queue: VecDeque::new(),
            doubts: BTreeMap::new(),
            results: BTreeMap::new(),
        }
    }

    /// Takes one group's steps: updates first, then additions twenty at a time, then removals.
    pub fn enqueue(&mut self, group: &ObjectId, steps: Vec<Step>) {
        let mut updates = Vec::new();
        let mut adds = People::default();
        let mut removals = People::default();
        for step in steps {
            match step {
                Step::Update { index, body } => updates.push(Work::Update { index, body }),
                Step::Add { index, member } => adds.take(member, index),
                Step::Remove { index, member } => removals.take(member, index),
            }
        }
        let adds = adds.list.chunks(BATCH).map(|people| Work::Add(people.to_vec()));
        let removals = removals.list.into_iter().map(Work::Remove);
        self.queue.extend(
            updates
                .into_iter()
                .chain(adds)
                .chain(removals)
                .map(|work| Job::new(group, work)),
        );
    }

    /// Works the queue off; results by the place of the write.
    pub async fn run(mut self) -> BTreeMap<usize, WriteResult> {
        while !self.queue.is_empty() {
            let now = self.now();
            let jobs = self.take_due(now);
            if jobs.is_empty() {
                let due = self.queue.iter().map(|job| job.due_ms).min().unwrap_or(now);
                let wait = due.saturating_sub(now);
                self.graph.environment().clock.sleep_ms(wait.max(1)).await;
                continue;
            }
            let requests: Vec<Request> = jobs.iter().map(Job::request).collect();
            let outcomes = self.graph.batch(&requests).await;
            let shown = self.shown(&jobs, &outcomes).await;
            let mut failed = None;
            for (job, outcome) in jobs.into_iter().zip(outcomes) {
                match outcome {
                    Ok(reply) => self.take(job, &reply, &shown),
                    Err(failure) => {
                        self.lose(job, &failure);
                        failed = Some(failure);
                    }
                }
            }
            if let Some(failure) = failed {
                self.abandon(&failure);
            }
        }
        self.read_back().await;
        self.results
    }

    fn now(&self) -> u64 {
        self.graph.environment().clock.monotonic_ms()
    }

    /// Takes up to twenty jobs that are due, in order. Of a group, nothing overtakes a job that waits, except
    /// that additions do not wait for one another.
    fn take_due(&mut self, now: u64) -> Vec<Job> {
        let mut due = Vec::new();
        let mut rest = VecDeque::new();
        let mut waiting: BTreeSet<ObjectId> = BTreeSet::new();
        for job in std::mem::take(&mut self.queue) {
            let blocked = waiting.contains(&job.group) && !matches!(job.work, Work::Add(_));
            if due.len() < BATCH && job.due_ms <= now && !blocked {
                due.push(job);
            } else {
                waiting.insert(job.group.clone());
                rest.push_back(job);
            }
        }
        self.queue = rest;
        due
    }

    /// Of the groups for which an addition of several people answered "not found": those that exist. Then it is a
    /// person who is missing, and the addition is split; else the group does not show yet, and it waits.
    async fn shown(&self, jobs: &[Job], outcomes: &[Outcome]) -> BTreeSet<ObjectId> {
        let unclear: BTreeSet<ObjectId> = jobs
            .iter()
            .zip(outcomes)
            .filter(|(job, outcome)| {
                matches!(&job.work, Work::Add(people) if people.len() > 1)
                    && outcome
                        .as_ref()
                        .is_ok_and(|reply| reply.meaning() == Meaning::Missing)
            })
            .map(|(job, _)| job.group.clone())
            .collect();
        let requests: Vec<Request> = unclear.iter().cloned().map(Request::Group).collect();
        let outcomes = self.graph.read(&requests).await;
        unclear
            .into_iter()
            .zip(outcomes)
            .filter(|(_, outcome)| {
                outcome
                    .as_ref()
                    .is_ok_and(|reply| reply.meaning() == Meaning::Done)
            })
            .map(|(group, _)| group)
            .collect()
    }

    /// Takes an answer in.
    fn take(&mut self, mut job: Job, reply: &Reply, shown: &BTreeSet<ObjectId>) {
        let answer = Some(reply.classified.answer.clone());
        let refused = result(Settlement::Refused, answer.clone(), reply.classified.explain());
        match (reply.meaning(), &job.work) {
            // These writes answer 204; any other success is a proxy's.
            (Meaning::Done, _) if reply.classified.answer.status == 204 => {
                self.finish(&job, &result(Settlement::Applied, answer, ""));
            }
            (Meaning::Done, _) => self.doubt(job, &unknown(answer, NOT_GRAPHS)),
            // Nothing was done, and more tries are the next run's.
            (Meaning::Throttled | Meaning::Depended, _) => self.finish(
                &job,
                &result(Settlement::Abandoned, answer, reply.classified.explain()),
            ),
            (Meaning::Transient, _) => {
                self.doubt(job, &unknown(answer, &reply.classified.explain()));
            }
            (Meaning::Missing, Work::Remove(_)) => self.doubt(job, &refused),
            (Meaning::Missing, Work::Add(people)) if people.len() > 1 && shown.contains(&job.group) => {
                self.split(&job);
            }
            (Meaning::Missing, _) if job.missing < SHOW_UP_TRIES => {
                job.due_ms = self.now() + (1_000 << job.missing);
                job.missing += 1;
                self.queue.push_front(job);
            }
            (Meaning::MemberAlready | Meaning::Refused, Work::Add(people)) if people.len() > 1 => {
                self.split(&job);
            }
            (Meaning::MemberAlready, Work::Add(_)) => self.doubt(job, &refused),
            _ => self.finish(&job, &refused),
        }
    }

    /// Sends the halves of a refused addition. At the front: a removal of the same group must not overtake them.
    fn split(&mut self, job: &Job) {
        if let Work::Add(people) = &job.work {
            let (first, second) = people.split_at(people.len() / 2);
            for half in [second, first] {
                self.queue
                    .push_front(Job::new(&job.group, Work::Add(half.to_vec())));
            }
        }
    }

    /// Notes a request that got no answer.
    fn lose(&mut self, job: Job, failure: &Failure) {
        let otherwise = unanswered(failure);
        if may_have_happened(failure) {
            self.doubt(job, &otherwise);
        } else {
            self.finish(&job, &otherwise);
        }
    }

    /// Gives up what was not sent.
    fn abandon(&mut self, failure: &Failure) {
        let message = format!("It was not sent, since a request before it failed: {failure}");
        for job in std::mem::take(&mut self.queue) {
            self.finish(
                &job,
                &result(Settlement::Abandoned, failure.vendor.clone(), message.clone()),
            );
        }
    }

    fn finish(&mut self, job: &Job, result: &WriteResult) {
        for index in job.work.indices() {
            self.results.insert(index, result.clone());
        }
    }

    fn doubt(&mut self, job: Job, otherwise: &WriteResult) {
        let (people, wanted) = match job.work {
            // An update that is not known to have happened is planned again by the next run.
            Work::Update { .. } => return self.finish(&job, otherwise),
            Work::Add(people) => (people, true),
            Work::Remove(person) => (vec![person], false),
        };
        let doubts = self.doubts.entry(job.group).or_default();
        doubts.extend(people.into_iter().map(|person| Doubt {
            person,
            wanted,
            otherwise: otherwise.clone(),
        }));
    }

    /// Reads the groups in doubt; more than once where the answer does not agree, since reads lag behind writes.
    async fn read_back(&mut self) {
        for (group, mut doubts) in std::mem::take(&mut self.doubts) {
            for attempt in 0..=SHOW_UP_TRIES {
                let Ok(present) = member_ids(self.graph, &group).await else {
                    break;
                };
                doubts.retain(|doubt| {
                    let agrees = present.contains(doubt.person.id.as_str()) == doubt.wanted;
                    if agrees {
                        for index in &doubt.person.indices {
                            let answer = doubt.otherwise.answer.clone();
                            self.results
                                .insert(*index, result(Settlement::Already, answer, ""));
                        }
                    }
                    !agrees
                });
                if doubts.is_empty() {
                    break;
                }
                if attempt < SHOW_UP_TRIES {
                    self.graph.pause(attempt).await;
                }
            }
            for doubt in doubts {
                for index in doubt.person.indices {
                    self.results.insert(index, doubt.otherwise.clone());
                }
            }
        }
    }
}

/// People in the order they came, each once: the same person never stands twice in one request.
#[derive(Debug, Default)]
struct People {
    list: Vec<Person>,
    places: BTreeMap<ObjectId, usize>,
}

impl People {
    fn take(&mut self, id: ObjectId, index: usize) {
        if let Some(person) = self.places.get(&id).and_then(|place| self.list.get_mut(*place)) {
            person.indices.push(index);
            return;
        }
        self.places.insert(id.clone(), self.list.len());
        self.list.push(Person {
            id,
            indices: vec![index],
        });
    }
}
