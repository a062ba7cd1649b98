//! From sections to a configuration: what the types cannot say. All that is wrong is found, not only the first.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use groupcast_guest::settings::{Limits, Settings};
use url::Url;

use super::parse::Places;
use super::problem::{Problem, Source};
use super::values::{is_address, is_domain, is_guid, is_loopback};
use super::{
    Config, Connection, ConnectionId, EntraSection, File, GoogleSection, JumpCloud, JumpCloudCredential,
    JumpCloudSection, Network, ONLY_TENANT, OneOrMany, PluginsSection, RegistrySection, RunLimits,
    ScheduleSection, SecretSource, ServiceSection, Target, Tenant,
};
use crate::recording::Recordings;
use crate::schedule::Schedule;

pub(super) fn check(source: &Source<'_>, places: &Places<'_>, file: File) -> Result<Config, Vec<Problem>> {
    let mut check = Check {
        source,
        places,
        folder: source.path.parent().unwrap_or(Path::new("")).to_path_buf(),
        is_service: file.service.is_some(),
        problems: Vec::new(),
    };
    let config = check.file(file);
    if check.problems.is_empty() {
        Ok(config)
    } else {
        Err(check.problems)
    }
}

/// A place: keys and array positions.
type At = Vec<String>;

fn at(parent: &[String], key: &str) -> At {
    parent.iter().cloned().chain([key.to_owned()]).collect()
}

