//! From sections to a configuration: what the types cannot say. All that is wrong is found, not only the first.
//!
//! This file has what every check needs and the host's own sections; a tenant's source and directories (`tenants`), what
//! these have in common (`shared`) and workload identity (`identity`) have files of their own.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use url::Url;

use super::parse::Places;
use super::problem::{Problem, Source};
use super::values::is_loopback;
use super::{
    Config, EntraSection, File, GoogleSection, JumpCloudSection, KeySource, Network, ONLY_TENANT, OneOrMany,
    PluginsSection, RegistrySection, RunLimits, SecretSource, SecretsSection, ServiceSection, StoreSection,
    TelemetrySection, Tenant,
};
use crate::recording::Recordings;
use crate::secrets::Owner;

mod identity;
mod shared;
mod tenants;

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
            store: StoreSection {
                path: self.path(&file.store.path),
                url: file
                    .store
                    .url
                    .map(|source| self.secret(&["store".into(), "url".into()], source)),
                ..file.store
            },
            secrets_file: self.path(&file.secrets.file),
            secrets_key_file: self.path(&file.secrets.key_file),
            secrets: self.secrets(file.secrets),
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
                if let Some(oidc) = &mut service.oidc {
                    oidc.client_secret = oidc.client_secret.take().map(|source| self.beside(source));
                }
                service
            }),
            telemetry: TelemetrySection {
                otlp_headers: file
                    .telemetry
                    .otlp_headers
                    .into_iter()
                    .map(|(name, source)| (name, self.beside(source)))
                    .collect(),
                ..file.telemetry
            },
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
            .chain(file.store.faults().into_iter().map(|fault| ("store", fault)))
            .chain(file.plugins.faults().into_iter().map(|fault| ("plugins", fault)))
            .chain(file.secrets.faults().into_iter().map(|fault| ("secrets", fault)))
            .collect::<Vec<_>>();
        for (section, (keys, message)) in found {
            let place: At = [section].into_iter().chain(keys).map(str::to_owned).collect();
            self.refuse(&place, message, None);
        }
    }

    /// The same with its paths relative to the file.
    fn secrets(&self, section: SecretsSection) -> SecretsSection {
        let key = |key: KeySource| match key {
            KeySource::File(path) => KeySource::File(self.path(&path)),
            other => other,
        };
        let source = |source: SecretSource| self.beside(source);
        SecretsSection {
            file: self.path(&section.file),
            key_file: self.path(&section.key_file),
            key: section.key.map(key),
            previous_key: section.previous_key.map(key),
            vault: section.vault.map(|mut vault| {
                vault.ca_file = vault.ca_file.map(|path| self.path(&path));
                vault.token = vault.token.map(source);
                if let Some(role) = &mut vault.app_role {
                    role.secret_id = source(role.secret_id.clone());
                }
                if let Some(role) = &mut vault.kubernetes {
                    role.jwt_file = self.path(&role.jwt_file);
                }
                vault
            }),
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
            (
                "runs_at_once",
                u64::from(limits.runs_at_once.unwrap_or(1)),
                1,
                256,
            ),
            ("runs_per_tenant", u64::from(limits.runs_per_tenant), 1, 256),
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
            secrets_of: Owner::Host,
            jumpcloud: jumpcloud?,
            connections,
        })
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
        self.beside(source)
    }

    /// The same source; the path of a file is relative to the configuration.
    fn beside(&self, source: SecretSource) -> SecretSource {
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
