//! A store into a file, and a file into a store.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::Utc;
use futures_util::TryStreamExt;
use serde_json::Value;
use sqlx::{QueryBuilder, Row};

use super::audit::{append, first_broken};
use super::jobs::end_unfinished_applies;
use super::{
    Db, DbConnection, DbRow, KIND, SqlStore, alone, empty_audit, intent_counter, schema_version,
    set_intent_counter,
};
use crate::store::maintenance::RestoreOptions;
use crate::store::portable::{
    BackupSummary, Cell, FORMAT, Header, Kind, Reading, TABLES, Table, TableHeader, VERSION, Writing,
};
use crate::store::service::NewAuditEntry;
use crate::store::values::{from_json, json, word};
use crate::store::{Mode, Result, StoreError};

/// Rows and bytes of one statement.
const ROWS: usize = 500;
const BYTES: usize = 4 << 20;
/// The table whose rows are numbers that only grow.
const COUNTERS: &str = "counters";

impl SqlStore {
    pub(super) async fn export(&self, to: &Path) -> Result<BackupSummary> {
        let mut transaction = self.snapshot().await?;
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            schema: schema_version(&mut transaction).await?,
            from: KIND.to_owned(),
            made_at: Utc::now(),
        };
        let writing = Writing::begin(to, header).await?;
        let mut count = 0;
        for table in TABLES {
            let columns = table.columns.iter().map(|(name, _)| (*name).to_owned()).collect();
            writing
                .line(json(&TableHeader {
                    table: table.name.to_owned(),
                    columns,
                })?)
                .await;
            let mut select = QueryBuilder::<Db>::new(format!("SELECT {} FROM {}", table.names(), table.name));
            if table.name == COUNTERS {
                // Each database counts these in its own way.
                let intents = intent_counter(&mut transaction).await?;
                writing
                    .line(serde_json::json!(["intent", intents]).to_string())
                    .await;
                count += 1;
                select.push(" WHERE name <> 'intent'");
            }
            select.push(" ORDER BY ").push(table.key);
            let query = select.build();
            let mut rows = query.fetch(&mut *transaction);
            while let Some(row) = rows.try_next().await? {
                writing.line(line(table, &row)?).await;
                count += 1;
            }
        }
        writing.end(count).await
    }

    pub(super) async fn import(
        &self,
        from: &Path,
        options: RestoreOptions,
        audit: &NewAuditEntry,
    ) -> Result<BackupSummary> {
        let mut reading = Reading::begin(from).await?;
        let mut transaction = self.write(&[]).await?;
        alone(&mut transaction).await?;
        let known = schema_version(&mut transaction).await?;
        if reading.header().schema > known {
            return Err(StoreError::Newer {
                place: from.display().to_string(),
                version: reading.header().schema,
            });
        }
        let now = self.shared_now(&mut transaction).await?;
        make_room(&mut transaction, options.replace, now).await?;
        let mut rows = Rows::default();
        while let Some(line) = reading.next().await {
            rows.take(&mut transaction, &line).await?;
        }
        rows.flush(&mut transaction).await?;
        let summary = reading.end().await?;
        if let Some(sequence) = first_broken(&mut transaction).await? {
            return Err(StoreError::Backup {
                path: from.to_path_buf(),
                what: format!(
                    "its audit log was tampered with: entry {sequence} does not fit the one before"
                ),
            });
        }
        if !options.keep_modes {
            sqlx::query("UPDATE connections SET mode = $1")
                .bind(word(&Mode::PlanOnly)?)
                .execute(&mut *transaction)
                .await?;
            end_unfinished_applies(&mut transaction, self.now()).await?;
        }
        append(&mut transaction, audit, self.now()).await?;
        transaction.commit().await?;
        Ok(summary)
    }
}

