//! The ledger: intents, outcomes, bindings and memberships.

use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use sqlx::{QueryBuilder, Row};

use super::{Db, DbConnection, DbRow, SqlStore, intent_ids};
use crate::ledger::{Binding, Effect, Intent, Membership, OpenIntent, Outcome, Provenance, Settlement};
use crate::store::locks::Lock;
use crate::store::values::{
    at_most, from_word, known_by, optional_time, shown, signed, time, unsigned, word,
};
use crate::store::{
    DETAILS_BYTES, DirectoryKey, Exported, Lease, LedgerStore, OutcomeQuery, OutcomeRecord, PAGE, Page,
    Result, StoreError,
};

#[async_trait]
impl LedgerStore for SqlStore {
    async fn bindings(&self, directory: &DirectoryKey, after: Option<&str>) -> Result<Page<Binding>> {
        let rows = sqlx::query(
            "SELECT group_id, state, key, target, details FROM bindings \
             WHERE directory = $1 AND ($2 IS NULL OR group_id > $2) ORDER BY group_id LIMIT $3",
        )
        .bind(directory.as_str())
        .bind(after)
        .bind(signed(PAGE as u64 + 1))
        .fetch_all(&self.reader)
        .await?;
        let items = rows.iter().map(binding).collect::<Result<Vec<_>>>()?;
        Ok(page(items, |last| last.group.clone()))
    }

    async fn memberships(
        &self,
        directory: &DirectoryKey,
        group: &str,
        after: Option<&str>,
    ) -> Result<Page<Membership>> {
        let (target, principal) = match after {
            Some(mark) => serde_json::from_str::<(String, String)>(mark)
                .map_err(|_| StoreError::Mark(mark.to_owned()))?,
            // Nothing is smaller than the empty text, and no ID is empty.
            None => Default::default(),
        };
        let rows = sqlx::query(
            "SELECT group_id, target, principal, provenance, user_id, address FROM memberships \
             WHERE directory = $1 AND group_id = $2 AND (target, principal) > ($3, $4) \
             ORDER BY target, principal LIMIT $5",
        )
        .bind(directory.as_str())
        .bind(group)
        .bind(target)
        .bind(principal)
        .bind(signed(PAGE as u64 + 1))
        .fetch_all(&self.reader)
        .await?;
        let items = rows.iter().map(membership).collect::<Result<Vec<_>>>()?;
        Ok(page(items, |last| {
            serde_json::json!([last.target, last.principal]).to_string()
        }))
    }

    async fn exported(&self, directory: &DirectoryKey) -> Result<Exported> {
        let (groups, memberships): (i64, i64) = sqlx::query_as(
            "SELECT (SELECT count(*) FROM bindings WHERE directory = $1 AND target IS NOT NULL), \
             (SELECT count(*) FROM memberships JOIN bindings ON bindings.directory = memberships.directory \
              AND bindings.group_id = memberships.group_id WHERE memberships.directory = $1 \
              AND bindings.target IS NOT NULL AND memberships.provenance IN ($2, $3))",
        )
        .bind(directory.as_str())
        .bind(word(&Provenance::Ours)?)
        .bind(word(&Provenance::Adopted)?)
        .fetch_one(&self.reader)
        .await?;
        Ok(Exported {
            groups: unsigned(groups)?,
            memberships: unsigned(memberships)?,
        })
    }

    async fn intend(
        &self,
        directory: &DirectoryKey,
        run: &str,
        lease: &Lease,
        intents: &[Intent],
    ) -> Result<Vec<u64>> {
        at_most("intents in one call", intents.len(), PAGE)?;
        if intents.is_empty() {
            return Ok(Vec::new());
        }
        known_by(
            "an intended operation or its group",
            intents
                .iter()
                .flat_map(|intent| [intent.group.as_str(), &intent.operation]),
        )?;
        // Whoever takes the lease over waits until these intents are there to be found (R47).
        let mut transaction = self.write(&[Lock::Lease(&lease.key)]).await?;
        // Read with the lock in hand: waiting for it can take longer than a lease lives.
        let due = self.shared_now(&mut transaction).await?;
        let now = self.now();
        let held: Option<i64> =
            sqlx::query_scalar("SELECT token FROM leases WHERE key = $1 AND token = $2 AND expires_at > $3")
                .bind(&lease.key)
                .bind(signed(lease.token))
                .bind(due)
                .fetch_optional(&mut *transaction)
                .await?;
        if held.is_none() || lease.key != directory.lease_key() {
            return Err(StoreError::LeaseLost {
                key: lease.key.clone(),
                token: lease.token,
            });
        }
        let ids = intent_ids(&mut transaction, intents.len()).await?;
        let mut insert = QueryBuilder::<Db>::new(
            "INSERT INTO intents (id, directory, run, group_id, operation, kind, intended_at) ",
        );
        insert.push_values(intents.iter().zip(&ids), |mut row, (intent, id)| {
            row.push_bind(*id)
                .push_bind(directory.as_str())
                .push_bind(run)
                .push_bind(&intent.group)
                .push_bind(&intent.operation)
                .push_bind(kind(&intent.operation))
                .push_bind(now);
        });
        insert
            .build()
            .execute(&mut *transaction)
            .await
            .map_err(|error| missing_run(error, run))?;
        transaction.commit().await?;
        ids.into_iter().map(unsigned).collect()
    }

