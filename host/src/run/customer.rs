//! Whose Google directory it is (R48), where the configuration does not say so: connections may name one customer by
//! administrators of different domains, and only one run may be at work in it. The customer's ID stands on every user's
//! record, which the granted scope reads. It is asked once, and kept.
//!
//! What may not enter: the ledger's key. That is what the configuration says, so that learning an ID loses nothing.

use bytes::Bytes;
use serde::Deserialize;

use super::RunFailure;
use super::groupcast::Groupcast;
use super::host::Access;
use super::setup::ConnectionSetup;
use crate::egress::permit::NoPermit;
use crate::egress::policy::Phase;
use crate::store::DirectoryKey;

/// Where it is kept, beside the directory's own state: the component cannot reach it there.
const ROOM: &str = "host";
const ENTRY: &str = "google-customer";

/// Google: users.list, `fields=users(customerId)`.
#[derive(Deserialize)]
struct Users {
    #[serde(default)]
    users: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct User {
    customer_id: String,
}

impl Groupcast {
    /// The connection with the directory's own identity as what is leased.
    ///
    /// # Errors
    /// If Google does not say whose directory it is.
    pub(super) async fn identified(
        &self,
        setup: &ConnectionSetup,
        run: &str,
    ) -> Result<ConnectionSetup, RunFailure> {
        let mut setup = setup.clone();
        if setup.is_identified {
            return Ok(setup);
        }
        let room = DirectoryKey::new(ROOM, setup.vendor, setup.directory_key.as_str());
        let customer = match self.store.state_get(&room, ENTRY).await? {
            Some(entry) => String::from_utf8_lossy(&entry.value).into_owned(),
            None => {
                let customer = self.ask_customer(&setup, run).await?;
                // Where another process was quicker, it was told the same.
                self.store
                    .state_put(&room, ENTRY, customer.as_bytes(), None)
                    .await?;
                customer
            }
        };
        setup.directory_key = setup.directory_key.leased_as(setup.vendor, &customer);
        Ok(setup)
    }

    async fn ask_customer(&self, setup: &ConnectionSetup, run: &str) -> Result<String, RunFailure> {
        let url = format!(
            "{}/admin/directory/v1/users?customer=my_customer&maxResults=1&fields=users(customerId)",
            setup.target_base_url
        );
        let unknown = |why: &str| {
            RunFailure::refused(format!(
                "{}: Google does not say whose directory it is ({why}), so another run could be at work in it; set \
                 `customer_id` in its section (Admin console, Account, Account settings)",
                setup.id
            ))
        };
        let request = http::Request::get(&url)
            .body(Bytes::new())
            .map_err(|error| unknown(&error.to_string()))?;
        let (host, _) = self.host(
            setup,
            run,
            Phase::Reads,
            std::sync::Arc::new(NoPermit),
            Access::Look,
        );
        let answer = host
            .gate
            .send(request)
            .await
            .map_err(|error| unknown(&error.to_string()))?;
        if !answer.status().is_success() {
            return Err(unknown(&format!("it answered {}", answer.status())));
        }
        let users: Users =
            serde_json::from_slice(answer.body()).map_err(|error| unknown(&error.to_string()))?;
        users
            .users
            .into_iter()
            .map(|user| user.customer_id)
            .find(|id| !id.is_empty())
            .ok_or_else(|| unknown("it shows no user"))
    }
}
