//! The log: one line an event, as text or JSON, with tenant, connection, run and job as fields.
//!
//! What others said, a vendor or a plugin, cannot forge a line: line breaks, control characters and what turns the
//! direction of writing are written out. Addresses of people show only from `debug` on. Secrets never get here: what
//! holds one hides it in its `Debug`.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use chrono::{SecondsFormat, Utc};
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

/// The longest value of a field, in characters; what is longer is cut.
const LONGEST: usize = 4_096;
/// What stands for an address.
const ADDRESS: &str = "<address>";
/// Fields that a line takes from the spans around it.
const FROM_SPANS: [&str; 5] = ["tenant", "connection", "run", "job", "request"];

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// For people.
    Text {
        /// With colours.
        coloured: bool,
    },
    /// For programs.
    Json,
}

/// Where lines go; each call is a whole line with its line break.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Writes events as lines.
pub struct LogLayer {
    form: Form,
    sink: Sink,
    /// Whether text says which module speaks; JSON always does.
    with_target: bool,
}

impl LogLayer {
    /// Lines of this form, to there.
    pub fn new(form: Form, with_target: bool, sink: Sink) -> Self {
        Self {
            form,
            sink,
            with_target,
        }
    }
}

/// What a span or an event says.
#[derive(Debug, Default, Clone)]
struct Fields {
    message: String,
    others: Vec<(&'static str, Value)>,
}

impl Fields {
    fn put(&mut self, name: &'static str, value: Value) {
        if name == "message" && self.message.is_empty() {
            self.message = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            return;
        }
        let name = if name == "message" { "detail" } else { name };
        match (name, &value) {
            // A connection's full name is tenant and name.
            ("connection", Value::String(text)) if text.contains('/') => {
                let (tenant, connection) = text.split_once('/').unwrap_or_default();
                let (tenant, connection) = (tenant.into(), connection.into());
                self.set("tenant", tenant);
                self.set("connection", connection);
            }
            _ => self.set(name, value),
        }
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match self.others.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.others.push((name, value)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field.name(), Value::String(format!("{value:?}")));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), Value::String(value.to_owned()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field.name(), Value::String(value.to_string()));
    }
}

impl<S> Layer<S> for LogLayer
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        for span in context.event_scope(event).into_iter().flatten() {
            if let Some(around) = span.extensions().get::<Fields>() {
                for (name, value) in &around.others {
                    let known = fields.others.iter().any(|(known, _)| known == name);
                    if FROM_SPANS.contains(name) && !known {
                        fields.others.push((*name, value.clone()));
                    }
                }
            }
        }
        let level = *event.metadata().level();
        let line = match self.form {
            Form::Json => json(level, event.metadata().target(), fields),
            Form::Text { coloured } => {
                let target = self.with_target.then(|| event.metadata().target());
                text(level, target, coloured, fields)
            }
        };
        (self.sink)(&line);
    }
}

fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn json(level: Level, target: &str, fields: Fields) -> String {
    let level_word = level.as_str().to_ascii_lowercase();
    let mut line = format!(
        "{{\"timestamp\":\"{}\",\"level\":\"{level_word}\",\"target\":{},\"message\":{}",
        now(),
        Value::from(target),
        Value::from(harmless(&fields.message, level)),
    );
    for (name, value) in fields.others {
        let value = match value {
            Value::String(text) => Value::String(harmless(&text, level)),
            other => other,
        };
        // Writing to a string cannot fail.
        let _ = write!(line, ",{}:{value}", Value::from(name));
    }
    line.push_str("}\n");
    line
}

fn text(level: Level, target: Option<&str>, coloured: bool, fields: Fields) -> String {
    let colour = match level {
        _ if !coloured => "",
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        _ => "\u{1b}[2m",
    };
    let plain = if coloured { "\u{1b}[0m" } else { "" };
    let mut line = format!("{} {colour}{:5}{plain} ", now(), level.as_str());
    if let Some(target) = target {
        line.push_str(target);
        line.push_str(": ");
    }
    line.push_str(&harmless(&fields.message, level));
    for (name, value) in fields.others {
        let value = match value {
            Value::String(text) => {
                let text = harmless(&text, level);
                if text.is_empty() || text.contains([' ', '"', '=']) {
                    Value::String(text).to_string()
                } else {
                    text
                }
            }
            other => other.to_string(),
        };
        let _ = write!(line, " {name}={value}");
    }
    line.push('\n');
    line
}

/// A text of whoever's that can be a part of a line: on one line, not endless, and without addresses where the level is
/// `info` or above.
fn harmless(text: &str, level: Level) -> String {
    let mut safe = String::with_capacity(text.len());
    for (count, character) in text.chars().enumerate() {
        if count == LONGEST {
            safe.push('…');
            break;
        }
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            _ if character.is_control() || turns(character) => safe.extend(character.escape_unicode()),
            _ => safe.push(character),
        }
    }
    if level <= Level::INFO {
        without_addresses(&safe)
    } else {
        safe
    }
}