/// Sees to it that the store is empty, and that nobody is at work on it.
async fn make_room(connection: &mut DbConnection, replace: bool, now: i64) -> Result<()> {
    let held: Option<String> = sqlx::query_scalar("SELECT holder FROM leases WHERE expires_at > $1 LIMIT 1")
        .bind(now)
        .fetch_optional(&mut *connection)
        .await?;
    if let Some(run) = held {
        return Err(StoreError::AtWork(run));
    }
    let mut full = false;
    for table in TABLES.iter().filter(|table| table.name != COUNTERS) {
        let count: i64 = QueryBuilder::<Db>::new(format!(
            "SELECT count(*) FROM (SELECT 1 FROM {} LIMIT 1) AS found",
            table.name
        ))
        .build_query_scalar()
        .fetch_one(&mut *connection)
        .await?;
        full |= count > 0;
    }
    if full && !replace {
        return Err(StoreError::NotEmpty);
    }
    let left_out = ["staged_parts", "answers", "sessions"];
    let tables = TABLES.iter().rev().map(|table| table.name);
    for table in left_out
        .into_iter()
        .chain(tables.filter(|name| *name != COUNTERS))
    {
        if table == "audit" {
            empty_audit(connection).await?;
            continue;
        }
        QueryBuilder::<Db>::new(format!("DELETE FROM {table}"))
            .build()
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Rows of one table that wait to be written.
#[derive(Default)]
struct Rows {
    table: Option<(&'static Table, Vec<(&'static str, Kind)>)>,
    rows: Vec<Vec<Cell>>,
    bytes: usize,
}

impl Rows {
    async fn take(&mut self, connection: &mut DbConnection, line: &str) -> Result<()> {
        if line.starts_with('{') {
            self.flush(connection).await?;
            self.table = Some(table_of(&from_json(line)?)?);
            return Ok(());
        }
        let Some((table, columns)) = &self.table else {
            return Err(StoreError::Damaged("a row of no table".to_owned()));
        };
        let values: Vec<Value> = from_json(line)?;
        if values.len() != columns.len() {
            return Err(StoreError::Damaged(format!(
                "a row of {} has a wrong length",
                table.name
            )));
        }
        let row = columns
            .iter()
            .zip(values)
            .map(|((_, kind), value)| cell(*kind, value))
            .collect::<Result<Vec<_>>>()?;
        if table.name == COUNTERS {
            return count(connection, &row).await;
        }
        self.bytes += line.len();
        self.rows.push(row);
        if self.rows.len() >= ROWS || self.bytes >= BYTES {
            self.flush(connection).await?;
        }
        Ok(())
    }

    async fn flush(&mut self, connection: &mut DbConnection) -> Result<()> {
        let Some((table, columns)) = self.table.as_ref().filter(|_| !self.rows.is_empty()) else {
            return Ok(());
        };
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let mut insert =
            QueryBuilder::<Db>::new(format!("INSERT INTO {} ({}) ", table.name, names.join(", ")));
        insert.push_values(self.rows.drain(..), |mut row, cells| {
            for cell in cells {
                match cell {
                    Cell::Text(value) => row.push_bind(value),
                    Cell::Integer(value) => row.push_bind(value),
                    Cell::Truth(value) => row.push_bind(value),
                    Cell::Bytes(value) => row.push_bind(value),
                };
            }
        });
        insert.build().execute(connection).await?;
        self.bytes = 0;
        Ok(())
    }
}

async fn count(connection: &mut DbConnection, row: &[Cell]) -> Result<()> {
    let [Cell::Text(Some(name)), Cell::Integer(Some(value))] = row else {
        return Err(StoreError::Damaged("a counter without name or value".to_owned()));
    };
    if name == "intent" {
        return set_intent_counter(connection, *value).await;
    }
    sqlx::query(
        "INSERT INTO counters (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
    )
    .bind(name)
    .bind(value)
    .execute(connection)
    .await?;
    Ok(())
}

/// The table of a header, and its columns in the order of the file. A file of an older schema has fewer.
fn table_of(header: &TableHeader) -> Result<(&'static Table, Vec<(&'static str, Kind)>)> {
    let unknown = |what: &str| StoreError::Damaged(format!("there is no {what} in this store"));
    let table = TABLES
        .iter()
        .find(|table| table.name == header.table)
        .ok_or_else(|| unknown(&header.table))?;
    let columns = header
        .columns
        .iter()
        .map(|name| {
            let found = table.columns.iter().find(|(known, _)| known == name).copied();
            found.ok_or_else(|| unknown(&format!("{}.{name}", header.table)))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok((table, columns))
}

fn line(table: &Table, row: &DbRow) -> Result<String> {
    let values = table
        .columns
        .iter()
        .map(|(name, kind)| {
            Ok(match kind {
                Kind::Text => row.try_get::<Option<String>, _>(*name)?.into(),
                Kind::Integer => row.try_get::<Option<i64>, _>(*name)?.into(),
                Kind::Truth => row.try_get::<Option<bool>, _>(*name)?.into(),
                Kind::Bytes => row
                    .try_get::<Option<Vec<u8>>, _>(*name)?
                    .map(|bytes| STANDARD.encode(bytes))
                    .into(),
            })
        })
        .collect::<Result<Vec<Value>>>()?;
    json(&values)
}

fn cell(kind: Kind, value: Value) -> Result<Cell> {
    let wrong = || StoreError::Damaged(format!("{value} is no {kind:?}"));
    Ok(match (kind, &value) {
        (Kind::Text, Value::Null) => Cell::Text(None),
        (Kind::Integer, Value::Null) => Cell::Integer(None),
        (Kind::Truth, Value::Null) => Cell::Truth(None),
        (Kind::Bytes, Value::Null) => Cell::Bytes(None),
        (Kind::Text, Value::String(text)) => Cell::Text(Some(text.clone())),
        (Kind::Integer, Value::Number(number)) => Cell::Integer(Some(number.as_i64().ok_or_else(wrong)?)),
        (Kind::Truth, Value::Bool(truth)) => Cell::Truth(Some(*truth)),
        (Kind::Bytes, Value::String(text)) => Cell::Bytes(Some(STANDARD.decode(text).map_err(|_| wrong())?)),
        _ => return Err(wrong()),
    })
}
