//! What the process of a run gives up before anything of the component is near. Called before there is a second thread:
//! each of these holds for the calling thread and for what it starts.

use std::time::Duration;

use crate::plugin::computing::lower_priority;

/// Lets others go first: low priority, and half of the cores. Low priority alone is not enough, since the kernel finishes
/// what it does for a thread, such as clearing memory, before whoever wakes up gets the core.
pub(in crate::plugin) fn make_way() {
    lower_priority();
    #[cfg(target_os = "linux")]
    {
        use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
        let Ok(allowed) = sched_getaffinity(None) else {
            return;
        };
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU)
            .filter(|core| allowed.is_set(*core))
            .collect();
        let mut half = CpuSet::new();
        for core in cores.iter().rev().take((cores.len() / 2).max(1)) {
            half.set(*core);
        }
        if let Err(error) = sched_setaffinity(None, &half) {
            tracing::debug!(%error, "a process could not be kept to half of the cores");
        }
    }
}

/// Gives up files, network and the right to look at other processes. What the system does not know, it cannot refuse:
/// the sandbox of the component is the wall, and this is a second one behind it. Why that wall is not there, where it is
/// not.
pub(super) fn shut_off() -> Option<String> {
    // A crash must not leave a component's memory behind.
    limit(rustix::process::Resource::Core, 0);
    #[cfg(target_os = "linux")]
    {
        let _name_for_people = rustix::thread::set_name(c"groupcast-run");
        // A process that holds somebody else's component goes first when memory runs out.
        let _older_system = std::fs::write("/proc/self/oom_score_adj", "1000");
        match landlock_all_but_compiled() {
            Ok(true) => None,
            Ok(false) => {
                Some("the kernel has no Landlock, or a filter of system calls forbids it".to_owned())
            }
            Err(error) => Some(error.to_string()),
        }
    }
    #[cfg(not(target_os = "linux"))]
    Some("only Linux has Landlock".to_owned())
}

/// Whether anything of it holds: what the kernel lacks is left out without an error, all of it too.
#[cfg(target_os = "linux")]
fn landlock_all_but_compiled() -> Result<bool, landlock::RulesetError> {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr as _,
        RulesetCreatedAttr as _, RulesetStatus, Scope,
    };
    let known = ABI::V6;
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(known))?
        .handle_access(AccessNet::from_all(known))?
        .scope(Scope::from_all(known))?
        .create()?;
    // Read only: what is in there is machine code that the host runs.
    let folder = crate::plugin::compiled::own_folder().and_then(|folder| PathFd::new(folder).ok());
    if let Some(folder) = folder {
        rules = rules.add_rule(PathBeneath::new(folder, AccessFs::from_read(known)))?;
    }
    Ok(rules.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

/// Bounds what the processor does for it, should the sandbox's own clock ever fail.
pub(super) fn bound(computing: Duration) {
    limit(
        rustix::process::Resource::Cpu,
        computing.as_secs().saturating_mul(2).saturating_add(30),
    );
}

fn limit(resource: rustix::process::Resource, most: u64) {
    use rustix::process::{Rlimit, setrlimit};
    let most = Rlimit {
        current: Some(most),
        maximum: Some(most),
    };
    if let Err(error) = setrlimit(resource, most) {
        eprintln!("the process could not be bounded: {error}");
    }
}

#[cfg(target_os = "linux")]
#[cfg(test)]
mod tests {
    use super::*;

    /// Of the calling thread alone, so that the tests beside it go on.
    fn shut_off_thread<T: Send + 'static>(then: impl FnOnce() -> T + Send + 'static) -> T {
        let confined = std::thread::spawn(move || {
            // What is told is what holds.
            assert_eq!(landlock_all_but_compiled().unwrap(), is_known());
            then()
        });
        confined.join().unwrap()
    }

    #[test]
    fn there_are_no_files_and_no_network() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        assert!(std::net::TcpStream::connect(address).is_ok());
        assert!(std::fs::read("/proc/self/environ").is_ok());
        let (file, written, connected) = shut_off_thread(move || {
            (
                std::fs::read("/proc/self/environ").map(drop),
                std::fs::write(std::env::temp_dir().join("groupcast-shut-off"), "x"),
                std::net::TcpStream::connect(address).map(drop),
            )
        });
        let denied =
            |result: std::io::Result<()>| result.unwrap_err().kind() == std::io::ErrorKind::PermissionDenied;
        if !is_known() {
            eprintln!("this kernel has no Landlock, so nothing can be asserted");
            return;
        }
        assert!(denied(file) && denied(written) && denied(connected));
    }

    /// Whether the kernel has Landlock with rules for the network.
    fn is_known() -> bool {
        use landlock::{
            ABI, Access as _, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
        };
        Ruleset::default()
            .set_compatibility(CompatLevel::HardRequirement)
            .handle_access(AccessNet::from_all(ABI::V4))
            .and_then(|rules| rules.create())
            .is_ok()
    }
}
