//! Our own imports past a journal: made and noted, or answered from it. Requests are not here: the component sees their
//! answers at another time than they come, so `plugin::tapped` notes them.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use groupcast_guest::failure::{Failure, FailureKind};

use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome};
use crate::plugin::journal::{Answer, Blob, Call, Journal};
use crate::plugin::{Event, LogLevel, NoAnswer, Page, RunServices, Violation};

/// The services of a run and its journal; a replay has no services.
pub struct Journalled {
    services: Option<Arc<dyn RunServices>>,
    journal: Arc<dyn Journal>,
}

impl Journalled {
    /// Notes what the services answer.
    pub fn noting(services: Arc<dyn RunServices>, journal: Arc<dyn Journal>) -> Self {
        Self {
            services: Some(services),
            journal,
        }
    }

    /// Answers from the journal.
    pub fn replaying(journal: Arc<dyn Journal>) -> Self {
        Self {
            services: None,
            journal,
        }
    }

    fn services(&self) -> Result<&dyn RunServices, Failure> {
        self.services.as_deref().ok_or_else(left)
    }
}

/// What the component hears after it left its recording; the replay has ended, and tells why.
fn left() -> Failure {
    Failure::new(
        FailureKind::Cancelled,
        "replay",
        "the recording has no answer to this call",
    )
}

/// One call: answered from the journal, or made and noted.
macro_rules! journalled {
    ($self:ident, $call:expr, $real:expr, $to:expr, $from:pat => $value:expr) => {{
        let call = $call;
        match $self.journal.answer(&call) {
            Ok(Some($from)) => Ok($value),
            Ok(Some(Answer::Failed(failure))) => Err(failure),
            Ok(Some(_)) | Err(_) => Err(left()),
            Ok(None) => {
                let result = $real($self.services()?).await;
                let answer = match &result {
                    Ok(value) => $to(value),
                    Err(failure) => Answer::Failed(Failure::clone(failure)),
                };
                $self.journal.note(call, answer);
                result
            }
        }
    }};
}

#[async_trait]
impl RunServices for Journalled {
    fn journal(&self) -> Option<Arc<dyn Journal>> {
        Some(Arc::clone(&self.journal))
    }

    fn may_write(&self, request: &http::Request<Bytes>) -> bool {
        self.services
            .as_ref()
            .is_some_and(|services| services.may_write(request))
    }

    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, NoAnswer> {
        match &self.services {
            Some(services) => services.send(request).await,
            None => Err(NoAnswer::Denied),
        }
    }

    async fn put_part(&self, part: Vec<u8>) -> Result<(), Failure> {
        let part = Bytes::from(part);
        journalled!(
            self,
            Call::PutPart(part.clone().into()),
            async |services: &dyn RunServices| services.put_part(part.to_vec()).await,
            |(): &()| Answer::Done,
            Answer::Done => ()
        )
    }

    async fn next_part(&self) -> Result<Option<Vec<u8>>, Failure> {
        journalled!(
            self,
            Call::NextPart,
            async |services: &dyn RunServices| services.next_part().await,
            |part: &Option<Vec<u8>>| Answer::Part(part.clone().map(Blob::from)),
            Answer::Part(part) => part.map(|part| part.0.to_vec())
        )
    }

    async fn bindings(&self, after: Option<&str>) -> Result<Page<Binding>, Failure> {
        journalled!(
            self,
            Call::Bindings(after.map(ToOwned::to_owned)),
            async |services: &dyn RunServices| services.bindings(after).await,
            |(items, next): &Page<Binding>| Answer::Bindings(items.clone(), next.clone()),
            Answer::Bindings(items, next) => (items, next)
        )
    }

    async fn memberships(&self, group: &str, after: Option<&str>) -> Result<Page<Membership>, Failure> {
        journalled!(
            self,
            Call::Memberships(group.to_owned(), after.map(ToOwned::to_owned)),
            async |services: &dyn RunServices| services.memberships(group, after).await,
            |(items, next): &Page<Membership>| Answer::Memberships(items.clone(), next.clone()),
            Answer::Memberships(items, next) => (items, next)
        )
    }

    async fn intend(&self, intents: Vec<Intent>) -> Result<Vec<u64>, Failure> {
        journalled!(
            self,
            Call::Intend(intents.clone()),
            async |services: &dyn RunServices| services.intend(intents).await,
            |ids: &Vec<u64>| Answer::Ids(ids.clone()),
            Answer::Ids(ids) => ids
        )
    }

    async fn settle(&self, outcomes: Vec<Outcome>) -> Result<(), Failure> {
        journalled!(
            self,
            Call::Settle(outcomes.clone()),
            async |services: &dyn RunServices| services.settle(outcomes).await,
            |(): &()| Answer::Done,
            Answer::Done => ()
        )
    }

    async fn amend(&self, effects: Vec<Effect>) -> Result<(), Failure> {
        journalled!(
            self,
            Call::Amend(effects.clone()),
            async |services: &dyn RunServices| services.amend(effects).await,
            |(): &()| Answer::Done,
            Answer::Done => ()
        )
    }

    async fn unsettled(&self, after: u64) -> Result<Vec<OpenIntent>, Failure> {
        journalled!(
            self,
            Call::Unsettled(after),
            async |services: &dyn RunServices| services.unsettled(after).await,
            |open: &Vec<OpenIntent>| Answer::Open(open.clone()),
            Answer::Open(open) => open
        )
    }

    async fn state_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, Failure> {
        journalled!(
            self,
            Call::StateGet(key.to_owned()),
            async |services: &dyn RunServices| services.state_get(key).await,
            |value: &Option<(Vec<u8>, u64)>| Answer::Value(
                value.clone().map(|(bytes, version)| (bytes.into(), version))
            ),
            Answer::Value(value) => value.map(|(bytes, version)| (bytes.0.to_vec(), version))
        )
    }

    async fn state_put(
        &self,
        key: &str,
        value: Vec<u8>,
        expected: Option<u64>,
    ) -> Result<Option<u64>, Failure> {
        journalled!(
            self,
            Call::StatePut(key.to_owned(), value.clone().into(), expected),
            async |services: &dyn RunServices| services.state_put(key, value, expected).await,
            |version: &Option<u64>| Answer::Version(*version),
            Answer::Version(version) => version
        )
    }

    fn report(&self, event: Event) {
        let call = Call::Report(event.clone());
        if let Ok(None) = self.journal.answer(&call) {
            if let Some(services) = &self.services {
                services.report(event);
            }
            self.journal.note(call, Answer::Done);
        }
    }

    fn log(&self, level: LogLevel, message: &str) {
        let call = Call::Log(level, message.to_owned());
        if let Ok(None) = self.journal.answer(&call) {
            if let Some(services) = &self.services {
                services.log(level, message);
            }
            self.journal.note(call, Answer::Done);
        }
    }

    fn violated(&self, violation: &Violation) {
        if let Some(services) = &self.services {
            services.violated(violation);
        }
    }
}
