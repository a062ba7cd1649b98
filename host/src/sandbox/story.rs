//! What `groupcast sandbox` shows, act by act, and whether each act came out as it had to.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Instant;

use anstyle::{AnsiColor, Style};
use groupcast_guest::engine::Extent;
use groupcast_simulators::organisation::{self, Organisation, SAMPLE_GOOGLE_PUBLIC_KEY, Size};
use groupcast_simulators::server::{Options, Simulators};
use groupcast_simulators::{Vendor, jumpcloud};
use tokio_util::sync::CancellationToken;

use super::console::{OpenService, beside};
use super::expectation::{Expectation, Target};
use super::{Folder, SandboxError, requests};
use crate::cli::operations::{ApplyOutcome, ConnectionName, Operations, PlanOutcome, Selection, SyncOutcome};
use crate::cli::render;
use crate::cli::render::plan::{Approval, Detail};
use crate::cli::render::text::count;
use crate::plugin::Usage;

/// How to tell the story.
#[derive(Debug, Clone, Copy, Default)]
pub struct SandboxOptions {
    /// End after the last act instead of leaving the simulators up.
    pub once: bool,
    /// A generated organisation of this size; the sample without it.
    pub size: Option<Size>,
}

/// How the story came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxEnd {
    /// What was not as it must be, in sentences; empty where all was well.
    pub problems: Vec<String>,
}

/// Opens Groupcast on a configuration file, as the command line does; the error is for a person.
pub type Open = Box<
    dyn FnOnce(PathBuf) -> Pin<Box<dyn Future<Output = Result<Arc<dyn Operations>, String>> + Send>> + Send,
>;

/// Longer lists and more groups than this are folded in a plan.
const GLANCE: Detail = Detail {
    longest_list: Some(4),
    quiet_groups: false,
};

/// Tells the story to `out`. Without `once` it ends when `stop` says so; until then the console stands, where it can be
/// opened.
///
/// # Errors
/// What kept the story from being told; what came out wrong in it is no error but in [`SandboxEnd`].
pub async fn sandbox(
    options: SandboxOptions,
    open: Open,
    console: Option<OpenService>,
    out: &mut (dyn Write + Send),
    stop: &CancellationToken,
) -> Result<SandboxEnd, SandboxError> {
    let organisation = match options.size {
        Some(size) => organisation::generated(size, 1, SAMPLE_GOOGLE_PUBLIC_KEY),
        None => organisation::sample()?,
    };
    let simulators = Simulators::start(organisation.clone(), Options::default()).await?;
    let folder = Folder::new("sandbox")?;
    folder.write_certificates(simulators.addresses())?;
    let configuration = folder.write_configuration(&organisation, simulators.addresses())?;
    let operations = open(configuration.clone()).await.map_err(SandboxError::Open)?;
    let expectations = vec![
        Expectation::new(Target::Google, &simulators),
        Expectation::new(Target::Entra, &simulators),
    ];
    let mut story = Story {
        out,
        stop,
        operations,
        simulators,
        configuration: configuration.clone(),
        expectations,
        problems: Vec::new(),
        whole: options.size.is_none(),
        peak: 0,
    };
    story.opening(&organisation)?;
    story.first_sync(&organisation).await?;
    story.second_sync().await?;
    if options.size.is_none() {
        story.changes().await?;
        story.why().await?;
    }
    story.closing()?;
    if !options.once {
        story.next_steps()?;
        match console {
            Some(open) => beside(configuration, open, &mut *story.out, stop).await?,
            None => stop.cancelled().await,
        }
    }
    let Story {
        problems,
        simulators,
        operations,
        ..
    } = story;
    // The store is closed before its folder goes.
    drop(operations);
    simulators.stop().await;
    Ok(SandboxEnd { problems })
}

struct Story<'a> {
    out: &'a mut (dyn Write + Send),
    stop: &'a CancellationToken,
    operations: Arc<dyn Operations>,
    simulators: Simulators,
    configuration: PathBuf,
    expectations: Vec<Expectation>,
    problems: Vec<String>,
    /// Whether plans are shown group by group.
    whole: bool,
    /// The most memory that the component had in any run, in bytes.
    peak: u64,
}

