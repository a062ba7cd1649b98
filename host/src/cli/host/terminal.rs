//! The person at the terminal, and what is piped in their place: a question, a secret's value. What may not enter: what
//! an answer is for.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use secrecy::SecretString;
use zeroize::Zeroizing;

use crate::cli::problem::Problem;

/// The longest secret, bytes: a service account's key file has under 3 KiB.
const LONGEST_SECRET: u64 = 64 << 10;

/// Asks yes or no; none where nobody can be asked.
pub(super) fn confirm(question: &str) -> Option<bool> {
    if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return None;
    }
    let mut terminal = std::io::stderr();
    write!(terminal, "{question} [y/N] ").ok()?;
    terminal.flush().ok()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok()?;
    Some(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// A secret's value: typed unseen, or from standard input.
pub(super) fn secret_value(name: &str) -> Result<SecretString, Problem> {
    let stdin = std::io::stdin();
    let value = if stdin.is_terminal() {
        crate::cli::prompt::unseen(&format!("Value of {name} (not shown): "))?
    } else {
        let mut value = Zeroizing::new(String::new());
        stdin
            .lock()
            .take(LONGEST_SECRET + 1)
            .read_to_string(&mut value)
            .map_err(|error| {
                Problem::refused(format!(
                    "the value cannot be read: {error}; give it as UTF-8 text"
                ))
            })?;
        value
    };
    trimmed(&value)
}

/// Without the line break that editors and `echo` put at the end.
fn trimmed(value: &str) -> Result<SecretString, Problem> {
    if value.len() as u64 > LONGEST_SECRET {
        return Err(Problem::refused(format!(
            "the value has more than {LONGEST_SECRET} bytes; is it the right file?"
        )));
    }
    let value = value.strip_suffix('\n').unwrap_or(value);
    let value = value.strip_suffix('\r').unwrap_or(value);
    if value.is_empty() {
        return Err(Problem::refused("the value is empty; nothing was stored"));
    }
    Ok(SecretString::from(value))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::cli::exit::Exit;

    #[test]
    fn one_line_break_at_the_end_of_a_secret_is_left_out() {
        assert_eq!(trimmed("key\n").unwrap().expose_secret(), "key");
        assert_eq!(trimmed("key\r\n").unwrap().expose_secret(), "key");
        assert_eq!(trimmed("two\nlines\n\n").unwrap().expose_secret(), "two\nlines\n");
        assert_eq!(trimmed(" blanks stay ").unwrap().expose_secret(), " blanks stay ");
    }

    #[test]
    fn empty_and_oversized_secrets_are_refused() {
        assert_eq!(trimmed("\n").unwrap_err().exit, Exit::Refused);
        assert_eq!(trimmed(&"x".repeat(70_000)).unwrap_err().exit, Exit::Refused);
    }
}
