//! What is wrong with a configuration and where, shown as a compiler shows it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::secret_source::looks_like_secret;

/// A configuration that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "the configuration {path} cannot be read: {source}; name a file that is there and that you may read, with \
         --config FILE or GROUPCAST_CONFIG", path = .path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file was read and is wrong.
    #[error("{}", Report(.0))]
    Wrong(Vec<Problem>),
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// The file as it was named.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key, such as `google[1].limits.run_adds`; empty for the file as a whole.
    pub key: String,
    /// What to do.
    pub help: Option<String>,
    /// The line, with what may be a secret hidden; none where there is nothing to show.
    shown: Option<Shown>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Shown {
    text: String,
    before: usize,
    width: usize,
}

/// A text and its name, to point into.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// A problem at a place. `hide`: nothing of the line's values may be shown.
    pub(super) fn problem(
        &self,
        span: Option<Range<usize>>,
        key: impl Into<String>,
        message: impl Into<String>,
        help: Option<String>,
        hide: bool,
    ) -> Problem {
        let span = span.unwrap_or(0..0);
        let start = floor(self.text, span.start);
        let begin = self
            .text
            .get(..start)
            .and_then(|before| before.rfind('\n'))
            .map_or(0, |at| at + 1);
        let line_text = self
            .text
            .get(begin..)
            .and_then(|rest| rest.lines().next())
            .unwrap_or_default();
        let before = self.text.get(begin..start).unwrap_or_default().chars().count();
        let end = floor(self.text, span.end.max(start)).min(begin + line_text.len());
        let width = self.text.get(start..end).unwrap_or_default().chars().count();
        let hide = hide || holds_secret_key(line_text);
        let text = if hide {
            hide_values(line_text)
        } else {
            mask(line_text)
        };
        // Carets that would point into what is hidden point nowhere.
        let shown = (!line_text.trim().is_empty()).then(|| {
            let same = text == line_text;
            Shown {
                before: if same { before } else { before.min(key_end(&text)) },
                width: if same { width.max(1) } else { 1 },
                text,
            }
        });
        Problem {
            message: mask(&message.into()),
            file: self.path.display().to_string(),
            line: self.text.get(..start).unwrap_or_default().matches('\n').count() + 1,
            column: before + 1,
            key: key.into(),
            help: help.map(|help| mask(&help)),
            shown,
        }
    }
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}

/// Where a line's value begins.
fn key_end(line: &str) -> usize {
    line.find('=').map_or(0, |at| {
        line.get(..at).unwrap_or_default().trim_end().chars().count()
    })
}

/// Whether the line gives a secret's key a bare text: what stands there may be the secret.
fn holds_secret_key(line: &str) -> bool {
    let Some((key, value)) = line.split_once('=') else {
        return false;
    };
    let key = key.to_lowercase();
    ["key", "secret", "token", "password", "certificate"]
        .iter()
        .any(|word| key.contains(word))
        && !value.trim_start().starts_with('{')
        && !key.contains("url")
}

fn hide_values(line: &str) -> String {
    match line.split_once('=') {
        Some((key, _)) => format!("{key}= …"),
        None => "…".to_owned(),
    }
}

/// Hides every word that looks like a secret.
fn mask(text: &str) -> String {
    let breaks = |c: char| c.is_whitespace() || "\"'`,()[]{}".contains(c);
    let mut masked = String::with_capacity(text.len());
    for piece in text.split_inclusive(breaks) {
        let (word, rest) = match piece.char_indices().next_back() {
            Some((at, last)) if breaks(last) => piece.split_at(at),
            _ => (piece, ""),
        };
        masked.push_str(if looks_like_secret(word) { "…" } else { word });
        masked.push_str(rest);
    }
    masked
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        write!(formatter, "error: {}", self.message)?;
        write!(
            formatter,
            "\n{margin}--> {}:{}:{}",
            self.file, self.line, self.column
        )?;
        if !self.key.is_empty() {
            write!(formatter, " ({})", self.key)?;
        }
        if let Some(shown) = &self.shown {
            let (space, carets) = (" ".repeat(shown.before), "^".repeat(shown.width));
            write!(
                formatter,
                "\n{margin} |\n{number} | {}\n{margin} | {space}{carets}",
                shown.text
            )?;
        }
        if let Some(help) = &self.help {
            write!(formatter, "\n{margin} = help: {help}")?;
        }
        Ok(())
    }
}

struct Report<'a>(&'a [Problem]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, problem) in self.0.iter().enumerate() {
            if number > 0 {
                formatter.write_str("\n\n")?;
            }
            write!(formatter, "{problem}")?;
        }
        Ok(())
    }
}