/// What turns the direction of writing, breaks a line or is not seen.
fn turns(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

/// The text with every address in it replaced.
fn without_addresses(text: &str) -> String {
    let mut rest = text;
    let mut safe = String::with_capacity(text.len());
    while let Some((at, sign)) = sign(rest) {
        let (before, after) = rest.split_at(at);
        let after = after.get(sign..).unwrap_or_default();
        let local = before.len() - before.trim_end_matches(is_local).len();
        let domain: usize = after
            .chars()
            .take_while(|c| is_domain(*c))
            .map(char::len_utf8)
            .sum();
        let host = after.get(..domain).unwrap_or_default();
        if local > 0 && host.trim_end_matches('.').contains('.') {
            safe.push_str(before.get(..before.len() - local).unwrap_or_default());
            safe.push_str(ADDRESS);
            if host.ends_with('.') {
                safe.push('.');
            }
        } else {
            safe.push_str(rest.get(..at + sign + domain).unwrap_or_default());
        }
        rest = after.get(domain..).unwrap_or_default();
    }
    safe.push_str(rest);
    safe
}

/// The next `@`, as it is or as URLs write it: where, and how long.
fn sign(text: &str) -> Option<(usize, usize)> {
    let plain = text.find('@').map(|at| (at, 1));
    let escaped = text.find("%40").map(|at| (at, 3));
    match (plain, escaped) {
        (Some(plain), Some(escaped)) => Some(plain.min(escaped)),
        (one, other) => one.or(other),
    }
}

fn is_local(character: char) -> bool {
    character.is_alphanumeric()
        || ".!#$%&'*+-/=?^_`{|}~".contains(character) && character != '/' && character != '='
}

fn is_domain(character: char) -> bool {
    character.is_alphanumeric() || character == '.' || character == '-'
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    fn logged(form: Form, say: impl FnOnce()) -> Vec<String> {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&lines);
        let sink: Sink = Arc::new(move |line| {
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(line.to_owned());
        });
        let layer = LogLayer::new(form, false, sink);
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), say);
        let lines = lines.lock().unwrap();
        lines.clone()
    }

    fn one_json(say: impl FnOnce()) -> Value {
        let lines = logged(Form::Json, say);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = lines.first().unwrap();
        assert_eq!(line.matches('\n').count(), 1, "one line an event: {line:?}");
        serde_json::from_str(line).unwrap()
    }

    #[test]
    fn a_line_takes_tenant_connection_run_and_job_from_the_spans_around_it_and_nothing_else() {
        let line = one_json(|| {
            let job = tracing::info_span!("job", job = "j1", secret_of_another_kind = "x");
            let _job = job.enter();
            let run = tracing::info_span!(
                "run",
                tenant = "acme",
                connection = "google",
                run = tracing::field::Empty
            );
            run.record("run", "r1");
            let _run = run.enter();
            tracing::info!(operations = 3_u64, "applied");
        });
        assert_eq!(line["level"], "info");
        assert_eq!(line["message"], "applied");
        assert_eq!(line["tenant"], "acme");
        assert_eq!(line["connection"], "google");
        assert_eq!(line["run"], "r1");
        assert_eq!(line["job"], "j1");
        assert_eq!(line["operations"], 3);
        assert_eq!(line.get("secret_of_another_kind"), None);
    }

    #[test]
    fn a_connections_full_name_becomes_tenant_and_connection_and_a_second_message_a_detail() {
        let line = one_json(|| {
            tracing::warn!(connection = %"acme/google", message = "in step", "sync ended");
        });
        assert_eq!(line["tenant"], "acme");
        assert_eq!(line["connection"], "google");
        assert_eq!(line["message"], "sync ended");
        assert_eq!(line["detail"], "in step");
    }

    #[test]
    fn a_vendors_text_forges_no_line() {
        let forged = "no\n2026-01-05T10:00:00Z INFO all is well\r\u{1b}[2J\u{202e}\u{2028}\u{85}\u{0}";
        for form in [Form::Json, Form::Text { coloured: false }] {
            let lines = logged(form, || tracing::error!(reason = forged, "{forged}"));
            let line = lines.first().unwrap();
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(line.ends_with('\n'));
            let body = line.trim_end_matches('\n');
            assert!(!body.chars().any(|c| c.is_control() || turns(c)), "{line:?}");
        }
    }

    #[test]
    fn addresses_of_people_show_from_debug_on_and_not_before() {
        let text = "GET https://graph.example/users/alice%40example.com?x=bob.o'hara+x@mail.example.co.uk: \
                    no żółw@example.com.";
        let line = one_json(|| tracing::warn!("{text}"));
        assert_eq!(
            line["message"],
            "GET https://graph.example/users/<address>?x=<address>: no <address>."
        );
        let line = one_json(|| tracing::debug!("{text}"));
        assert_eq!(line["message"], text);
        let line = one_json(|| tracing::info!("user@host is no address, @ neither, %40 nor a@"));
        assert_eq!(line["message"], "user@host is no address, @ neither, %40 nor a@");
    }

    #[test]
    fn text_is_read_by_people() {
        let lines = logged(Form::Text { coloured: false }, || {
            tracing::info!(tenant = "acme", reason = "two words", empty = "", "said");
        });
        let line = lines.first().unwrap();
        let (_, rest) = line.split_once(' ').unwrap();
        assert_eq!(rest, "INFO  said tenant=acme reason=\"two words\" empty=\"\"\n");
    }

    #[test]
    fn what_is_endless_is_cut() {
        let line = one_json(|| tracing::info!("{}", "x".repeat(100_000)));
        assert_eq!(line["message"].as_str().unwrap().chars().count(), LONGEST + 1);
    }
}
