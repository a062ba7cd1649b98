//! `why` for every state and every reason that there is. The codes are read from the sources: a new one without a scene
//! here fails a test.

mod people;
mod reasons;
mod scenes;

use super::*;
use crate::plan::model::{MemberKind, Principal, Resolution, Role, Sight, TargetGroup};
use crate::plan::part::{GroupState, Reason};
use crate::settings::{DriftPolicy, Suspended};

/// A situation, the question, the code of the link that tells it, and words of what to do.
struct Scene {
    code: &'static str,
    person: Option<&'static str>,
    state: GroupState,
    says: &'static str,
    town: Town,
}

/// Sales with Anna and Bert, at `sales@example.com`; not synced.
fn fresh() -> Town {
    let mut town = Town::google();
    town.source
        .group("g1", "Sales", Some("sales@example.com"), &["anna", "bert"]);
    town
}

fn synced() -> Town {
    let town = fresh();
    town.sync();
    town
}

fn changed(mut town: Town, change: impl FnOnce(&mut Town)) -> Town {
    change(&mut town);
    town
}

fn named() -> Town {
    let mut town = Town::entra();
    town.source.group("g1", "Sales", None, &["anna", "bert"]);
    town
}

fn principal_of(user: &str) -> Principal {
    Principal {
        id: format!("p-{user}"),
        address: format!("{user}@example.com"),
    }
}

fn resolves(user: &str, resolution: Resolution) -> impl FnOnce(&mut Town) {
    let user = user.to_owned();
    move |town| {
        town.target.resolutions.insert(user, resolution);
    }
}

fn leaves(town: &mut Town, who: &str) {
    town.source.members.get_mut("g1").unwrap().remove(who);
}
