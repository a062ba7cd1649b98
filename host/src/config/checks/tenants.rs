//! A tenant's source and its directories: what the types of their sections cannot say.

use std::collections::HashSet;

use super::{Check, Part, at};
use crate::config::values::{is_address, is_domain, is_guid};
use crate::config::{
    Connection, ConnectionId, EntraSection, GoogleSection, JumpCloud, JumpCloudCredential, JumpCloudSection,
    Target,
};

impl Check<'_> {
    pub(super) fn jumpcloud(&mut self, place: &[String], section: JumpCloudSection) -> Option<JumpCloud> {
        let credential = match (section.api_key, section.service_account) {
            (Some(key), None) => Some(JumpCloudCredential::ApiKey(
                self.secret(&at(place, "api_key"), key),
            )),
            (None, Some(mut account)) => {
                let place = at(place, "service_account");
                self.filled(&at(&place, "client_id"), &account.client_id);
                account.client_secret = self.secret(&at(&place, "client_secret"), account.client_secret);
                Some(JumpCloudCredential::ServiceAccount(account))
            }
            (None, None) => {
                let help = "such as api_key = { env = \"JUMPCLOUD_API_KEY\" }";
                self.refuse(
                    place,
                    "a credential is missing: `api_key` or `service_account`",
                    Some(help),
                );
                None
            }
            (Some(_), Some(_)) => {
                self.refuse(
                    place,
                    "`api_key` and `service_account` are both given; keep one",
                    None,
                );
                None
            }
        };
        if let Some(org_id) = &section.org_id {
            self.filled(&at(place, "org_id"), org_id);
        }
        let events_url = section.events_url.clone().or_else(|| {
            crate::config::sections::jumpcloud_events_url(&section.base_url).map(ToOwned::to_owned)
        });
        Some(JumpCloud {
            events_url: events_url.map(|url| self.url(&at(place, "events_url"), &url, Part::Origin)),
            base_url: self.url(&at(place, "base_url"), &section.base_url, Part::Origin),
            token_url: self.url(&at(place, "token_url"), &section.token_url, Part::Whole),
            org_id: section.org_id,
            credential: credential?,
        })
    }

    pub(super) fn google(
        &mut self,
        tenant: &str,
        place: &[String],
        mut section: GoogleSection,
    ) -> Connection {
        section.base_url = self.url(&at(place, "base_url"), &section.base_url, Part::Origin);
        section.token_url = self.url(&at(place, "token_url"), &section.token_url, Part::Whole);
        section.service_account_key = section
            .service_account_key
            .map(|key| self.secret(&at(place, "service_account_key"), key));
        section.workload_identity = section
            .workload_identity
            .map(|section| self.workload_identity(&at(place, "workload_identity"), section));
        match (&section.service_account_key, &section.workload_identity) {
            (Some(_), Some(_)) => self.refuse(
                place,
                "`service_account_key` and `workload_identity` are both given; keep one",
                None,
            ),
            (None, None) => {
                let help = "such as service_account_key = { file = \"service-account.json\" }";
                self.refuse(
                    place,
                    "a credential is missing: `service_account_key` or `workload_identity`",
                    Some(help),
                );
            }
            _ => {}
        }
        if !is_address(&section.admin) {
            let message = "this is no address; name the administrator whom the service account acts for";
            self.refuse(&at(place, "admin"), message, None);
        }
        for (number, domain) in section.domains.iter().enumerate() {
            if !is_domain(domain) {
                self.refuse(
                    &at(&at(place, "domains"), &number.to_string()),
                    format!("`{domain}` is no domain"),
                    None,
                );
            }
        }
        let mut taken: HashSet<String> = HashSet::new();
        for (group, address) in &section.addresses {
            let place = at(&at(place, "addresses"), group);
            let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
            if !is_address(address) {
                self.refuse(&place, format!("`{address}` is no address"), None);
            } else if !section.domains.is_empty()
                && !section.domains.iter().any(|own| own.eq_ignore_ascii_case(domain))
            {
                self.refuse(
                    &place,
                    format!("`{address}` is outside the directory's `domains`"),
                    None,
                );
            }
            if !taken.insert(address.to_lowercase()) {
                self.refuse(
                    &place,
                    format!("`{address}` is given to another group already (case does not matter)"),
                    None,
                );
            }
        }
        let schedule = self.common(place, &section.settings(), section.schedule.as_ref());
        Connection {
            id: ConnectionId::new(tenant, &section.name),
            directory: section.directory.clone(),
            target: Target::Google(section),
            schedule,
        }
    }

    pub(super) fn entra(&mut self, tenant: &str, place: &[String], mut section: EntraSection) -> Connection {
        section.graph_url = self.url(&at(place, "graph_url"), &section.graph_url, Part::Origin);
        section.login_url = self.url(&at(place, "login_url"), &section.login_url, Part::Origin);
        if !is_guid(&section.tenant_id) {
            let help = "it stands in the Entra admin center, under Overview, as Tenant ID";
            self.refuse(
                &at(place, "tenant_id"),
                "this is no tenant ID, such as 00000000-0000-0000-0000-000000000000",
                Some(help),
            );
        }
        self.filled(&at(place, "client_id"), &section.client_id);
        let given = [
            section.client_secret.is_some(),
            section.certificate.is_some(),
            section.federated_token.is_some(),
        ];
        match given.into_iter().filter(|given| *given).count() {
            0 => {
                let help = "such as client_secret = { env = \"ENTRA_CLIENT_SECRET\" }";
                self.refuse(
                    place,
                    "a credential is missing: `client_secret`, `certificate` or `federated_token`",
                    Some(help),
                );
            }
            1 => {}
            _ => self.refuse(
                place,
                "of `client_secret`, `certificate` and `federated_token` more than one is given; keep one",
                None,
            ),
        }
        section.federated_token = section
            .federated_token
            .map(|token| self.secret(&at(place, "federated_token"), token));
        section.client_secret = section
            .client_secret
            .map(|secret| self.secret(&at(place, "client_secret"), secret));
        if let Some(certificate) = &mut section.certificate {
            let place = at(place, "certificate");
            certificate.certificate =
                self.secret(&at(&place, "certificate"), certificate.certificate.clone());
            certificate.key = self.secret(&at(&place, "key"), certificate.key.clone());
        }
        for (number, group) in section.selected.iter().enumerate() {
            self.filled(&at(&at(place, "selected"), &number.to_string()), group);
        }
        let schedule = self.common(place, &section.settings(), section.schedule.as_ref());
        Connection {
            id: ConnectionId::new(tenant, &section.name),
            directory: section.directory.clone(),
            target: Target::Entra(section),
            schedule,
        }
    }
}
