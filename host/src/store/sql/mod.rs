//! The store's statements, which SQLite and PostgreSQL both understand. This folder is compiled once for each of them:
//! `super` is the room of the database, which says what `Db`, its rows and connections are, how a write begins, and the
//! few things that the two say differently.

use super::{Db, DbConnection, DbRow, SqlStore};

mod audit;
mod history;
mod identity;
mod jobs;
mod sealed;
mod tenancy;
