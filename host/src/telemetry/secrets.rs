//! When secrets expire: their names and moments, never what they are.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, Utc};
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;

use super::connections::timestamp;

/// Of how many secrets is told; the first to expire go before.
const MOST_SECRETS: usize = 5_000;

/// Tenant (empty: the host's own) and name, and when it expires.
#[derive(Debug, Default)]
pub(super) struct Expiries(Mutex<BTreeMap<(String, String), DateTime<Utc>>>);

impl Expiries {
    pub(super) fn put(&self, tenant: Option<&str>, name: &str, at: Option<DateTime<Utc>>) {
        let key = (tenant.unwrap_or_default().to_owned(), name.to_owned());
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match at {
            Some(at) => {
                all.insert(key, at);
            }
            None => {
                all.remove(&key);
            }
        }
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>, now: DateTime<Utc>) -> std::fmt::Result {
        let mut all: Vec<_> = {
            let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.iter().map(|(key, at)| (*at, key.clone())).collect()
        };
        all.sort();
        let mut family = encoder.encode_descriptor(
            "secret_expires_in_seconds",
            "Seconds until what a secret opens expires, where that is known",
            None,
            MetricType::Gauge,
        )?;
        for (at, (tenant, name)) in all.into_iter().take(MOST_SECRETS) {
            let labels = [("tenant", tenant), ("secret", name)];
            ConstGauge::new(timestamp(at) - timestamp(now)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
