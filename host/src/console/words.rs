//! Words of a page: names, times, numbers and states as a person reads them, safe as HTML. What may not enter: what a
//! word means for a sync.

use std::fmt;

use askama::filters::{Html, HtmlSafe, escape};
use chrono::{DateTime, SecondsFormat, Utc};

pub use crate::cli::render::text::{count, fitting, grouped, short, shown};
use crate::store::RunResult;

/// What vendors and administrators wrote: isolated from the direction of the text around it, with characters that
/// deceive made visible.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Name(pub String);

impl Name {
    /// A name.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The words alone, for titles and labels, where no markup can be.
    pub fn plain(&self) -> String {
        shown(&self.0)
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl HtmlSafe for Name {}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "<bdi>{}</bdi>", escaped(&shown(&self.0)))
    }
}

/// What a word says at a glance. Colour never says it alone: the word does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// Neither good nor bad.
    #[default]
    Plain,
    /// As it should be.
    Good,
    /// To look at.
    Care,
    /// Wrong.
    Bad,
    /// To know.
    Info,
    /// At work.
    Busy,
}

impl Tone {
    /// The class that the style sheet knows it by.
    pub fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "good",
            Self::Care => "care",
            Self::Bad => "bad",
            Self::Info => "info",
            Self::Busy => "busy",
        }
    }
}

impl fmt::Display for Tone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.class())
    }
}

/// A state in a word.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Badge {
    /// What it says at a glance.
    pub tone: Tone,
    /// The word.
    pub text: String,
}

impl Badge {
    /// A word with a tone.
    pub fn new(tone: Tone, text: impl Into<String>) -> Self {
        Self {
            tone,
            text: text.into(),
        }
    }
}

impl HtmlSafe for Badge {}

impl fmt::Display for Badge {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "<span class=\"badge {}\">{}</span>",
            self.tone,
            escaped(&self.text)
        )
    }
}

/// A moment, told by how far it is away; the exact time is in the title.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct When {
    at: DateTime<Utc>,
    now: DateTime<Utc>,
}

impl When {
    /// A moment, seen from now.
    pub fn new(at: DateTime<Utc>) -> Self {
        Self { at, now: Utc::now() }
    }

    /// A moment, seen from another.
    pub fn seen_from(at: DateTime<Utc>, now: DateTime<Utc>) -> Self {
        Self { at, now }
    }

    /// `3 minutes ago`, `in 2 hours`, `12 Mar 2026`.
    pub fn words(self) -> String {
        let seconds = (self.now - self.at).num_seconds();
        let far = seconds.unsigned_abs();
        let told = match far {
            0..45 => return if seconds >= 0 { "just now" } else { "in a moment" }.to_owned(),
            45..2_700 => count(((far + 30) / 60).max(1), "minute", "minutes"),
            2_700..79_200 => count(((far + 1_800) / 3_600).max(1), "hour", "hours"),
            79_200..2_592_000 => count(((far + 43_200) / 86_400).max(1), "day", "days"),
            _ => return self.at.format("%-d %b %Y").to_string(),
        };
        if seconds >= 0 {
            format!("{told} ago")
        } else {
            format!("in {told}")
        }
    }
}

impl HtmlSafe for When {}

impl fmt::Display for When {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "<time datetime=\"{}\" title=\"{}\">{}</time>",
            self.at.to_rfc3339_opts(SecondsFormat::Secs, true),
            self.at.format("%Y-%m-%d %H:%M:%S UTC"),
            self.words()
        )
    }
}

/// How long something took: `850 ms`, `12.3 s`, `4 min 10 s`.
pub fn span(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100),
        60_000..3_600_000 => format!(
            "{} min {} s",
            milliseconds / 60_000,
            milliseconds % 60_000 / 1_000
        ),
        _ => format!(
            "{} h {} min",
            milliseconds / 3_600_000,
            milliseconds % 3_600_000 / 60_000
        ),
    }
}

/// How a run ended.
pub fn ended(result: RunResult) -> Badge {
    match result {
        RunResult::Done => Badge::new(Tone::Good, "Done"),
        RunResult::ChangesPending => Badge::new(Tone::Care, "Changes wait"),
        RunResult::Refused => Badge::new(Tone::Bad, "Refused"),
        RunResult::Failed => Badge::new(Tone::Bad, "Failed"),
        RunResult::HandedOver => Badge::new(Tone::Info, "Handed over"),
    }
}

/// A part of a path of a URL.
pub fn segment(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

pub(super) fn escaped(text: &str) -> String {
    escape(text, Html)
        .map(|safe| safe.to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::Duration;

    #[test]
    fn a_name_is_no_markup_and_cannot_turn_the_text_around_it() {
        let name = Name::new("<b onclick=\"x\">Sales & 'Co'</b>\u{202e}");
        let html = name.to_string();
        assert!(html.starts_with("<bdi>") && html.ends_with("</bdi>"));
        assert!(
            !html[5..html.len() - 6].contains(['<', '>', '"', '\u{202e}']),
            "{html}"
        );
        assert_eq!(Name::new("مبيعات").to_string(), "<bdi>مبيعات</bdi>");
        assert!(!Badge::new(Tone::Bad, "<i>").to_string().contains("<i>"));
    }

    #[test]
    fn moments_are_told_by_how_far_they_are() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        for (seconds, words) in [
            (0, "just now"),
            (60, "1 minute ago"),
            (3_600, "1 hour ago"),
            (90_000, "1 day ago"),
            (-600, "in 10 minutes"),
            (-7_300, "in 2 hours"),
        ] {
            assert_eq!(
                When::seen_from(now - Duration::seconds(seconds), now).words(),
                words
            );
        }
        assert!(
            When::seen_from(now - Duration::days(90), now)
                .words()
                .ends_with("2026")
        );
    }

    #[test]
    fn spans_are_short() {
        assert_eq!(span(850), "850 ms");
        assert_eq!(span(12_340), "12.3 s");
        assert_eq!(span(250_000), "4 min 10 s");
        assert_eq!(span(7_260_000), "2 h 1 min");
    }

    #[test]
    fn a_segment_is_one_segment() {
        assert_eq!(segment("a/b c?d"), "a%2Fb%20c%3Fd");
    }
}