    async fn settle(&self, directory: &DirectoryKey, outcomes: &[Outcome]) -> Result<()> {
        at_most("outcomes in one call", outcomes.len(), PAGE)?;
        if outcomes.is_empty() {
            return Ok(());
        }
        let mut seen = HashSet::new();
        if let Some(twice) = outcomes.iter().find(|outcome| !seen.insert(outcome.intent)) {
            return Err(StoreError::NotOpen(twice.intent));
        }
        let now = self.now();
        let mut transaction = self.write(&[Lock::Ledger(directory)]).await?;
        let mut update = QueryBuilder::<Db>::new(
            "UPDATE intents SET settlement = new.column2, status = new.column3, reason = new.column4, \
             request_id = new.column5, settled_at = ",
        );
        update.push_bind(now).push(" FROM (");
        update.push_values(outcomes, |mut row, outcome| {
            row.push_bind(signed(outcome.intent))
                .push_bind(settlement_word(outcome.settlement))
                .push_bind(outcome.status.map(i64::from))
                .push_bind(outcome.reason.as_deref().map(shown))
                .push_bind(outcome.request_id.as_deref().map(shown));
        });
        update.push(
            ") AS new WHERE intents.id = new.column1 AND intents.settlement IS NULL AND intents.directory = ",
        );
        update.push_bind(directory.as_str());
        let settled = update.build().execute(&mut *transaction).await?.rows_affected();
        if settled != outcomes.len() as u64 {
            // Dropping the transaction takes back what the statement did; then find whom to blame.
            drop(transaction);
            return Err(StoreError::NotOpen(
                self.first_not_open(directory, outcomes).await?,
            ));
        }
        let effects: Vec<&Effect> = outcomes.iter().flat_map(|outcome| &outcome.effects).collect();
        apply_effects(&mut transaction, directory, &effects).await?;
        Ok(transaction.commit().await?)
    }

    async fn amend(&self, directory: &DirectoryKey, effects: &[Effect]) -> Result<()> {
        at_most("effects in one call", effects.len(), PAGE)?;
        let mut transaction = self.write(&[Lock::Ledger(directory)]).await?;
        apply_effects(&mut transaction, directory, &effects.iter().collect::<Vec<_>>()).await?;
        Ok(transaction.commit().await?)
    }

    async fn unsettled(&self, directory: &DirectoryKey, after: u64) -> Result<Vec<OpenIntent>> {
        let rows = sqlx::query(
            "SELECT id, run, group_id, operation FROM intents \
             WHERE directory = $1 AND settlement IS NULL AND id > $2 ORDER BY id LIMIT $3",
        )
        .bind(directory.as_str())
        .bind(signed(after))
        .bind(signed(PAGE as u64))
        .fetch_all(&self.reader)
        .await?;
        rows.iter()
            .map(|row| {
                Ok(OpenIntent {
                    id: unsigned(row.try_get("id")?)?,
                    run: row.try_get("run")?,
                    intent: Intent {
                        group: row.try_get("group_id")?,
                        operation: row.try_get("operation")?,
                    },
                })
            })
            .collect()
    }

    async fn outcomes(&self, directory: &DirectoryKey, query: &OutcomeQuery) -> Result<Vec<OutcomeRecord>> {
        let rows = match query {
            OutcomeQuery::OfRun { run, after } => {
                sqlx::query(
                    "SELECT * FROM intents WHERE directory = $1 AND run = $2 AND id > $3 ORDER BY id LIMIT $4",
                )
                .bind(directory.as_str())
                .bind(run)
                .bind(signed(*after))
                .bind(signed(PAGE as u64))
                .fetch_all(&self.reader)
                .await?
            }
            OutcomeQuery::OfGroup { group, before } => {
                sqlx::query(
                    "SELECT * FROM intents WHERE directory = $1 AND group_id = $2 AND id < $3 ORDER BY id DESC LIMIT $4",
                )
                .bind(directory.as_str())
                .bind(group)
                .bind(before.map_or(i64::MAX, signed))
                .bind(signed(PAGE as u64))
                .fetch_all(&self.reader)
                .await?
            }
        };
        rows.iter().map(outcome_record).collect()
    }