struct Check<'a> {
    source: &'a Source<'a>,
    places: &'a Places<'a>,
    folder: PathBuf,
    /// With a service, directories can be added later.
    is_service: bool,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn refuse(&mut self, place: &[String], message: impl Into<String>, help: Option<&str>) {
        self.add(place, message.into(), help, false);
    }

    /// Refuses without showing the line's values.
    fn refuse_hidden(&mut self, place: &[String], message: impl Into<String>) {
        self.add(place, message.into(), None, true);
    }

    fn add(&mut self, place: &[String], message: String, help: Option<&str>, hide: bool) {
        let mut steps: Vec<&str> = place.iter().map(String::as_str).collect();
        let mut span = None;
        // What is missing stands nowhere; then its section is the place.
        while span.is_none() && !steps.is_empty() {
            span = self.places.value(&steps).map(|(_, span)| span);
            steps.pop();
        }
        let mut key = String::new();
        for step in place {
            if step.bytes().all(|byte| byte.is_ascii_digit()) {
                key.push_str(&format!("[{step}]"));
            } else {
                key.push_str(if key.is_empty() { "" } else { "." });
                key.push_str(step);
            }
        }
        self.problems.push(
            self.source
                .problem(span, key, message, help.map(str::to_owned), hide),
        );
    }

    fn path(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }

    fn file(&mut self, file: File) -> Config {
        self.run_limits(&file.limits);
        for (key, given, least, most) in [
            ("keep", file.recording.keep, 1, 10_000),
            ("largest_mib", file.recording.largest_mib, 1, 65_536),
        ] {
            self.range(&["recording".into(), key.into()], given.into(), least, most);
        }
        let mut allow_networks = Vec::new();
        for (number, text) in file.network.allow_networks.iter().enumerate() {
            match text.parse::<Network>() {
                Ok(network) => allow_networks.push(network),
                Err(why) => {
                    self.refuse(
                        &["network".into(), "allow_networks".into(), number.to_string()],
                        why,
                        None,
                    );
                }
            }
        }
        let alone = file.jumpcloud.is_some() || !file.google.items.is_empty() || !file.entra.items.is_empty();
        let mut tenants = Vec::new();
        if alone && !file.tenant.is_empty() {
            let help = "move [jumpcloud], [google] and [entra] into a tenant of their own, such as [tenant.main.jumpcloud]";
            self.refuse(
                &["tenant".into()],
                "the file has tenants, and sections outside of any",
                Some(help),
            );
        }
        self.host_sections(&file);
        // A service may have all its tenants in the store.
        if alone || file.tenant.is_empty() && !self.is_service {
            tenants.extend(self.tenant(ONLY_TENANT, &[], file.jumpcloud, file.google, file.entra));
        }
        for (name, section) in file.tenant {
            let place = at(&["tenant".into()], &name);
            self.name(&place, &name, "a tenant's name");
            tenants.extend(self.tenant(&name, &place, section.jumpcloud, section.google, section.entra));
        }
        Config {
            path: self.source.path.to_path_buf(),
            store_path: self.path(&file.store.path),
            secrets_file: self.path(&file.secrets.file),
            secrets_key_file: self.path(&file.secrets.key_file),
            record: file.recording.enabled,
            recordings: Recordings {
                folder: self.path(&file.recording.path),
                keep: usize::try_from(file.recording.keep).unwrap_or(usize::MAX),
                largest: u64::from(file.recording.largest_mib) << 20,
            },
            limits: file.limits,
            ca_file: file.network.ca_file.map(|path| self.path(&path)),
            allow_networks,
            service: file.service.map(|mut service| {
                if let Some(tls) = &mut service.tls {
                    tls.certificate = self.path(&tls.certificate);
                    tls.key = self.path(&tls.key);
                }
                service
            }),
            telemetry: file.telemetry,
            plugins: self.plugins(file.plugins),
            tenants,
        }
    }

    /// What the host's own sections find wrong with themselves.
    fn host_sections(&mut self, file: &File) {
        let service = file.service.iter().flat_map(ServiceSection::faults);
        let found = service
            .map(|fault| ("service", fault))
            .chain(
                file.telemetry
                    .faults()
                    .into_iter()
                    .map(|fault| ("telemetry", fault)),
            )
            .chain(file.plugins.faults().into_iter().map(|fault| ("plugins", fault)))
            .collect::<Vec<_>>();
        for (section, (keys, message)) in found {
            let place: At = [section].into_iter().chain(keys).map(str::to_owned).collect();
            self.refuse(&place, message, None);
        }
    }

    fn run_limits(&mut self, limits: &RunLimits) {
        for (key, given, least, most) in [
            ("memory_mib", u64::from(limits.memory_mib), 16, 4_096),
            ("cpu_seconds", u64::from(limits.cpu_seconds), 1, 86_400),
            ("wall_seconds", u64::from(limits.wall_seconds), 1, 604_800),
            ("request_seconds", u64::from(limits.request_seconds), 1, 600),
            ("lease_seconds", u64::from(limits.lease_seconds), 2, 3_600),
            ("requests", limits.requests, 1, 100_000_000),
            (
                "requests_in_flight",
                u64::from(limits.requests_in_flight),
                1,
                1_000,
            ),
            ("log_kib", u64::from(limits.log_kib), 1, 1_048_576),
            ("response_mib", u64::from(limits.response_mib), 1, 1_024),
            ("plan_mib", u64::from(limits.plan_mib), 1, 65_536),
        ] {
            self.range(&["limits".into(), key.into()], given, least, most);
        }
    }

    fn range(&mut self, place: &[String], given: u64, least: u64, most: u64) {
        if given < least || given > most {
            self.refuse(
                place,
                format!("{given} is out of range; it goes from {least} to {most}"),
                None,
            );
        }
    }

    fn name(&mut self, place: &[String], name: &str, what: &str) {
        let fits = (1..=64).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if !fits {
            self.refuse(
                place,
                format!("{what} has lower-case letters, digits and `-`, 64 at most"),
                None,
            );
        }
    }

    fn filled(&mut self, place: &[String], text: &str) {
        if text.trim().is_empty() {
            self.refuse(place, "this must not be empty", None);
        } else if text.trim() != text || text.chars().any(char::is_control) {
            self.refuse(
                place,
                "this must not have blanks around it or control characters in it",
                None,
            );
        }
    }

    fn tenant(
        &mut self,
        name: &str,
        place: &[String],
        jumpcloud: Option<JumpCloudSection>,
        google: OneOrMany<GoogleSection>,
        entra: OneOrMany<EntraSection>,
    ) -> Option<Tenant> {
        let jumpcloud = match jumpcloud {
            Some(section) => self.jumpcloud(&at(place, "jumpcloud"), section),
            None => {
                self.refuse(
                    place,
                    format!("tenant `{name}` has no [jumpcloud] section: groups come from nowhere"),
                    None,
                );
                None
            }
        };
        if google.items.is_empty() && entra.items.is_empty() && !self.is_service {
            let help = "add a [google] or an [entra] section";
            self.refuse(
                place,
                format!("tenant `{name}` has no directory: groups go nowhere"),
                Some(help),
            );
        }
        let mut connections = Vec::new();
        let (mut names, mut directories) = (HashSet::new(), HashSet::new());
        let mut once = |check: &mut Self, place: &[String], name: &str, directory: &str| {
            check.name(&at(place, "name"), name, "a connection's name");
            if !names.insert(name.to_owned()) {
                let help = "give each directory of a tenant a `name` of its own";
                check.refuse(
                    &at(place, "name"),
                    format!("the name `{name}` is taken already"),
                    Some(help),
                );
            }
            check.filled(&at(place, "directory"), directory);
            if !directories.insert(directory.to_owned()) {
                check.refuse(
                    &at(place, "directory"),
                    format!("directory `{directory}` has a section already"),
                    None,
                );
            }
        };
        let numbered = google.numbered;
        for (number, section) in google.items.into_iter().enumerate() {
            let place = numbered_place(place, "google", numbered, number);
            once(self, &place, &section.name, &section.directory);
            connections.push(self.google(name, &place, section));
        }
        let numbered = entra.numbered;
        for (number, section) in entra.items.into_iter().enumerate() {
            let place = numbered_place(place, "entra", numbered, number);
            once(self, &place, &section.name, &section.directory);
            connections.push(self.entra(name, &place, section));
        }
        Some(Tenant {
            name: name.to_owned(),
            jumpcloud: jumpcloud?,
            connections,
        })
    }

    fn jumpcloud(&mut self, place: &[String], section: JumpCloudSection) -> Option<JumpCloud> {
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
        let events_url = section
            .events_url
            .clone()
            .or_else(|| super::sections::jumpcloud_events_url(&section.base_url).map(ToOwned::to_owned));
        Some(JumpCloud {
            events_url: events_url.map(|url| self.url(&at(place, "events_url"), &url, Part::Origin)),
            base_url: self.url(&at(place, "base_url"), &section.base_url, Part::Origin),
            token_url: self.url(&at(place, "token_url"), &section.token_url, Part::Whole),
            org_id: section.org_id,
            credential: credential?,
        })
    }

    fn google(&mut self, tenant: &str, place: &[String], mut section: GoogleSection) -> Connection {
        section.base_url = self.url(&at(place, "base_url"), &section.base_url, Part::Origin);
        section.token_url = self.url(&at(place, "token_url"), &section.token_url, Part::Whole);
        section.service_account_key =
            self.secret(&at(place, "service_account_key"), section.service_account_key);
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

    fn entra(&mut self, tenant: &str, place: &[String], mut section: EntraSection) -> Connection {
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
        match (&section.client_secret, &section.certificate) {
            (Some(_), Some(_)) => {
                self.refuse(
                    place,
                    "`client_secret` and `certificate` are both given; keep one",
                    None,
                );
            }
            (None, None) => {
                let help = "such as client_secret = { env = \"ENTRA_CLIENT_SECRET\" }";
                self.refuse(
                    place,
                    "a credential is missing: `client_secret` or `certificate`",
                    Some(help),
                );
            }
            _ => {}
        }
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

    fn common(
        &mut self,
        place: &[String],
        settings: &Settings,
        schedule: Option<&ScheduleSection>,
    ) -> Option<Schedule> {
        for (number, group) in settings.bound.iter().flatten().enumerate() {
            // A group's name may have blanks around it, which count (R24); it may not be nothing.
            if group.is_empty() {
                self.refuse(
                    &at(&at(place, "bound"), &number.to_string()),
                    "this must not be empty",
                    None,
                );
            }
        }
        let Limits {
            group_adds,
            group_removals,
            run_adds,
            run_removals,
            takeover_adds,
            takeover_removals,
            run_takeover_adds,
            stake_weight,
        } = &settings.limits;
        self.range(
            &at(&at(place, "limits"), "stake_weight"),
            u64::from(*stake_weight),
            1,
            1_000,
        );
        for (key, limit) in [
            ("group_adds", group_adds),
            ("group_removals", group_removals),
            ("run_adds", run_adds),
            ("run_removals", run_removals),
            ("takeover_adds", takeover_adds),
            ("takeover_removals", takeover_removals),
            ("run_takeover_adds", run_takeover_adds),
        ] {
            if let Some(percent) = limit.percent {
                let place = at(&at(&at(place, "limits"), key), "percent");
                self.range(&place, u64::from(percent), 0, 100);
            }
        }
        self.range(
            &at(place, "verify_every_minutes"),
            u64::from(settings.verify_every_minutes),
            0,
            10_080,
        );
        let section = schedule?;
        let place = at(place, "schedule");
        self.range(
            &at(&place, "jitter_seconds"),
            u64::from(section.jitter_seconds),
            0,
            3_600,
        );
        let jitter = Duration::from_secs(u64::from(section.jitter_seconds));
        match Schedule::parse(&section.cron, &section.timezone, jitter) {
            Ok(schedule) => section.enabled.then_some(schedule),
            Err(error) => {
                let key = match error {
                    crate::schedule::ScheduleError::Zone { .. } => "timezone",
                    _ => "cron",
                };
                self.refuse(&at(&place, key), error.to_string(), None);
                None
            }
        }
    }

    fn plugins(&mut self, section: PluginsSection) -> PluginsSection {
        let place = at(&at(&[], "plugins"), "registries");
        let registries = section.registries.into_iter().map(|registry| RegistrySection {
            password: self.secret(&place, registry.password),
            ..registry
        });
        PluginsSection {
            registries: registries.collect(),
            folder: self.path(&section.folder),
            trusted: section.trusted,
        }
    }

    fn secret(&mut self, place: &[String], source: SecretSource) -> SecretSource {
        if let Some(fault) = source.fault() {
            self.refuse_hidden(place, fault);
        }
        match source {
            SecretSource::File(path) => SecretSource::File(self.path(&path)),
            other => other,
        }
    }

    fn url(&mut self, place: &[String], text: &str, part: Part) -> String {
        let url = match Url::parse(text) {
            Ok(url) => url,
            Err(error) => {
                self.refuse_hidden(place, format!("this is no URL: {error}"));
                return String::new();
            }
        };
        if !url.username().is_empty() || url.password().is_some() {
            self.refuse_hidden(
                place,
                "the URL has credentials in it; take them out, and change them if others can read this file",
            );
        } else if url.query().is_some() || url.fragment().is_some() {
            self.refuse_hidden(place, "the URL has a query or a fragment; take it out");
        } else if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            self.refuse(place, "the URL must begin with https:// and name a host", None);
        } else if url.scheme() == "http" && !is_loopback(&url) {
            let help = "plain http is for simulators on this machine";
            self.refuse(
                place,
                "requests would go over the network unencrypted; use https",
                Some(help),
            );
        } else if part == Part::Origin && url.path() != "/" {
            let help = format!("write {}", url.origin().ascii_serialization());
            self.refuse(place, "only scheme, host and port belong here", Some(&help));
        }
        match part {
            Part::Origin => url.origin().ascii_serialization(),
            Part::Whole => url.into(),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Scheme, host and port.
    Origin,
    /// With its path.
    Whole,
}

fn numbered_place(parent: &[String], key: &str, numbered: bool, number: usize) -> At {
    let mut place = at(parent, key);
    if numbered {
        place.push(number.to_string());
    }
    place
}
