//! Forms as they are sent, and lists in pages.

use std::collections::HashMap;

use axum::extract::Form;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::Value;

use crate::console::faults::Faults;
use crate::console::page::{Pages, Shell, Theme, see_other};
use crate::console::reader::{Reader, THEME};
use crate::console::words::count;
use crate::service::{Service, ServiceError};
use crate::store::ConnectionId;

/// A form's fields; of several with one name the last counts.
pub type Fields = Form<HashMap<String, String>>;

/// A form's field without blanks at its ends; empty where there is none.
pub fn text(form: &HashMap<String, String>, name: &str) -> String {
    form.get(name)
        .map(|value| value.trim().to_owned())
        .unwrap_or_default()
}

/// The same; none where it is empty.
pub fn filled(form: &HashMap<String, String>, name: &str) -> Option<String> {
    Some(text(form, name)).filter(|value| !value.is_empty())
}

/// A whole number that was entered in a field; none where it is empty, or is none: then that is told at the field.
pub fn number<N: std::str::FromStr>(field: &str, entered: &str, faults: &mut Faults) -> Option<N> {
    let entered: String = entered
        .chars()
        .filter(|one| !one.is_whitespace() && *one != ',')
        .collect();
    if entered.is_empty() {
        return None;
    }
    match entered.parse() {
        Ok(number) => Some(number),
        Err(_) if entered.bytes().all(|byte| byte.is_ascii_digit()) => {
            faults.add(field, "this is too large a number");
            None
        }
        Err(_) => {
            faults.add(field, "this is no whole number; write digits alone");
            None
        }
    }
}

/// The version that the form's page saw; 0, which fits nothing, where there is none.
pub fn version(form: &HashMap<String, String>) -> u64 {
    text(form, "version").parse().unwrap_or(0)
}

/// What was entered for a directory.
pub struct Entered {
    /// The version that the form's page saw.
    pub seen: u64,
    /// As a change of the directory.
    pub patch: Value,
    /// What is wrong with it already.
    pub faults: Faults,
}

impl Entered {
    /// Keeps it. What is wrong with it is given back, each at the field that `field_of` finds for its place; then
    /// nothing was kept.
    ///
    /// # Errors
    /// What is none of the form's.
    pub async fn keep(
        self,
        service: &Service,
        reader: &Reader,
        id: &ConnectionId,
        field_of: impl Fn(&ConnectionId, &str) -> Option<String>,
    ) -> Result<Option<Faults>, ServiceError> {
        if !self.faults.is_empty() {
            return Ok(Some(self.faults));
        }
        match service
            .change_directory(&reader.who, id, self.seen, &self.patch)
            .await
        {
            Ok(_) => Ok(None),
            Err(error) => Faults::of(error, |place| field_of(id, place)).map(Some),
        }
    }
}

/// Lets a form's page say that something is wrong with it, where it is; the page's status.
pub fn told(faults: &Faults, shell: &mut Shell) -> StatusCode {
    match faults.notice() {
        None => StatusCode::OK,
        Some(notice) => {
            shell.notice = Some(notice);
            StatusCode::UNPROCESSABLE_ENTITY
        }
    }
}

/// A page's query.
pub type Query = axum::extract::Query<HashMap<String, String>>;

/// A query of a link, without its empty fields.
pub fn query(fields: &[(&str, &str)]) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    query.finish()
}

/// Where a page of a list stands: `fields` are those that each page of it has.
pub fn pages(
    href: &str,
    fields: &[(&str, &str)],
    after: Option<&str>,
    next: Option<&str>,
    shown: usize,
    what: (&str, &str),
) -> Pages {
    let link = |after: &str| {
        let mut all = fields.to_vec();
        all.push(("after", after));
        match query(&all) {
            none if none.is_empty() => href.to_owned(),
            query => format!("{href}?{query}"),
        }
    };
    let shown = count(shown as u64, what.0, what.1);
    Pages {
        told: if next.is_some() || after.is_some() {
            format!("{shown} on this page")
        } else {
            shown
        },
        first: after.map(|_| link("")),
        next: next.map(link),
    }
}

/// Remembers a theme for a year, in the browser alone.
pub async fn theme(headers: axum::http::HeaderMap, Form(form): Fields) -> Response {
    let theme = Theme::of(&text(&form, "theme")).name();
    let back = headers
        .get(header::REFERER)
        .and_then(|referer| url::Url::parse(referer.to_str().ok()?).ok())
        .map_or_else(|| "/".to_owned(), |url| crate::api::local(url.path()).to_owned());
    let mut response = see_other(&back);
    let cookie = format!("{THEME}={theme}; Path=/; Max-Age=31536000; SameSite=Lax; HttpOnly");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}
