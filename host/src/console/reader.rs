//! Whoever reads a page: who they are, their theme, where they come from; and what stands around each page for them.

use axum::extract::FromRequestParts;
use axum::http::header;
use axum::http::request::Parts;
use axum::response::Response;
use axum_extra::extract::cookie::CookieJar;

use super::page::{Crumb, Csrf, Link, Notice, Shell, TenantNavigation, Theme};
use super::words::{Badge, Name, Tone, segment};
use crate::api::{SignedIn, local};
use crate::service::{Declared, DirectoryView, Principal, Result, Scope, Service, TenantView};
use crate::store::ConnectionId;
use crate::store::service::{DirectoryVendor, Pause, Quarantine, Role};

/// The cookie that remembers the theme.
pub const THEME: &str = "groupcast-theme";

/// Whoever is signed in and reads a page.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Who they are, and what they may do.
    pub who: Principal,
    /// Whether htmx asks, which puts a part of the answer into the page that is there.
    pub htmx: bool,
    csrf: String,
    theme: Theme,
    back: Option<String>,
    done: Option<Notice>,
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> std::result::Result<Self, Response> {
        let signed = SignedIn::from_request_parts(parts, state).await?;
        let done = parts.uri.query().and_then(|query| {
            url::form_urlencoded::parse(query.as_bytes())
                .find(|(name, _)| name == "done")
                .and_then(|(_, code)| done(&code))
        });
        Ok(Self {
            who: signed.principal,
            csrf: signed.session.csrf,
            htmx: parts.headers.contains_key("hx-request"),
            theme: theme(&CookieJar::from_headers(&parts.headers)),
            back: came_from(parts),
            done,
        })
    }
}

/// The theme that a browser remembers.
pub fn theme(cookies: &CookieJar) -> Theme {
    cookies
        .get(THEME)
        .map_or(Theme::System, |cookie| Theme::of(cookie.value()))
}

/// The page of this host that a request came from: its path, never another host's.
fn came_from(parts: &Parts) -> Option<String> {
    let referer = parts.headers.get(header::REFERER)?.to_str().ok()?;
    let url = url::Url::parse(referer).ok()?;
    let path = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Some(local(&path).to_owned())
}

/// What a page says after a form did what it was for: by a code of ours, never by words of the address.
fn done(code: &str) -> Option<Notice> {
    let (title, line) = match code {
        "tenant" => (
            "JumpCloud is connected",
            "Now connect the directory that its groups go to.",
        ),
        "jumpcloud" => ("The JumpCloud connection was kept", "The next run uses it."),
        "reached" => (
            "JumpCloud answers",
            "The key is good, and what must be read can be read.",
        ),
        "directory" => (
            "The directory is connected",
            "Group management is off, and nothing is written. Choose groups, then switch it on.",
        ),
        "forgotten" => (
            "The directory was forgotten",
            "Nothing was deleted at the vendor.",
        ),
        "enabled" => (
            "Group management is on",
            "Make a plan next; nothing is written before you approve it.",
        ),
        "disabled" => (
            "Group management is off",
            "JumpCloud's changes no longer go to this directory. Nothing was deleted or emptied.",
        ),
        "paused" => ("Runs are paused", "None begins by itself until you resume."),
        "resumed" => ("Runs begin by themselves again", ""),
        "released" => (
            "Released from quarantine",
            "The next run begins on the schedule, or when you ask for it.",
        ),
        "schedule" => ("The schedule was kept", ""),
        "limits" => ("The limits were kept", "The next plan follows them."),
        "policy" => ("The policy was kept", "The next plan follows it."),
        "group" => ("The group's settings were kept", "The next plan follows them."),
        "built-in" => ("The tenant runs the built-in component", "The next run uses it."),
        "plugin" => (
            "The tenant runs another component",
            "What it plans waits for approval, unless the configuration trusts it.",
        ),
        "secret" => ("The secret was sealed and kept", "It is never shown again."),
        "removed" => ("It was removed", ""),
        "revoked" => ("The token was revoked", "It opens nothing from now on."),
        "granted" => ("The role was granted", ""),
        "on" => ("The tenant is on", "Runs begin on their schedules."),
        "off" => ("The tenant is off", "No run begins."),
        "cancelled" => ("The run was asked to stop", "It ends before its next write."),
        _ => return None,
    };
    Some(Notice {
        tone: Tone::Good,
        title: title.to_owned(),
        lines: if line.is_empty() {
            Vec::new()
        } else {
            vec![line.to_owned()]
        },
    })
}

