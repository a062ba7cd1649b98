//! A line typed unseen. The terminal is put back as it was however the prompt ends, Ctrl-C included: its key is read
//! here as a key, so that no signal can end the process with echo off.

use zeroize::Zeroizing;

use super::problem::Problem;

/// Asks for a line that is not shown.
#[cfg(unix)]
pub fn unseen(question: &str) -> Result<Zeroizing<String>, Problem> {
    use std::io::{Read as _, Write as _};

    let _restored = Unseen::begin()?;
    let mut terminal = std::io::stderr();
    write!(terminal, "{question}")?;
    terminal.flush()?;
    let mut typed = Zeroizing::new(Vec::new());
    let mut stdin = std::io::stdin().lock();
    let ended = loop {
        let mut key = Zeroizing::new([0_u8; 1]);
        let [byte] = &mut *key;
        if stdin.read(std::slice::from_mut(byte))? == 0 {
            break Ended::Entered;
        }
        if let Some(ended) = press(&mut typed, *byte) {
            break ended;
        }
    };
    writeln!(terminal)?;
    match ended {
        Ended::Interrupted => Err(Problem::refused("interrupted; nothing was stored")),
        Ended::Entered => match std::str::from_utf8(&typed) {
            Ok(text) => Ok(Zeroizing::new(text.to_owned())),
            Err(_) => Err(Problem::refused(
                "what was typed is no UTF-8 text; nothing was stored",
            )),
        },
    }
}

/// Asks for a line; where the terminal cannot hide it, standard input is the way.
#[cfg(not(unix))]
pub fn unseen(_: &str) -> Result<Zeroizing<String>, Problem> {
    Err(Problem::refused(
        "a value cannot be typed unseen on this system; give it by standard input: groupcast secrets set NAME < FILE",
    ))
}

#[derive(Debug, PartialEq, Eq)]
enum Ended {
    Entered,
    Interrupted,
}

/// What a key does to what was typed.
fn press(typed: &mut Vec<u8>, key: u8) -> Option<Ended> {
    match key {
        b'\r' | b'\n' | 0x04 => return Some(Ended::Entered),
        0x03 => return Some(Ended::Interrupted),
        0x08 | 0x7f => {
            // A character may have several bytes; all but its first begin with the bits 10.
            while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
        }
        0x15 => typed.clear(),
        key => typed.push(key),
    }
    None
}

/// The terminal without echo, lines and signals, for as long as this lives.
#[cfg(unix)]
struct Unseen(rustix::termios::Termios);

#[cfg(unix)]
impl Unseen {
    fn begin() -> Result<Self, Problem> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

        let failed = |error: rustix::io::Errno| {
            Problem::failed(format!("the terminal cannot hide what is typed: {error}"))
        };
        let before = tcgetattr(std::io::stdin()).map_err(failed)?;
        let mut hidden = before.clone();
        hidden
            .local_modes
            .remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &hidden).map_err(failed)?;
        Ok(Self(before))
    }
}

#[cfg(unix)]
impl Drop for Unseen {
    fn drop(&mut self) {
        // If the terminal is gone there is nothing to put back.
        let _ = rustix::termios::tcsetattr(std::io::stdin(), rustix::termios::OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_typed_deleted_and_entered() {
        let mut typed = Vec::new();
        for key in "aé".bytes() {
            assert_eq!(press(&mut typed, key), None);
        }
        assert_eq!(press(&mut typed, 0x7f), None);
        assert_eq!(typed, b"a");
        assert_eq!(press(&mut typed, b'\r'), Some(Ended::Entered));
        assert_eq!(press(&mut typed, 0x03), Some(Ended::Interrupted));
        assert_eq!(press(&mut typed, 0x15), None);
        assert!(typed.is_empty());
    }
}