impl Story<'_> {
    fn say(&mut self, text: impl std::fmt::Display) -> Result<(), SandboxError> {
        writeln!(self.out, "{text}")?;
        Ok(self.out.flush()?)
    }

    fn act(&mut self, title: &str) -> Result<(), SandboxError> {
        let style = Style::new().bold().fg_color(Some(AnsiColor::Cyan.into()));
        self.say(format_args!("\n{style}━━ {title}{style:#}\n"))
    }

    /// A promise that was kept, or a problem.
    fn promise(&mut self, what: &str, kept: bool) -> Result<(), SandboxError> {
        let (mark, colour) = if kept {
            ("✓", AnsiColor::Green)
        } else {
            self.problems.push(format!("not true: {what}"));
            ("✗", AnsiColor::Red)
        };
        let style = Style::new().fg_color(Some(colour.into()));
        self.say(format_args!("{style}{mark}{style:#} {what}"))
    }

    fn opening(&mut self, organisation: &Organisation) -> Result<(), SandboxError> {
        let source = &organisation.jumpcloud;
        self.act(&format!(
            "{}: {} and {} in a simulated JumpCloud",
            source.name,
            count(source.users.len() as u64, "person", "people"),
            count(source.groups.len() as u64, "group", "groups")
        ))?;
        let addresses = self.simulators.addresses().clone();
        let configuration = self.configuration.display().to_string();
        self.say(format_args!(
            "JumpCloud         {}\nGoogle Workspace  {}   {} before\nEntra ID          {}   {} before\n\
             Configuration     {}",
            addresses.jumpcloud,
            addresses.google,
            count(organisation.google.groups.len() as u64, "group", "groups"),
            addresses.graph,
            count(organisation.entra.groups.len() as u64, "group", "groups"),
            configuration
        ))
    }

    async fn first_sync(&mut self, before: &Organisation) -> Result<(), SandboxError> {
        let connections = self.operations.connections();
        self.act("Check: can everything be read, and is anything in the way?")?;
        for connection in &connections {
            let report = self
                .operations
                .check(connection, self.stop)
                .await
                .map_err(|failure| failed("check", connection, failure))?;
            self.say(render::check::check(connection, &report.findings))?;
        }
        self.simulators.clear_requests();
        let started = Instant::now();
        self.act("Plan: what would change")?;
        let mut plans = Vec::new();
        for connection in &connections {
            let outcome = self
                .operations
                .plan(connection, self.stop)
                .await
                .map_err(|failure| failed("plan", connection, failure))?;
            self.show_plan(connection, &outcome)?;
            plans.push((connection.clone(), outcome));
        }
        self.promise("planning wrote nothing", self.mutations(None) == 0)?;
        self.act("Apply: exactly that, by its hash")?;
        for (connection, outcome) in plans {
            self.apply(&connection, &outcome).await?;
        }
        let took = started.elapsed();
        self.judge("both directories are as JumpCloud says, and nothing else was touched")?;
        let table = requests::table(
            &requests::count(&self.simulators.requests()),
            &requests::minimum(before),
        );
        self.say(format_args!(
            "\nRequests of this first sync, plan and apply together:\n{table}\n  \
             {:.1} seconds; the component's memory peaked at {:.1} MiB",
            took.as_secs_f64(),
            self.peak as f64 / f64::from(1 << 20)
        ))?;
        self.promise("the component stayed under 64 MiB", self.peak <= 64 << 20)
    }

    async fn second_sync(&mut self) -> Result<(), SandboxError> {
        self.act("Sync again: nothing has changed, so nothing is written")?;
        self.simulators.clear_requests();
        for connection in self.operations.connections() {
            let outcome = self.sync(&connection).await?;
            let idle = match &outcome {
                SyncOutcome::Nothing(_) => true,
                SyncOutcome::Planned { plan, .. } => plan.summary.operations == 0,
                SyncOutcome::Applied { .. } => false,
            };
            self.promise(&format!("{connection}: nothing to do"), idle)?;
        }
        self.promise("the second sync wrote nothing", self.mutations(None) == 0)?;
        self.judge("both directories are still as JumpCloud says")
    }

    async fn changes(&mut self) -> Result<(), SandboxError> {
        self.act("An administrator changes JumpCloud, and the next sync follows")?;
        let clicks = self.simulators.with_jumpcloud(click)?;
        for click in clicks {
            self.say(format_args!("  • {click}"))?;
        }
        self.say("")?;
        for connection in self.operations.connections() {
            match self.sync(&connection).await? {
                SyncOutcome::Applied { plan, apply } => {
                    self.show_plan(&connection, &plan)?;
                    self.show_outcome(&connection, &plan, &apply)?;
                }
                // Held, or the connection still wants every plan approved: we are the operator here.
                SyncOutcome::Planned { plan, .. } => {
                    self.show_plan(&connection, &plan)?;
                    self.apply(&connection, &plan).await?;
                }
                SyncOutcome::Nothing(_) => {
                    self.promise(&format!("{connection}: the changes were seen"), false)?
                }
            }
        }
        self.judge("both directories follow: members moved to the new address, and the old group is empty, not deleted")
    }

    async fn why(&mut self) -> Result<(), SandboxError> {
        self.act("Why is somebody not in a group?")?;
        let Some((person, group)) = self.simulators.with_jumpcloud(|source| {
            let organisation = source.organisation();
            let starters = organisation
                .groups
                .iter()
                .find(|group| group.name == "New Starters")?;
            // The last one was hired yesterday: the targets do not know this person yet.
            let last = starters.users.last()?;
            let user = organisation.users.iter().find(|user| user.id == *last)?;
            Some((user.email.clone()?, starters.name.clone()))
        }) else {
            return self.promise("the sample has its new starter", false);
        };
        let Some(connection) = self.operations.connections().into_iter().next() else {
            return Ok(());
        };
        self.say(format_args!("$ groupcast why {person} '{group}'\n"))?;
        let explanation = self
            .operations
            .why(&connection, Some(&person), &group, self.stop)
            .await
            .map_err(|failure| failed("why", &connection, failure))?;
        self.say(render::why::why(&connection, &explanation))?;
        let explained = explanation.steps.iter().any(|step| !step.holds);
        self.promise("the chain names the link that does not hold", explained)
    }

    fn closing(&mut self) -> Result<(), SandboxError> {
        let writes = self.mutations(Some(Vendor::Jumpcloud));
        self.promise("JumpCloud was only ever read", writes == 0)?;
        if self.problems.is_empty() {
            return self.act("Everything was as it had to be");
        }
        self.act("Something was not as it had to be")?;
        for problem in self.problems.clone() {
            self.say(format_args!("  {problem}"))?;
        }
        Ok(())
    }

    fn next_steps(&mut self) -> Result<(), SandboxError> {
        let program = std::env::current_exe()
            .map_or_else(|_| "groupcast".to_owned(), |path| path.display().to_string());
        let google = self.simulators.addresses().google.clone();
        let file = self.configuration.display().to_string();
        let authority = self.configuration.with_file_name("ca.pem").display().to_string();
        self.say(format_args!(
            "\nThe simulators stay up until Ctrl-C. In another terminal:\n\n  \
             export GROUPCAST_CONFIG={file}\n  \
             {program} plan\n  \
             {program} runs\n  \
             {program} why Design --connection google\n  \
             {program} undo RUN        # a run that `runs` lists; then apply the plan that it prints\n\n\
             What the simulated vendors hold, and every request they got:\n\n  \
             curl --cacert {authority} {google}/_simulator/state\n  \
             curl --cacert {authority} {google}/_simulator/requests\n"
        ))
    }

    async fn sync(&mut self, connection: &ConnectionName) -> Result<SyncOutcome, SandboxError> {
        let outcome = self
            .operations
            .sync(connection, Extent::Changes, self.stop)
            .await
            .map_err(|failure| failed("sync", connection, failure))?;
        match &outcome {
            SyncOutcome::Planned { plan, .. } | SyncOutcome::Nothing(plan) => self.used(plan.usage),
            SyncOutcome::Applied { plan, apply } => {
                self.used(plan.usage);
                self.used(apply.usage);
            }
        }
        Ok(outcome)
    }

    async fn apply(&mut self, connection: &ConnectionName, plan: &PlanOutcome) -> Result<(), SandboxError> {
        let outcome = self
            .operations
            .apply(connection, &plan.plan.hash, Selection::default(), self.stop)
            .await
            .map_err(|failure| failed("apply", connection, failure))?;
        self.show_outcome(connection, plan, &outcome)
    }

    fn show_plan(&mut self, connection: &ConnectionName, outcome: &PlanOutcome) -> Result<(), SandboxError> {
        self.used(outcome.usage);
        if !self.whole {
            let totals = render::plan::Totals::of(&outcome.plan.parts);
            return self.say(format_args!("{connection}: {}", render::plan::sentence(&totals)));
        }
        let approval = Approval {
            hash: outcome.plan.hash.clone(),
            connection: Some(connection.name.clone()),
            config: Some(self.configuration.display().to_string()),
        };
        self.say(render::plan::plan(connection, &outcome.plan, &approval, GLANCE))
    }

    fn show_outcome(
        &mut self,
        connection: &ConnectionName,
        plan: &PlanOutcome,
        outcome: &ApplyOutcome,
    ) -> Result<(), SandboxError> {
        self.used(outcome.usage);
        self.say(render::outcome::outcome(
            connection,
            outcome,
            &plan.plan.parts,
            GLANCE,
        ))?;
        let whole = outcome.report.failed == 0 && outcome.report.moved.is_empty();
        self.promise(
            &format!("{connection}: every operation of the plan was done"),
            whole,
        )
    }

    fn used(&mut self, usage: Usage) {
        self.peak = self.peak.max(usage.memory_peak_bytes);
    }

    fn judge(&mut self, promise: &str) -> Result<(), SandboxError> {
        let found: Vec<String> = self
            .expectations
            .iter_mut()
            .flat_map(|expectation| expectation.problems(&self.simulators))
            .collect();
        let kept = found.is_empty();
        self.problems.extend(found);
        self.promise(promise, kept)
    }

    /// Writes that the vendors received since the log was last emptied.
    fn mutations(&self, vendor: Option<Vendor>) -> usize {
        let requests = self.simulators.requests();
        requests
            .iter()
            .filter(|request| request.is_mutation() && vendor.is_none_or(|vendor| vendor == request.vendor))
            .count()
    }
}