/// A page of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TenantPage {
    /// Its home.
    Overview,
    /// All its runs.
    Runs,
    /// The JumpCloud connection.
    Settings,
    /// Secrets.
    Secrets,
    /// API tokens.
    Tokens,
    /// Grants.
    Access,
    /// Plugins.
    Plugins,
    /// The audit log.
    Audit,
    /// One of a directory, or none of these.
    Other,
}

/// A page of a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tab {
    /// Details.
    Details,
    /// User Groups.
    Groups,
    /// Plan.
    Plan,
    /// Runs.
    Runs,
    /// Why.
    Why,
    /// History.
    History,
    /// Charts.
    Charts,
}

/// A tenant's path.
pub fn tenant_href(tenant: &str) -> String {
    format!("/tenants/{}", segment(tenant))
}

/// A directory's path.
pub fn directory_href(id: &ConnectionId) -> String {
    format!("{}/directories/{}", tenant_href(&id.tenant), segment(&id.name))
}

/// What a vendor's directory is called.
pub fn vendor(vendor: DirectoryVendor) -> &'static str {
    match vendor {
        DirectoryVendor::Google => "Google Workspace",
        DirectoryVendor::Entra => "Microsoft 365 / Entra ID",
    }
}

/// What a role is called.
pub fn role(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// That something stands in the configuration file; none where it stands in the store.
pub fn declared(declared: Declared, what: &str) -> Option<String> {
    match declared {
        Declared::InFile => Some(format!(
            "{what} is declared in groupcast.toml; change it there, and restart the host."
        )),
        Declared::InStore { .. } => None,
    }
}

/// The version of what stands in the store; 0 for what stands in the file, which no change fits.
pub fn version(declared: Declared) -> u64 {
    match declared {
        Declared::InFile => 0,
        Declared::InStore { version } => version,
    }
}

impl Reader {
    /// Where they came from; the root where that is not known.
    pub fn back(&self) -> String {
        self.back.clone().unwrap_or_else(|| "/".to_owned())
    }

    /// The form token as a field.
    pub fn csrf(&self) -> Csrf {
        Csrf(self.csrf.clone())
    }

    /// Around a page of the whole host.
    pub fn shell(&self, title: impl Into<String>, path: &str) -> Shell {
        let mut host = Vec::new();
        let mut add = |label: &str, href: &str| {
            host.push(Link {
                label: label.into(),
                href: href.to_owned(),
                current: path == href,
            });
        };
        let several = match self.who.tenants() {
            Scope::All => true,
            Scope::Some(names) => names.len() > 1,
        };
        if several {
            add("Tenants", "/tenants");
        }
        if self.who.may(None, Role::Admin) {
            add("API tokens", "/tokens");
            add("Access", "/access");
            add("Plugins", "/plugins");
            add("Audit log", "/audit");
        }
        let highest = match self.who.tenants() {
            Scope::All => self.who.role(None),
            Scope::Some(names) => names.iter().filter_map(|name| self.who.role(Some(name))).max(),
        };
        let where_to = if self.who.role(None).is_some() {
            " of this host"
        } else {
            ""
        };
        Shell {
            title: title.into(),
            theme: self.theme,
            csrf: self.csrf(),
            who: Some((
                Name::new(self.who.actor.name.clone()),
                format!("{}{where_to}", highest.map_or("no role", role)),
            )),
            host,
            notice: self.done.clone(),
            ..Shell::default()
        }
    }

    /// Around a page of a tenant.
    ///
    /// # Errors
    /// There is no such tenant that they see.
    pub async fn of_tenant(
        &self,
        service: &Service,
        tenant: &str,
        title: impl Into<String>,
        page: TenantPage,
    ) -> Result<(Shell, TenantView)> {
        let view = service.tenant(&self.who, tenant).await?;
        let directories = service.directories(&self.who, tenant).await?;
        let mut shell = self.shell(title, "");
        let home = tenant_href(tenant);
        let mut links = Vec::new();
        let mut add = |label: &str, rest: &str, which: TenantPage| {
            links.push(Link {
                label: label.into(),
                href: format!("{home}{rest}"),
                current: page == which,
            });
        };
        add("Overview", "", TenantPage::Overview);
        add("Runs", "/runs", TenantPage::Runs);
        if self.who.may(Some(tenant), Role::Admin) {
            add("Settings", "/settings", TenantPage::Settings);
            add("Secrets", "/secrets", TenantPage::Secrets);
            add("API tokens", "/tokens", TenantPage::Tokens);
            add("Access", "/access", TenantPage::Access);
            add("Plugins", "/plugins", TenantPage::Plugins);
            add("Audit log", "/audit", TenantPage::Audit);
        }
        let directories = directories
            .iter()
            .map(|one| Link {
                label: Name::new(one.id.name.clone()),
                href: directory_href(&one.id),
                current: false,
            })
            .collect();
        shell.tenant = Some(TenantNavigation {
            title: Name::new(view.title.clone()),
            links,
            directories,
        });
        if page != TenantPage::Overview {
            shell.crumbs.push(Crumb {
                label: Name::new(view.title.clone()),
                href: home,
            });
        }
        Ok((shell, view))
    }

    /// Around a page of a directory. `below`: the page is one of the tab's, not the tab's own.
    ///
    /// # Errors
    /// There is no such directory that they see.
    pub async fn of_directory(
        &self,
        service: &Service,
        id: &ConnectionId,
        title: impl Into<String>,
        tab: Tab,
        below: bool,
    ) -> Result<(Shell, DirectoryView)> {
        let view = service.directory(&self.who, id).await?;
        let (mut shell, _) = self
            .of_tenant(service, &id.tenant, title, TenantPage::Other)
            .await?;
        let home = directory_href(id);
        if let Some(tenant) = &mut shell.tenant {
            for link in &mut tenant.directories {
                link.current = link.href == home;
            }
        }
        let tabs = [
            ("Details", "", Tab::Details),
            ("User Groups", "/groups", Tab::Groups),
            ("Plan", "/plans", Tab::Plan),
            ("Runs", "/runs", Tab::Runs),
            ("Why", "/why", Tab::Why),
            ("History", "/history", Tab::History),
            ("Charts", "/charts", Tab::Charts),
        ];
        if tab != Tab::Details || below {
            shell.crumbs.push(Crumb {
                label: Name::new(id.name.clone()),
                href: home.clone(),
            });
        }
        for (label, rest, which) in tabs {
            if below && which == tab && tab != Tab::Details {
                shell.crumbs.push(Crumb {
                    label: label.into(),
                    href: format!("{home}{rest}"),
                });
            }
            shell.tabs.push(Link {
                label: label.into(),
                href: format!("{home}{rest}"),
                current: which == tab,
            });
        }
        if !below {
            shell.badges = badges(&view);
            shell.badges.push(Badge::new(Tone::Plain, vendor(view.vendor)));
        }
        Ok((shell, view))
    }
}

/// How a directory is, in words.
pub fn badges(view: &DirectoryView) -> Vec<Badge> {
    let mut badges = Vec::new();
    if view.unusable.is_some() {
        badges.push(Badge::new(Tone::Bad, "Cannot run"));
    }
    badges.push(if view.managed {
        Badge::new(Tone::Good, "Management on")
    } else {
        Badge::new(Tone::Plain, "Management off")
    });
    if quarantine(view).is_some() {
        badges.push(Badge::new(Tone::Bad, "Quarantine"));
    }
    if paused(view).is_some() {
        badges.push(Badge::new(Tone::Care, "Paused"));
    }
    if is_running(view) {
        badges.push(Badge::new(Tone::Busy, "Running"));
    }
    badges
}

/// Who paused it.
pub fn paused(view: &DirectoryView) -> Option<&Pause> {
    view.status.state.paused.as_ref()
}

/// Why it no longer runs by itself.
pub fn quarantine(view: &DirectoryView) -> Option<&Quarantine> {
    view.status.state.quarantine.as_ref()
}

/// Whether a job of it waits for its turn or is at work.
pub fn is_running(view: &DirectoryView) -> bool {
    view.status.job.is_some()
}
