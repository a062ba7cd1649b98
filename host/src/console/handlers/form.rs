//! Forms as they are sent, and lists in pages.

use std::collections::HashMap;

use axum::extract::Form;
use axum::http::{HeaderValue, header};
use axum::response::Response;

use crate::console::faults::Faults;
use crate::console::page::{Pages, Theme, see_other};
use crate::console::reader::THEME;
use crate::console::words::count;

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
