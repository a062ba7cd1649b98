//! Puts a recording between the sandbox and a run's services, where runs are recorded.

use std::sync::Arc;

use groupcast_guest::engine::{Question, Run};
use serde::Serialize;

use super::groupcast::Groupcast;
use super::setup::ConnectionSetup;
use super::{Observer, RunRef};
use crate::plugin::{RunError, RunServices, Usage};
use crate::recording::{FORMAT, Head, Journalled, Kind, Recorder};

/// The recording of one run; none where it is not recorded.
pub(super) struct RunRecording {
    recorder: Option<Arc<Recorder>>,
    about: RunRef,
    observer: Arc<dyn Observer>,
}

impl RunRecording {
    /// The run has ended.
    pub(super) fn end<T: Serialize>(self, result: &Result<(T, Usage), RunError>) {
        if let Some(path) = self.recorder.and_then(|recorder| recorder.end(result)) {
            self.observer.recorded(&self.about, &path);
        }
    }
}

impl Groupcast {
    /// The services, past a recording if runs are recorded.
    pub(super) fn recorded(
        &self,
        setup: &ConnectionSetup,
        kind: Kind,
        run: &Run,
        question: Option<&Question>,
        services: Arc<dyn RunServices>,
    ) -> (Arc<dyn RunServices>, RunRecording) {
        let recorder = self.recordings.as_ref().and_then(|recordings| {
            let head = Head {
                format: FORMAT.to_owned(),
                host: env!("CARGO_PKG_VERSION").to_owned(),
                started: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
                connection: setup.id.to_string(),
                kind,
                component: self.plugin_of(setup).digest.clone(),
                redacted: false,
                limits: (&setup.limits).into(),
                run: run.clone(),
                question: question.cloned(),
            };
            Recorder::start(recordings, &head)
        });
        let services = match &recorder {
            Some(recorder) => Arc::new(Journalled::noting(
                services,
                Arc::clone(recorder) as Arc<dyn crate::plugin::journal::Journal>,
            )) as Arc<dyn RunServices>,
            None => services,
        };
        let recording = RunRecording {
            recorder,
            about: self.run_ref(&setup.id, &run.id),
            observer: Arc::clone(&self.observer),
        };
        (services, recording)
    }
}
