//! One made-up organisation across the three vendors, as a JSON file: the published format that tests
//! and the sandbox start from. Only reading and writing it; what each section means is its vendor's.

mod generated;

use serde::{Deserialize, Serialize};

pub use generated::{Size, generated};

use crate::{entra, google, jumpcloud};

/// The whole organisation: one section for each vendor, all three required. Unknown keys are refused.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Organisation {
    /// The source: users, groups and directories in JumpCloud.
    pub jumpcloud: jumpcloud::Organisation,
    /// The Google Workspace tenant.
    pub google: google::Tenant,
    /// The Entra ID tenant.
    pub entra: entra::Tenant,
}

/// The private RSA key of the service account in [`sample`], in PEM; its public half stands in there, and the sandbox
/// gives it to [`generated`] too. It is published here on purpose and protects nothing.
pub const SAMPLE_GOOGLE_PRIVATE_KEY: &str = include_str!("../tests/keys/google-throwaway-private.pem");
/// The public half of [`SAMPLE_GOOGLE_PRIVATE_KEY`], in PEM.
pub const SAMPLE_GOOGLE_PUBLIC_KEY: &str = include_str!("../tests/keys/google-throwaway-public.pem");

/// The sample organisation that the sandbox shows: some 300 people and 40 groups, with everything that does not simply
/// work (`tests/sample_support/` says what and why).
///
/// # Errors
/// Never with the file as committed; a test reads it.
pub fn sample() -> Result<Organisation, OrganisationError> {
    Organisation::from_json(include_str!("../organisations/sample.json"))
}

/// Why an organisation file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the organisation file is wrong at {place}: {reason}; correct it there and start again")]
pub struct OrganisationError {
    /// Where in the document, as `entra.groups[3].members[0].kind`.
    pub place: String,
    /// What is wrong there.
    pub reason: String,
}

impl Organisation {
    /// Reads an organisation; what is refused is named with its place.
    ///
    /// # Errors
    /// Where the text is no JSON, a key is unknown or missing, a value has the wrong type, or an ID in the
    /// `jumpcloud` section is malformed, doubled or names nothing.
    pub fn from_json(text: &str) -> Result<Self, OrganisationError> {
        let mut reader = serde_json::Deserializer::from_str(text);
        let organisation: Self =
            serde_path_to_error::deserialize(&mut reader).map_err(|error| OrganisationError {
                place: match error.path().to_string().as_str() {
                    "." => "the top level".to_owned(),
                    place => place.to_owned(),
                },
                reason: error.into_inner().to_string(),
            })?;
        reader.end().map_err(|error| OrganisationError {
            place: "the end".to_owned(),
            reason: error.to_string(),
        })?;
        let problems = organisation.jumpcloud.problems();
        if !problems.is_empty() {
            return Err(OrganisationError {
                place: "jumpcloud".to_owned(),
                reason: problems.join("; "),
            });
        }
        Ok(organisation)
    }
}
