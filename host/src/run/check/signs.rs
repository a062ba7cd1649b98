//! What the answers show about who gives them: another clock than this machine's, or a web page where an API answers in
//! JSON. Noted while a run reads; told by `check`.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use groupcast_guest::engine::{Finding, Severity};

use super::{finding, skew};
use crate::credentials::Diagnosis;
use crate::egress::date;
use crate::egress::origin::Vendor;
use crate::egress::recorder::Sent;

/// The signs of one run, by vendor.
#[derive(Default)]
pub(in crate::run) struct Signs(Mutex<BTreeMap<Vendor, Sign>>);

#[derive(Default, Clone)]
struct Sign {
    clock_ahead: Option<i64>,
    /// Method, URL and status of the first page.
    page: Option<(String, u16)>,
}

impl Signs {
    /// Looks at one answer.
    pub(in crate::run) fn note(&self, sent: &Sent) {
        let mut signs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = signs.entry(sent.vendor).or_default();
        if sent.clock_ahead.is_some() {
            sign.clock_ahead = sent.clock_ahead;
        }
        let Some(status) = sent.status else {
            return;
        };
        // A vendor's own front gives pages too when what is behind it is down.
        let is_page = status < 500
            && sent
                .content_type
                .as_deref()
                .is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
        if is_page || status == 407 {
            sign.page
                .get_or_insert_with(|| (format!("{} {}", sent.method, without_query(&sent.url)), status));
        }
    }

    /// What to tell, with the vendor that each is about.
    pub(super) fn findings(&self) -> Vec<(String, Finding)> {
        let signs = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut findings = Vec::new();
        for (vendor, sign) in signs {
            let vendor = vendor.to_string();
            if let Some(told) = sign.clock_ahead.and_then(date::difference) {
                findings.push((vendor.clone(), skew(&vendor, &told)));
            }
            if let Some((request, status)) = sign.page {
                findings.push((vendor, page(&request, status)));
            }
        }
        findings
    }
}

fn page(request: &str, status: u16) -> Finding {
    let (code, what) = match status {
        407 => (
            Diagnosis::ProxySignIn,
            "A proxy stands in between and asks for a sign-in of its own (407); let this machine through to the vendor \
             without one.",
        ),
        _ => (
            Diagnosis::NotTheVendor,
            "A web page came where the vendor's API answers in JSON: a proxy, a firewall's sign-in page or a wrong base URL \
             stands there. Let this machine through to the vendor, or correct the base URL in the configuration.",
        ),
    };
    finding(
        Severity::Problem,
        code.name(),
        request,
        format!("{what} (The answer's status is {status}.)"),
    )
}

fn without_query(url: &str) -> &str {
    url.split('?').next().unwrap_or(url)
}