    async fn applied_operations(
        &self,
        directory: &DirectoryKey,
        run: &str,
        after: u64,
    ) -> Result<Vec<OutcomeRecord>> {
        let rows = sqlx::query(
            "SELECT * FROM intents WHERE directory = $1 AND run = $2 AND id > $3 AND settlement = 'applied' \
             ORDER BY id LIMIT $4",
        )
        .bind(directory.as_str())
        .bind(run)
        .bind(signed(after))
        .bind(signed(PAGE as u64))
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(outcome_record).collect()
    }
}

impl SqlStore {
    async fn first_not_open(&self, directory: &DirectoryKey, outcomes: &[Outcome]) -> Result<u64> {
        for outcome in outcomes {
            let open: Option<i64> = sqlx::query_scalar(
                "SELECT id FROM intents WHERE id = $1 AND directory = $2 AND settlement IS NULL",
            )
            .bind(signed(outcome.intent))
            .bind(directory.as_str())
            .fetch_optional(&self.reader)
            .await?;
            if open.is_none() {
                return Ok(outcome.intent);
            }
        }
        Err(StoreError::Damaged(
            "an intent was settled and was not".to_owned(),
        ))
    }
}

/// Effects on different keys do not touch each other, so the last one of each key is all that counts: four
/// statements for any number of them.
async fn apply_effects(
    connection: &mut DbConnection,
    directory: &DirectoryKey,
    effects: &[&Effect],
) -> Result<()> {
    let mut bindings: BTreeMap<&str, Option<&Binding>> = BTreeMap::new();
    let mut memberships: BTreeMap<(&str, &str, &str), Option<&Membership>> = BTreeMap::new();
    for effect in effects {
        match effect {
            Effect::Bind(binding) => {
                at_most(
                    "bytes of a binding's details",
                    binding.details.len(),
                    DETAILS_BYTES,
                )?;
                let target = binding.target.as_deref().unwrap_or_default();
                known_by(
                    "a binding",
                    [
                        binding.group.as_str(),
                        &binding.state,
                        &binding.key,
                        target,
                        &binding.details,
                    ],
                )?;
                bindings.insert(&binding.group, Some(binding));
            }
            Effect::Unbind(group) => {
                known_by("a binding", [group.as_str()])?;
                bindings.insert(group, None);
            }
            Effect::PutMembership(new) => {
                let user = new.user.as_deref().unwrap_or_default();
                known_by(
                    "a membership",
                    [new.group.as_str(), &new.target, &new.principal, user],
                )?;
                memberships.insert((&new.group, &new.target, &new.principal), Some(new));
            }
            Effect::DropMembership {
                group,
                target,
                principal,
            } => {
                known_by("a membership", [group.as_str(), target, principal])?;
                memberships.insert((group, target, principal), None);
            }
        }
    }
    let mut puts = Vec::new();
    for (provenance, new) in memberships
        .values()
        .flatten()
        .map(|new| (word(&new.provenance), *new))
    {
        puts.push((provenance?, new));
    }
    // Below SQLite's 32,766 parameters a statement (PostgreSQL takes 65,535), whatever the number of effects of each outcome.
    const ROWS: usize = 4_000;
    for rows in bindings.values().flatten().collect::<Vec<_>>().chunks(ROWS) {
        let mut upsert = QueryBuilder::<Db>::new(
            "INSERT INTO bindings (directory, group_id, state, key, target, details) ",
        );
        upsert.push_values(rows, |mut row, binding| {
            row.push_bind(directory.as_str())
                .push_bind(&binding.group)
                .push_bind(&binding.state)
                .push_bind(&binding.key)
                .push_bind(&binding.target)
                .push_bind(&binding.details);
        });
        upsert.push(
            " ON CONFLICT (directory, group_id) DO UPDATE SET state = excluded.state, key = excluded.key, \
             target = excluded.target, details = excluded.details",
        );
        upsert.build().execute(&mut *connection).await?;
    }
    for rows in puts.chunks(ROWS) {
        let mut upsert = QueryBuilder::<Db>::new(
            "INSERT INTO memberships (directory, group_id, target, principal, provenance, user_id, address) ",
        );
        upsert.push_values(rows, |mut row, (provenance, new)| {
            row.push_bind(directory.as_str())
                .push_bind(&new.group)
                .push_bind(&new.target)
                .push_bind(&new.principal)
                .push_bind(provenance)
                .push_bind(&new.user)
                .push_bind(shown(&new.address));
        });
        upsert.push(
            " ON CONFLICT (directory, group_id, target, principal) DO UPDATE SET \
             provenance = excluded.provenance, user_id = excluded.user_id, address = excluded.address",
        );
        upsert.build().execute(&mut *connection).await?;
    }
    let unbound: Vec<_> = bindings
        .iter()
        .filter(|(_, new)| new.is_none())
        .map(|(group, _)| *group)
        .collect();
    for rows in unbound.chunks(ROWS) {
        let mut delete = QueryBuilder::<Db>::new("DELETE FROM bindings WHERE (directory, group_id) IN (");
        delete.push_values(rows, |mut row, group| {
            row.push_bind(directory.as_str()).push_bind(*group);
        });
        delete.push(")").build().execute(&mut *connection).await?;
    }
    let dropped: Vec<_> = memberships
        .iter()
        .filter(|(_, new)| new.is_none())
        .map(|(key, _)| *key)
        .collect();
    for rows in dropped.chunks(ROWS) {
        let mut delete = QueryBuilder::<Db>::new(
            "DELETE FROM memberships WHERE (directory, group_id, target, principal) IN (",
        );
        delete.push_values(rows, |mut row, (group, target, principal)| {
            row.push_bind(directory.as_str())
                .push_bind(*group)
                .push_bind(*target)
                .push_bind(*principal);
        });
        delete.push(")").build().execute(&mut *connection).await?;
    }
    Ok(())
}

