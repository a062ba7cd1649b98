//! What can be said of a connection without running anything.

use groupcast_guest::settings::Settings;

use super::groupcast::Groupcast;
use super::{ConnectionName, RunFailure};
use crate::store::DirectoryKey;

impl Groupcast {
    /// What its runs are told.
    ///
    /// # Errors
    /// Why it cannot run.
    pub fn settings(&self, connection: &ConnectionName) -> Result<Settings, RunFailure> {
        Ok(self.setup(connection)?.settings.clone())
    }

    /// What its ledger is kept under.
    ///
    /// # Errors
    /// Why it cannot run.
    pub fn directory_key(&self, connection: &ConnectionName) -> Result<DirectoryKey, RunFailure> {
        Ok(self.setup(connection)?.directory_key.clone())
    }

    /// Whether it is managed at this moment (R36); none where nobody can say.
    pub async fn is_managed(&self, connection: &ConnectionName) -> Option<bool> {
        self.setup(connection).ok()?.switch.is_on().await.ok()
    }

    /// Why it cannot run, where it cannot.
    pub fn why_not_ready(&self, connection: &ConnectionName) -> Option<String> {
        self.setup(connection).err().map(|failure| failure.to_string())
    }
}
