//! How the process ends: four numbers that scripts can rely on.

use std::process::ExitCode;

/// How a command ended. Of several connections, the worst counts; the order of the variants is that order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: done, and nothing waits.
    Done,
    /// 2: changes are pending, or held for approval.
    Pending,
    /// 3: refused before anything was done: the command line, the configuration, a credential, the gate, a plan that no
    /// longer fits.
    Refused,
    /// 4: something failed on the way.
    Failed,
}

impl Exit {
    /// The number that the process ends with.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Pending => 2,
            Self::Refused => 3,
            Self::Failed => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
