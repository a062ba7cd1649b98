//! What a command says of several connections: of each as text at once, or of all in one document; and the exit code, which
//! is the worst of theirs. What may not enter: what a command does.

use serde::Serialize;

use crate::cli::documents::Document;
use crate::cli::exit::Exit;
use crate::cli::operations::ConnectionName;
use crate::cli::problem::Problem;
use crate::cli::session::Session;

/// Answers of connections, one after the other.
pub struct Answers<T> {
    document: Document<T>,
    exit: Exit,
}

impl<T: Serialize> Answers<T> {
    /// Those of a command.
    pub fn new(command: &str) -> Self {
        Self {
            document: Document::new(command),
            exit: Exit::Done,
        }
    }

    /// What came of a connection; as text it was shown already.
    pub fn done(&mut self, connection: &ConnectionName, exit: Exit, entry: T) {
        self.exit = self.exit.max(exit);
        self.document.push(connection, Ok(entry));
    }

    /// What went wrong with a connection: shown at once where it is text.
    pub fn failed(
        &mut self,
        session: &mut Session<'_>,
        connection: &ConnectionName,
        problem: &Problem,
    ) -> Result<(), Problem> {
        self.exit = self.exit.max(problem.exit);
        if session.shared.json {
            self.document.push(connection, Err(problem));
            Ok(())
        } else {
            session.failure(problem)
        }
    }

    /// Shows the document, where there is to be one; the command's exit code.
    pub fn end(mut self, session: &mut Session<'_>) -> Result<Exit, Problem> {
        if session.shared.json {
            self.document.exit = self.exit.code();
            session.document(&self.document)?;
        }
        Ok(self.exit)
    }
}
