//! Workload identity: where a token of another provider is, and whose account it stands for.

use url::Url;

use super::{Check, Part, at};
use crate::config::values::{is_address, is_near};
use crate::config::{SubjectTokenUrlSection, WorkloadIdentitySection};

impl Check<'_> {
    pub(super) fn workload_identity(
        &mut self,
        place: &[String],
        mut section: WorkloadIdentitySection,
    ) -> WorkloadIdentitySection {
        section.sts_url = self.url(&at(place, "sts_url"), &section.sts_url, Part::Whole);
        section.credentials_url = self.url(
            &at(place, "credentials_url"),
            &section.credentials_url,
            Part::Origin,
        );
        if !section.audience.starts_with("//iam.googleapis.com/") {
            let help = "//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER";
            self.refuse(
                &at(place, "audience"),
                "this is not a provider's full name",
                Some(help),
            );
        }
        if !is_address(&section.service_account) {
            let message = "this is no service account's address";
            self.refuse(&at(place, "service_account"), message, None);
        }
        self.filled(&at(place, "subject_token_type"), &section.subject_token_type);
        if section.subject_token.is_some() == section.subject_token_url.is_some() {
            let message =
                "say where the other provider's token is, by one of `subject_token` and `subject_token_url`";
            self.refuse(place, message, None);
        }
        section.subject_token = section
            .subject_token
            .map(|token| self.secret(&at(place, "subject_token"), token));
        section.subject_token_url = section
            .subject_token_url
            .map(|section| self.subject_token_url(&at(place, "subject_token_url"), section));
        section
    }

    pub(super) fn subject_token_url(
        &mut self,
        place: &[String],
        mut section: SubjectTokenUrlSection,
    ) -> SubjectTokenUrlSection {
        let at_url = at(place, "url");
        match Url::parse(&section.url) {
            Err(error) => self.refuse_hidden(&at_url, format!("this is no URL: {error}")),
            Ok(url) if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() => {
                self.refuse_hidden(
                    &at_url,
                    "the URL has credentials or a fragment in it; take them out",
                );
            }
            Ok(url) if url.scheme() == "https" || url.scheme() == "http" && is_near(&url) => {}
            Ok(_) => self.refuse(
                &at_url,
                "the token would go over the network unencrypted; use https",
                None,
            ),
        }
        for (name, value) in &section.headers {
            let fits = http::HeaderName::try_from(name.as_str()).is_ok_and(|name| {
                name != http::header::AUTHORIZATION
                    && name != http::header::HOST
                    && name != http::header::COOKIE
            }) && http::HeaderValue::try_from(value.as_str()).is_ok();
            if !fits {
                let help = "a bearer token is named by `bearer`";
                self.refuse_hidden(&at(place, "headers"), format!("a header cannot be sent; {help}"));
            }
        }
        section.bearer = section
            .bearer
            .map(|source| self.secret(&at(place, "bearer"), source));
        section
    }
}