/// An operation's kind, by which changes are counted; none where the plugin's text is no operation, which the gate
/// would let nothing out for.
fn kind(operation: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Kind {
        r#do: String,
    }
    serde_json::from_str(operation).ok().map(|kind: Kind| kind.r#do)
}

/// Cuts a list that was read one longer than a page.
fn page<T>(mut items: Vec<T>, mark: impl Fn(&T) -> String) -> Page<T> {
    let more = items.len() > PAGE;
    items.truncate(PAGE);
    Page {
        next: items.last().filter(|_| more).map(mark),
        items,
    }
}

fn binding(row: &DbRow) -> Result<Binding> {
    Ok(Binding {
        group: row.try_get("group_id")?,
        state: row.try_get("state")?,
        key: row.try_get("key")?,
        target: row.try_get("target")?,
        details: row.try_get("details")?,
    })
}

fn membership(row: &DbRow) -> Result<Membership> {
    Ok(Membership {
        group: row.try_get("group_id")?,
        target: row.try_get("target")?,
        principal: row.try_get("principal")?,
        provenance: from_word(row.try_get("provenance")?)?,
        user: row.try_get("user_id")?,
        address: row.try_get("address")?,
    })
}

fn outcome_record(row: &DbRow) -> Result<OutcomeRecord> {
    let status: Option<i64> = row.try_get("status")?;
    let settlement: Option<String> = row.try_get("settlement")?;
    Ok(OutcomeRecord {
        intent: unsigned(row.try_get("id")?)?,
        run: row.try_get("run")?,
        group: row.try_get("group_id")?,
        operation: row.try_get("operation")?,
        intended_at: time(row.try_get("intended_at")?)?,
        settlement: settlement.as_deref().map(settlement_from).transpose()?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        reason: row.try_get("reason")?,
        request_id: row.try_get("request_id")?,
        settled_at: optional_time(row.try_get("settled_at")?)?,
    })
}

fn settlement_word(settlement: Settlement) -> &'static str {
    match settlement {
        Settlement::Applied => "applied",
        Settlement::Already => "already",
        Settlement::Refused => "refused",
        Settlement::Abandoned => "abandoned",
    }
}

fn settlement_from(word: &str) -> Result<Settlement> {
    match word {
        "applied" => Ok(Settlement::Applied),
        "already" => Ok(Settlement::Already),
        "refused" => Ok(Settlement::Refused),
        "abandoned" => Ok(Settlement::Abandoned),
        other => Err(StoreError::Damaged(format!("`{other}` is no settlement"))),
    }
}

/// The one foreign key of these tables is the run.
pub(super) fn missing_run(error: sqlx::Error, run: &str) -> StoreError {
    match error.as_database_error() {
        Some(cause) if cause.is_foreign_key_violation() => StoreError::NoRun(run.to_owned()),
        _ => StoreError::from(error),
    }
}
