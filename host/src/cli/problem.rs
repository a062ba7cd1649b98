//! A failure as the command line shows it: what happened, to what, what to do, and whether anything was refused or
//! broke. Everything that can go wrong beneath becomes one of these, so that there is one way to show it.

use groupcast_guest::failure::VendorAnswer;

use super::exit::Exit;

/// A failure for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Refused or failed.
    pub exit: Exit,
    /// What it happened to: a connection, a file; empty where the message names it.
    pub place: String,
    /// What happened and what to do. May have several lines.
    pub message: String,
    /// The vendor's answer behind it.
    pub vendor: Option<VendorAnswer>,
}

impl Problem {
    /// Refused: nothing was done.
    pub fn refused(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Refused,
            place: String::new(),
            message: message.into(),
            vendor: None,
        }
    }

    /// Failed on the way.
    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            ..Self::refused(message)
        }
    }

    /// The same problem, with what it happened to.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>) -> Self {
        self.place = place.into();
        self
    }
}

/// What a [`Problem`] says where the output was closed by its reader.
pub(super) const NOBODY_READS: &str = "the output was closed";

/// Writing to a closed pipe ends the command quietly; everything else is worth a word.
impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            return Self::failed(NOBODY_READS);
        }
        Self::failed(format!("the output could not be written: {error}"))
    }
}
