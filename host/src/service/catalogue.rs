//! The source's groups, all of them, for people who choose: names, emails, and which are bound to a directory. Read
//! through the gate like everything else, kept for a minute. What may not enter: decisions; a plan reads for itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Result, Service};
use crate::store::ConnectionId;

/// How long a catalogue is good: so long is a page turned and a word searched without asking the vendor again.
const GOOD_FOR: Duration = Duration::from_secs(60);

pub use crate::run::{Catalogue, CatalogueGroup};

/// Who bound a group to a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundBy {
    /// An association in JumpCloud.
    JumpCloud,
    /// The list in the directory's settings.
    Us,
}

/// Catalogues read lately.
#[derive(Default)]
pub(super) struct Kept(Mutex<HashMap<ConnectionId, (Instant, Arc<Catalogue>)>>);

impl Kept {
    fn get(&self, id: &ConnectionId) -> Option<Arc<Catalogue>> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, (read, _)| read.elapsed() < GOOD_FOR);
        kept.get(id).map(|(_, catalogue)| Arc::clone(catalogue))
    }

    fn put(&self, id: &ConnectionId, catalogue: &Arc<Catalogue>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.insert(id.clone(), (Instant::now(), Arc::clone(catalogue)));
    }

    pub(super) fn forget(&self, id: &ConnectionId) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(id);
    }
}

impl Service {
    /// The source's groups as they were within the last minute; anew where `fresh`.
    pub(super) async fn catalogue(&self, id: &ConnectionId, fresh: bool) -> Result<Arc<Catalogue>> {
        if fresh {
            self.catalogues.forget(id);
        }
        if let Some(kept) = self.catalogues.get(id) {
            return Ok(kept);
        }
        let catalogue = Arc::new(self.groupcast.catalogue(id).await?);
        self.catalogues.put(id, &catalogue);
        Ok(catalogue)
    }
}
