//! What expires, and what to do before it does.

use chrono::{DateTime, Duration, Utc};
use groupcast_guest::words::count;

use super::Owner;

/// How near an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Within 30 days.
    Month,
    /// Within 7 days.
    Week,
    /// Within a day.
    Day,
    /// Past.
    Expired,
}

impl Urgency {
    /// How near an end is; none: more than 30 days away.
    pub fn of(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> Option<Self> {
        let left = expires_at - now;
        if left <= Duration::zero() {
            Some(Self::Expired)
        } else if left <= Duration::days(1) {
            Some(Self::Day)
        } else if left <= Duration::days(7) {
            Some(Self::Week)
        } else if left <= Duration::days(30) {
            Some(Self::Month)
        } else {
            None
        }
    }
}

/// A secret with a known end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiring {
    /// Whose.
    pub owner: Owner,
    /// Its name.
    pub name: String,
    /// When what it opens expires.
    pub expires_at: DateTime<Utc>,
}

impl Expiring {
    /// In words, with what to do.
    pub fn message(&self, now: DateTime<Utc>) -> String {
        let set = match self.owner.tenant() {
            Some(tenant) => format!("groupcast secrets set {} --tenant {tenant}", self.name),
            None => format!("groupcast secrets set {}", self.name),
        };
        format!(
            "the secret {} of {} {}; make a new one at the vendor, store it with `{set}` (it is used at once, without a restart), \
             and remove the old one at the vendor afterwards",
            self.name,
            self.owner,
            when(self.expires_at, now)
        )
    }
}

/// `expires in 6 days (2026-12-02)`.
pub fn when(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let day = expires_at.format("%Y-%m-%d %H:%M UTC");
    let left = expires_at - now;
    match (left.num_hours(), left.num_days()) {
        _ if left <= Duration::zero() => format!("expired at {day}"),
        (hours, 0) => format!(
            "expires in {} ({day})",
            count(hours.unsigned_abs(), "hour", "hours")
        ),
        (_, days) => format!("expires in {} ({day})", count(days.unsigned_abs(), "day", "days")),
    }
}

/// The end of a certificate in PEM; none where it is none.
pub fn of_certificate(pem: &str) -> Option<DateTime<Utc>> {
    let (_, pem) =
        x509_parser::pem::parse_x509_pem(pem.get(pem.find("-----BEGIN CERTIFICATE")?..)?.as_bytes()).ok()?;
    let certificate = pem.parse_x509().ok()?;
    DateTime::from_timestamp(certificate.validity().not_after.timestamp(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_at_thirty_seven_and_one_days_and_when_past() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for (hours, urgency) in [
            (24 * 31, None),
            (24 * 30, Some(Urgency::Month)),
            (24 * 7 + 1, Some(Urgency::Month)),
            (24 * 7, Some(Urgency::Week)),
            (25, Some(Urgency::Week)),
            (24, Some(Urgency::Day)),
            (1, Some(Urgency::Day)),
            (0, Some(Urgency::Expired)),
            (-1, Some(Urgency::Expired)),
        ] {
            assert_eq!(
                Urgency::of(now + Duration::hours(hours), now),
                urgency,
                "{hours} h"
            );
        }
        let expiring = Expiring {
            owner: Owner::Tenant("acme".into()),
            name: "entra".into(),
            expires_at: now + Duration::days(6),
        };
        let message = expiring.message(now);
        assert!(
            message.contains("expires in 6 days")
                && message.contains("groupcast secrets set entra --tenant acme"),
            "{message}"
        );
    }

    #[test]
    fn a_certificates_end_is_read_from_it() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap();
        parameters.not_after = rcgen::date_time_ymd(2031, 5, 6);
        let pem = parameters.self_signed(&key).unwrap().pem();
        assert_eq!(
            of_certificate(&format!("{}{pem}", key.serialize_pem()))
                .unwrap()
                .to_rfc3339(),
            "2031-05-06T00:00:00+00:00"
        );
        assert!(of_certificate("no certificate").is_none());
    }
}
