//! The export `explain`: why is a person (not) in a group, or why is a group in its state? A chain of links from the
//! source to the target; the first that does not hold is the cause. It never writes.
//!
//! It reads as if management were on and the group were to be exported: who asks why nothing happens wants every
//! link judged, and not only the first. The state that it tells is the one under the settings as they are.
//!
//! [`find`] knows who is meant, [`group`] and [`person`] make the links, [`chain`] keeps them.

mod chain;
mod find;
mod group;
mod person;

use std::collections::BTreeSet;

use crate::engine::answers::{Explanation, Question};
use crate::engine::observe::{Excerpt, Scope};
use crate::engine::plan::judge;
use crate::engine::source::SourceDirectory;
use crate::engine::{Session, ends_the_run};
use crate::failure::Failure;
use crate::settings::Settings;
use crate::target::TargetDirectory;

use chain::Chain;
use find::{find_group, find_person};

/// Answers the question.
///
/// # Errors
/// What kept the reads from being made.
pub async fn explain<S: SourceDirectory, T: TargetDirectory>(
    session: &Session<'_, S, T>,
    question: &Question,
) -> Result<Explanation, Failure> {
    let preview = Settings {
        managed: true,
        acknowledge: true,
        ..session.settings.clone()
    };
    let reading = Session {
        settings: &preview,
        ..*session
    };
    let mut chain = Chain::default();
    let Some(found) = find_group(session, &question.group).await? else {
        let message = format!(
            "JumpCloud has no group that is called, addressed or numbered “{}”, and the ledger knows none. Write its name as \
             it stands in JumpCloud, letter by letter, or its ID.",
            question.group
        );
        chain.link("group", false, message.clone());
        return Ok(chain.end(message));
    };
    let id = found.group;
    chain.group = Some(id.clone());
    let mut scope: BTreeSet<String> = found.rivals;
    scope.insert(id.clone());
    let (observed, verdict) = judge(&reading, &Scope::Groups(scope)).await?;
    let Some(Excerpt { mut world, mut view }) = observed.excerpt(&id) else {
        let message =
            format!("The group {id} is gone from JumpCloud and was never exported; there is nothing to do.");
        chain.link("group", false, message.clone());
        return Ok(chain.end(message));
    };
    let part = verdict.part(&view, &world);
    group::read_users_anyway(&reading, &mut view).await?;
    group::links(session, &view, &part, &mut chain);
    let Some(asked) = &question.person else {
        return Ok(group::explain(session, &view, &part, chain));
    };
    let person = find_person(&reading, &view, asked).await?;
    let mut path = None;
    if let Some(user) = &person.user {
        // Whoever is not in the group was not looked up with it.
        if !world.resolutions.contains_key(&user.id) {
            let found = reading.target.resolve(std::slice::from_ref(user)).await?;
            world.resolutions.extend(found);
        }
        path = match reading.source.path(&id, &user.id).await {
            Ok(path) => path,
            Err(failure) if ends_the_run(&failure) => return Err(failure),
            // The path is told for a person's sake; without it the chain still stands.
            Err(_) => None,
        };
    }
    let about = person::About {
        settings: session.settings,
        resolutions: &world.resolutions,
        view: &view,
        part: &part,
        person: &person,
        path: path.as_deref(),
    };
    Ok(person::explain(about, chain))
}
