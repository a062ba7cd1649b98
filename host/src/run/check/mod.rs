//! The verb `check`: a doctor who writes nothing. What only the host can find out it finds out itself: the network, the
//! credentials and what they allow, the clocks, who really answers. The component, which never sees a credential, reads
//! everything else. One fault does not hide another: whatever can be asked is asked, and all findings are told at once.

mod privileges;
mod signs;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use groupcast_guest::engine::{Extent, Finding, Severity};
use groupcast_guest::words::count;
use tokio_util::sync::CancellationToken;
use tracing::field::Empty;

pub(super) use signs::Signs;

use super::ConnectionName;
use super::groupcast::Groupcast;
use super::host::Access;
use super::outcome::{CheckReport, RunFailure};
use super::recorder::RunRecorder;
use super::setup::ConnectionSetup;
use crate::credentials::{
    Attached, CredentialError, CredentialErrorKind, CredentialSource, Diagnosis, Facts,
};
use crate::egress::date;
use crate::egress::permit::NoPermit;
use crate::egress::policy::Phase;
use crate::plugin::{RunServices, Usage};
use crate::recording::Kind;
use crate::secrets::Urgency;
use crate::secrets::expiry::when;
use crate::store::{RunKind, RunResult};

impl Groupcast {
    /// Can everything that a sync needs be reached and read, and who is at risk? Never writes.
    ///
    /// # Errors
    /// If the component itself fails; what is wrong with credentials or directories is a finding.
    #[tracing::instrument(target = "groupcast::trace", name = "run", skip_all, fields(
        otel.name = "run check", kind = "check", tenant = connection.tenant, connection = connection.name,
        run = Empty, result = Empty, otel.status_code = Empty
    ))]
    pub async fn check(
        &self,
        connection: &ConnectionName,
        cancel: &CancellationToken,
    ) -> Result<CheckReport, RunFailure> {
        let setup = &*self.setup(connection)?;
        let run = self.start(setup, RunKind::Check, None).await?;
        let mut findings = Vec::new();
        findings.push(last_success(
            &setup.id,
            self.store.connection(&setup.id).await?.last_success,
            Utc::now(),
        ));
        let mut failed = BTreeMap::new();
        for base in &setup.bases {
            examine(setup, base, &mut findings, &mut failed).await;
        }
        let ends = setup.bases.len();
        let known = Arc::new(KnownFailures {
            inner: Arc::clone(&setup.credentials),
            failed,
        });
        // What is known to fail is not asked again and again with growing pauses.
        let told = ConnectionSetup {
            credentials: Arc::clone(&known) as Arc<dyn CredentialSource>,
            ..setup.clone()
        };
        let (host, recorder) = self.host(&told, &run, Phase::Reads, Arc::new(NoPermit), Access::Look);
        let mut usage = Usage::default();
        if known.failed.len() < ends {
            let services: Arc<dyn RunServices> = host;
            let asked = self.run_of(setup, &run, Extent::Whole).await?;
            let (services, recording) = self.recorded(setup, Kind::Check, &asked, None, services);
            let checked = self
                .sandbox(setup)
                .check(self.plugin_of(setup), services, cancel.clone(), &asked)
                .await;
            recording.end(&checked);
            match checked {
                Ok((found, used)) => {
                    usage = used;
                    findings.extend(judge(found, &known, &recorder));
                }
                Err(error) => {
                    let failure = Self::failure(error, &recorder);
                    self.end(&run, RunResult::Failed, &failure.to_string(), &recorder, usage)
                        .await;
                    return Err(failure);
                }
            }
        }
        let problems = findings
            .iter()
            .any(|finding| finding.severity == Severity::Problem);
        let result = if problems {
            RunResult::Failed
        } else {
            RunResult::Done
        };
        let message = format!("{} findings", findings.len());
        self.end(&run, result, &message, &recorder, usage).await;
        Ok(CheckReport {
            run,
            findings,
            requests: recorder.counts(),
        })
    }
}

/// One end of the connection: can it be reached, does it accept the credential, and what does that allow?
async fn examine(
    setup: &ConnectionSetup,
    base: &crate::egress::origin::Base,
    findings: &mut Vec<Finding>,
    failed: &mut BTreeMap<&'static str, CredentialError>,
) {
    let credential = base.vendor.credential();
    let network = setup.connections.check_out(&base.origin).await.err();
    if let Some(error) = &network {
        findings.push(finding(
            Severity::Problem,
            error.name(),
            &base.origin.to_string(),
            error.to_string(),
        ));
        failed.insert(
            credential,
            CredentialError::new(credential, CredentialErrorKind::Unreachable, error.to_string())
                .diagnosed(Diagnosis::Network(error.name())),
        );
    }
    match setup.credentials.header(credential, None).await {
        Err(error) => {
            // A name service that is down is down for all names: once is enough.
            if network.is_none_or(|network| error.diagnosis != Diagnosis::Network(network.name())) {
                findings.push(finding(
                    Severity::Problem,
                    error.diagnosis.name(),
                    credential,
                    error.to_string(),
                ));
            }
            failed.insert(credential, error);
        }
        Ok(_) => {
            let Facts {
                granted,
                clock_ahead,
                expires_at,
            } = setup.credentials.facts(credential).await;
            findings.extend(expires_at.and_then(|at| end(credential, at, Utc::now())));
            findings.extend(privileges::judge(base.vendor, granted.as_ref()));
            if let Some(told) = clock_ahead.and_then(date::difference) {
                findings.push(skew(credential, &told));
            }
        }
    }
}

