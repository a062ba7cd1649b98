//! From the command line's arguments to the story and the simulators, and from their ends to exit codes.

use tokio_util::sync::CancellationToken;

use super::{
    ConsoleOptions, Open, OpenService, SandboxError, SandboxOptions, SimulatorsOptions, console, sandbox,
    simulators,
};
use crate::cli::arguments::{OrganisationSize, SandboxArguments, SimulatorsArguments};
use crate::cli::exit::Exit;
use crate::cli::operations::RunFailureKind;
use crate::cli::problem::Problem;
use groupcast_simulators::organisation::Size;

/// As large as most organisations get.
const LARGE: Size = Size {
    users: 5_000,
    groups: 500,
    memberships: 50_000,
};

/// `groupcast sandbox`: done only where everything came out as it had to.
///
/// # Errors
/// What kept the story from being told.
pub async fn run_sandbox(
    arguments: &SandboxArguments,
    json: bool,
    open: Open,
    open_service: OpenService,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let size = match arguments.size {
        OrganisationSize::Small => None,
        OrganisationSize::Large => Some(LARGE),
        OrganisationSize::Exactly {
            users,
            groups,
            memberships,
        } => Some(Size {
            users,
            groups,
            memberships,
        }),
    };
    if arguments.console {
        let options = ConsoleOptions {
            empty: arguments.empty,
            size,
            tenants: arguments.tenants,
            json,
        };
        console(options, open_service, &mut anstream::stdout(), stop).await?;
        return Ok(Exit::Done);
    }
    let options = SandboxOptions {
        once: arguments.once,
        size,
    };
    let end = sandbox(options, open, Some(open_service), &mut anstream::stdout(), stop).await?;
    Ok(if end.problems.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

/// `groupcast simulators`.
///
/// # Errors
/// A file that is wrong, a port that is taken.
pub async fn run_simulators(
    arguments: &SimulatorsArguments,
    json: bool,
    stop: &CancellationToken,
) -> Result<Exit, Problem> {
    let options = SimulatorsOptions {
        organisation: arguments.organisation.clone(),
        faults: arguments.faults.clone(),
        listen: arguments.listen,
        ports: arguments.ports,
        tls: !arguments.no_tls,
        json,
    };
    simulators(options, &mut anstream::stdout(), stop).await?;
    Ok(Exit::Done)
}

impl From<SandboxError> for Problem {
    fn from(error: SandboxError) -> Self {
        match error {
            SandboxError::Output(error) => Self::from(error),
            SandboxError::Run { what, failure } => Self {
                exit: match failure.kind {
                    RunFailureKind::Refused => Exit::Refused,
                    RunFailureKind::Failed => Exit::Failed,
                },
                place: what,
                message: failure.message,
                vendor: failure.vendor,
            },
            refused => Self::refused(refused.to_string()),
        }
    }
}