fn failed(
    what: &str,
    connection: &ConnectionName,
    failure: crate::cli::operations::RunFailure,
) -> SandboxError {
    SandboxError::Run {
        what: format!("{what} of {connection}"),
        failure,
    }
}

/// The administrator's clicks; each told in words.
fn click(source: &mut jumpcloud::JumpcloudSimulator) -> Result<Vec<String>, jumpcloud::AdministrationError> {
    let unknown = |name: &str| jumpcloud::AdministrationError::Unknown {
        what: "group",
        id: name.to_owned(),
    };
    let organisation = source.organisation().clone();
    let group = |name: &str| {
        let found = organisation.groups.iter().find(|group| group.name == name);
        found.ok_or_else(|| unknown(name))
    };
    let called = |id: &str| {
        let found = organisation.users.iter().find(|user| user.id == id);
        found.map_or_else(
            || id.to_owned(),
            |user| format!("{} {}", user.first_name, user.last_name),
        )
    };
    let (support, product, kestrel, operations) = (
        group("Customer Support")?,
        group("Product")?,
        group("Project Kestrel")?,
        group("Operations")?,
    );
    let mut told = Vec::new();
    source.set_group_email(&support.id, Some("care@larkspur.example"))?;
    told.push("“Customer Support” moves from support@larkspur.example to care@larkspur.example".to_owned());
    if let Some(joiner) = support.users.first() {
        source.add_user_to_group(&product.id, joiner)?;
        told.push(format!("{} joins “Product”", called(joiner)));
    }
    if let Some(leaver) = kestrel.users.last() {
        source.remove_user_from_group(&kestrel.id, leaver)?;
        told.push(format!("{} leaves “Project Kestrel”", called(leaver)));
    }
    source.rename_group(&operations.id, "Operations & Facilities")?;
    told.push("“Operations” becomes “Operations & Facilities”".to_owned());
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_administrators_clicks_all_find_what_they_are_about() {
        let mut source = jumpcloud::JumpcloudSimulator::new(organisation::sample().unwrap().jumpcloud);
        assert_eq!(click(&mut source).unwrap().len(), 4);
        let names: Vec<&str> = source
            .organisation()
            .groups
            .iter()
            .map(|group| group.name.as_str())
            .collect();
        assert!(names.contains(&"Operations & Facilities"));
    }
}