/// How long ago source and target were last known to be in step: "no change" and "did not run" are different things.
fn last_success(connection: &ConnectionName, at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Finding {
    let message = match at {
        None => {
            "As far as this store knows, source and target were never in step: no sync has ended well yet."
                .to_owned()
        }
        Some(at) => format!(
            "Source and target were last in step at {} ({} ago).",
            at.format("%Y-%m-%d %H:%M:%S UTC"),
            count(
                now.signed_duration_since(at).num_minutes().max(0).unsigned_abs(),
                "minute",
                "minutes"
            )
        ),
    };
    finding(Severity::Info, "last-success", &connection.to_string(), message)
}

/// That a credential's end is near, in time to make another.
fn end(credential: &str, expires_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Finding> {
    // What works is no problem yet, whatever was said of its end.
    Urgency::of(expires_at, now)?;
    let what = match credential {
        "jumpcloud" => "a new API key or client secret in JumpCloud",
        "google" => "a new key of the service account in the Google Cloud console",
        _ => {
            "a new client secret or certificate in the Entra admin centre (App registrations, Certificates & secrets)"
        }
    };
    let message = format!(
        "The credential of {credential} {}; make {what}, and put it where the configuration says it is: it is used at once, \
         without a restart. Remove the old one at the vendor afterwards.",
        when(expires_at, now)
    );
    Some(finding(Severity::Warning, "secret-expiring", credential, message))
}

fn skew(place: &str, told: &str) -> Finding {
    finding(
        Severity::Problem,
        Diagnosis::ClockSkew.name(),
        place,
        format!(
            "{told}. Signed requests are refused and tokens are used past their end. Set this machine's clock, and let it \
             be kept right (NTP: `timedatectl set-ntp true`)."
        ),
    )
}

fn finding(severity: Severity, code: &str, place: &str, message: impl Into<String>) -> Finding {
    let message = message.into();
    // What is told as the end of another sentence elsewhere is a sentence of its own here.
    let mut letters = message.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    let message = format!("{}{}", first.unwrap_or_default(), letters.as_str());
    Finding {
        severity,
        code: code.to_owned(),
        place: place.to_owned(),
        message: if message.ends_with(['.', ')', '`']) {
            message
        } else {
            format!("{message}.")
        },
        vendor: None,
    }
}

/// The component's findings, with what the host knows better: it was the host that refused what is known to fail, and
/// the host sees who answered.
fn judge(found: Vec<Finding>, known: &KnownFailures, recorder: &RunRecorder) -> Vec<Finding> {
    let mut findings = Vec::new();
    let signs = recorder.signs().findings();
    for mut finding in found {
        let of_ours = finding.code == "request-refused" && !known.failed.is_empty();
        let explained = signs.iter().any(|(vendor, sign)| {
            sign.severity == Severity::Problem
                && sign.code != Diagnosis::ClockSkew.name()
                && finding.code
                    == if vendor == "jumpcloud" {
                        "source-unreachable"
                    } else {
                        "target-unreachable"
                    }
        });
        if of_ours || explained {
            continue;
        }
        if finding.code == "request-refused"
            && let Some(refusal) = recorder.refusal()
        {
            finding.message = refusal.told;
        }
        if finding.code.ends_with("-unreachable")
            && finding.vendor.is_none()
            && let Some(silence) = recorder.silence()
        {
            finding.message = format!("{} ({silence})", finding.message.trim_end_matches('.'));
        }
        findings.push(finding);
    }
    findings.extend(signs.into_iter().map(|(_, finding)| finding));
    findings
}

/// The credentials, but for those that are known to fail: those fail at once.
struct KnownFailures {
    inner: Arc<dyn CredentialSource>,
    failed: BTreeMap<&'static str, CredentialError>,
}

#[async_trait]
impl CredentialSource for KnownFailures {
    async fn header(&self, credential: &str, refused: Option<u64>) -> Result<Attached, CredentialError> {
        match self.failed.get(credential) {
            Some(error) => Err(error.clone()),
            None => self.inner.header(credential, refused).await,
        }
    }

    async fn facts(&self, credential: &str) -> Facts {
        self.inner.facts(credential).await
    }
}
