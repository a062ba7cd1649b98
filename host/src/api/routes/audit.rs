//! The audit log: read, and exported.

use axum::body::Body;
use axum::extract::{OriginalUri, State};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderName, HeaderValue, header};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::super::body::Params;
use super::super::caller::Caller;
use super::super::page::{Items, after, cursor, limit};
use super::super::problem::Problem;
use super::super::views::Audit;
use super::super::web::Web;
use super::page;
use crate::service::Principal;
use crate::store::service::{AuditEntry, AuditQuery};

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichEntries {
    /// Only of this tenant; who administers the whole host may leave it out.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    tenant: Option<String>,
    /// Only whose action begins so.
    #[param(max_length = 100)]
    #[serde(
        default,
        deserialize_with = "super::super::fields::optional_text::<_, 0, 100>"
    )]
    action: Option<String>,
    /// Only about this subject.
    #[param(max_length = 320)]
    #[serde(
        default,
        deserialize_with = "super::super::fields::optional_text::<_, 0, 320>"
    )]
    subject: Option<String>,
    /// How many items at most.
    #[param(minimum = 1, maximum = 200, default = 50)]
    limit: Option<u32>,
    /// `next` of the page before.
    #[param(max_length = 1024, pattern = "^[A-Za-z0-9_-]+$")]
    cursor: Option<String>,
}

/// Entries of the audit log, the latest first.
#[utoipa::path(get, path = "/audit", tag = "audit", params(WhichEntries),
    responses((status = 200, body = Items<Audit>)))]
pub(super) async fn list(
    State(web): State<Web>,
    caller: Caller,
    OriginalUri(uri): OriginalUri,
    Params(query): Params<WhichEntries>,
) -> Result<Response, Problem> {
    let before = after(query.cursor.as_deref())?
        .map(|mark| {
            mark.parse::<u64>()
                .ok()
                .filter(|mark| i64::try_from(*mark).is_ok())
                .ok_or_else(|| {
                    Problem::invalid_value("cursor", "this is no cursor of this list; begin without one")
                })
        })
        .transpose()?;
    let limit = limit(query.limit)?;
    let query = AuditQuery {
        tenant: query.tenant,
        action_prefix: query.action,
        subject: query.subject,
        after: None,
        before,
        limit: limit + 1,
    };
    let mut found = web.service.audit(&caller.principal, &query).await?;
    let more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let next = match found.last() {
        Some(last) if more => Some(cursor(&last.sequence.to_string())),
        _ => None,
    };
    let items = found.into_iter().map(Audit::from).collect();
    page(&uri, &Items { items, next })
}

/// In which form.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Form {
    /// A JSON document a line.
    #[default]
    Ndjson,
    /// A table for a spreadsheet.
    Csv,
}

/// What is exported.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WhichExport {
    /// Only of this tenant; who administers the whole host may leave it out.
    #[param(min_length = 1, max_length = 64, pattern = "^[a-z0-9-]+$")]
    #[serde(default, deserialize_with = "super::super::fields::optional_name")]
    tenant: Option<String>,
    /// In which form.
    #[param(inline)]
    format: Option<Form>,
}

/// The whole audit log, the oldest first, as a file.
#[utoipa::path(get, path = "/audit/export", tag = "audit", params(WhichExport), responses(
    (status = 200, description = "The entries.", content(
        (String = "application/x-ndjson"), (String = "text/csv")))))]
pub(super) async fn export(
    State(web): State<Web>,
    caller: Caller,
    Params(query): Params<WhichExport>,
) -> Result<Response, Problem> {
    let form = query.format.unwrap_or_default();
    let query = AuditQuery {
        tenant: query.tenant,
        after: Some(0),
        limit: 1_000,
        ..AuditQuery::default()
    };
    // The first page is asked for before the answer begins, so that a refusal is one.
    let first = web.service.audit(&caller.principal, &query).await?;
    let state = Export {
        web,
        who: caller.principal,
        query,
        page: Some(first),
        form,
        begun: false,
    };
    let body = Body::from_stream(stream::unfold(state, Export::next));
    let mut response = Response::new(body);
    let (kind, name) = match form {
        Form::Ndjson => (
            "application/x-ndjson",
            "attachment; filename=\"groupcast-audit.ndjson\"",
        ),
        Form::Csv => (
            "text/csv; charset=utf-8",
            "attachment; filename=\"groupcast-audit.csv\"",
        ),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(name));
    headers.insert(
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    );
    Ok(response)
}

struct Export {
    web: Web,
    who: Principal,
    query: AuditQuery,
    page: Option<Vec<AuditEntry>>,
    form: Form,
    begun: bool,
}

impl Export {
    /// A page's bytes; reading goes on only as fast as they are taken.
    async fn next(mut self) -> Option<(Result<Bytes, std::io::Error>, Self)> {
        let page = self.page.take()?;
        let mut text = String::new();
        if self.form == Form::Csv && !self.begun {
            text.push_str(
                "sequence,at,actor,name,address,tenant,action,subject,before,after,request,hash\r\n",
            );
        }
        self.begun = true;
        for entry in &page {
            match self.form {
                Form::Ndjson => {
                    let shown = Audit::from(entry.clone());
                    text.push_str(&serde_json::to_string(&shown).unwrap_or_default());
                    text.push('\n');
                }
                Form::Csv => row(entry, &mut text),
            }
        }
        if let Some(last) = page.last().filter(|_| page.len() >= 1_000) {
            self.query.after = Some(last.sequence);
            match self.web.service.audit(&self.who, &self.query).await {
                Ok(page) => self.page = Some(page).filter(|page| !page.is_empty()),
                // Cut off: whoever reads sees that it is not whole.
                Err(error) => return Some((Err(std::io::Error::other(error.to_string())), self)),
            }
        }
        Some((Ok(text.into()), self))
    }
}

fn row(entry: &AuditEntry, text: &mut String) {
    let json =
        |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let of = &entry.entry;
    let fields = [
        entry.sequence.to_string(),
        entry.at.to_rfc3339(),
        of.actor.subject.clone(),
        of.actor.name.clone(),
        of.actor.address.clone().unwrap_or_default(),
        of.tenant.clone().unwrap_or_default(),
        of.action.clone(),
        of.subject.clone(),
        json(&of.before),
        json(&of.after),
        of.request.clone().unwrap_or_default(),
        entry.hash.clone(),
    ];
    let cells: Vec<String> = fields.iter().map(|field| cell(field)).collect();
    text.push_str(&cells.join(","));
    text.push_str("\r\n");
}

/// A cell of RFC 4180. What a spreadsheet would take for a formula gets an apostrophe before it.
fn cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains(['"', ',', '\r', '\n', '\'']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_is_a_formula() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a,b", "\"a,b\""),
            ("say \"x\"", "\"say \"\"x\"\"\""),
            (
                "=HYPERLINK(\"http://evil\")",
                "\"'=HYPERLINK(\"\"http://evil\"\")\"",
            ),
            ("+1", "\"'+1\""),
            ("-1", "\"'-1\""),
            ("@SUM(A1)", "\"'@SUM(A1)\""),
            ("\t=1", "\"'\t=1\""),
            ("", ""),
        ] {
            assert_eq!(cell(text), expected);
        }
    }
}
