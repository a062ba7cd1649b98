//! What every page has around its content: title, navigation, who is signed in, a notice; and how a page becomes an
//! answer.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::assets;
use super::words::{Badge, Name, Tone};

/// The theme that somebody chose; none: as their system has it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Theme {
    /// As their system has it.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// From a cookie or a form; anything else is the system's.
    pub fn of(text: &str) -> Self {
        match text {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// As the cookie, the form and the style sheet have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

/// A step of the way to a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crumb {
    /// What it is called.
    pub label: Name,
    /// Where it is.
    pub href: String,
}

/// A link of the navigation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What it is called.
    pub label: Name,
    /// Where it leads.
    pub href: String,
    /// Whether the page is there.
    pub current: bool,
}

/// The navigation of a tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantNavigation {
    /// What people call it.
    pub title: Name,
    /// Its pages.
    pub links: Vec<Link>,
    /// Its directories.
    pub directories: Vec<Link>,
}

/// What a page says before all else: that something was done, or why it was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notice {
    /// What kind.
    pub tone: Tone,
    /// In a few words.
    pub title: String,
    /// More: each a paragraph.
    pub lines: Vec<String>,
}

/// The page's form token, as a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Csrf(pub String);

impl HtmlSafe for Csrf {}

impl fmt::Display for Csrf {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Letters, digits, `-` and `_` alone: made by us, and checked here all the same.
        let safe = self
            .0
            .chars()
            .filter(|one| one.is_ascii_alphanumeric() || "-_.".contains(*one));
        write!(
            formatter,
            "<input type=\"hidden\" name=\"csrf\" value=\"{}\">",
            safe.collect::<String>()
        )
    }
}

/// Where a page of a list stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pages {
    /// What is on it.
    pub told: String,
    /// The first page, where this is another.
    pub first: Option<String>,
    /// The next one, where there is one.
    pub next: Option<String>,
}

/// Buttons that begin work.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Begin {
    /// Where the form goes.
    pub href: String,
    /// What it begins, what the button says, and its class.
    pub choices: Vec<(&'static str, &'static str, &'static str)>,
}

/// A step of getting started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Its place, from 1.
    pub number: usize,
    /// What is to do.
    pub title: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Where it is done.
    pub href: Option<String>,
    /// Whether it is done.
    pub done: bool,
    /// Whether it is the one to do now.
    pub now: bool,
}

impl Step {
    /// What stands in its circle.
    pub fn mark(&self) -> String {
        if self.done {
            "✓".to_owned()
        } else {
            self.number.to_string()
        }
    }

    /// The circle's class.
    pub fn class(&self) -> &'static str {
        match (self.done, self.now) {
            (true, _) => "good",
            (false, true) => "now",
            (false, false) => "",
        }
    }
}

/// Around the content of every page.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shell {
    /// What the page is about; also the window's title.
    pub title: String,
    /// The way to it.
    pub crumbs: Vec<Crumb>,
    /// The theme.
    pub theme: Theme,
    /// For forms.
    pub csrf: Csrf,
    /// Who is signed in, and as what; none: nobody.
    pub who: Option<(Name, String)>,
    /// Links of the whole host.
    pub host: Vec<Link>,
    /// The tenant that the page belongs to.
    pub tenant: Option<TenantNavigation>,
    /// The pages of the directory that the page belongs to.
    pub tabs: Vec<Link>,
    /// States beside the title.
    pub badges: Vec<Badge>,
    /// What was done, or why not.
    pub notice: Option<Notice>,
    /// Where there is no script, the page is fetched again after so many seconds.
    pub again_after: Option<u32>,
}

impl Shell {
    /// An asset's path.
    pub fn asset(&self, name: &str) -> &'static str {
        assets::path(name)
    }
}

/// A page as an answer.
pub fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => {
            let mut response = (status, html).into_response();
            response.headers_mut().insert(
                header::CONTENT_TYPE,
                HeaderValue::from_static("text/html; charset=utf-8"),
            );
            response
        }
        Err(error) => {
            tracing::error!(%error, "a page could not be written");
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                "this page could not be written; the log says why",
            )
                .into_response()
        }
    }
}

/// To another page, by GET: after a form did what it was for.
pub fn see_other(href: &str) -> Response {
    match HeaderValue::from_str(href) {
        Ok(location) => (StatusCode::SEE_OTHER, [(header::LOCATION, location)]).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// With a capital at its beginning and a point at its end.
pub fn sentence(text: &str) -> String {
    let mut characters = text.trim().chars();
    let Some(first) = characters.next() else {
        return String::new();
    };
    let mut told: String = first.to_uppercase().chain(characters).collect();
    if !told.ends_with(['.', '!', '?', ':']) {
        told.push('.');
    }
    told
}
