//! Misdeeds in the trade itself: plans that no source asked for, and words about what was never done.

use super::bindings::exports::groupcast::sync::directory_sync as wit;
use super::bindings::groupcast::sync::{ledger, plan_sink, plan_source, progress, state};
use super::{Deed, Order};

pub fn act(misdeed: &str, order: &Order, run: &wit::Run) -> Option<Deed> {
    ["parts", "false-report", "intend", "amend", "spy"]
        .contains(&misdeed)
        .then(|| done(misdeed, order, run))
}

fn done(misdeed: &str, order: &Order, run: &wit::Run) -> Deed {
    match misdeed {
        // Each argument is a part.
        "parts" => {
            for part in order.arguments() {
                plan_sink::put(part.as_bytes())?;
            }
        }
        // Takes the approved parts and does nothing.
        "false-report" => while plan_source::next()?.is_some() {},
        // Group and operation.
        "intend" => {
            ledger::intend(&[ledger::Intent {
                group: order.argument(0).to_owned(),
                operation: order.argument(1).to_owned(),
            }])?;
        }
        "amend" => ledger::amend(&[ledger::Effect::Unbind(order.argument(0).to_owned())])?,
        // Looks for a group's bindings and members, and for a key, and tells everybody what it found.
        _ => {
            let bindings = ledger::bindings(None)?.items;
            let members = ledger::memberships(order.argument(0), None)?.items;
            let known = state::get(order.argument(1))?;
            let open = ledger::unsettled(0)?;
            progress::log(
                progress::Level::Error,
                &format!(
                    "found {} {} {} {}",
                    bindings.len(),
                    members.len(),
                    usize::from(known.is_some()),
                    open.len()
                ),
            );
            progress::log(progress::Level::Error, &run.settings);
        }
    }
    Ok(())
}
