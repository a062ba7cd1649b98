//! What a request would do at the vendor, told from its bytes alone.
//!
//! This is an allow-list: a request that changes anything and is not, to the last property, one of the four operations
//! of a plan is refused. There is no operation on users, so nothing here can be one (R33).

pub mod entra;
pub mod google;
pub mod jumpcloud;

use std::fmt;

use serde_json::{Map, Value};

use super::headers::{self, Plain};
use super::json;
use super::origin::{Origin, Vendor};
use super::path::{self, CanonicalPath, PathError};

/// A write as the wire shows it: less than an approved operation says, and never more.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WireWrite {
    /// Creates a group.
    CreateGroup {
        /// Google: the address. Entra: the `uniqueName`.
        key: String,
        /// Display name.
        name: String,
        /// Description; empty for none.
        description: String,
    },
    /// Changes attributes of a group.
    UpdateGroup {
        /// Immutable ID.
        group: String,
        /// New display name.
        name: Option<String>,
        /// New description.
        description: Option<String>,
        /// New Google address (R16).
        address: Option<String>,
    },
    /// Adds a member.
    AddMember {
        /// Immutable ID of the group.
        group: String,
        /// Immutable ID of the member.
        principal: String,
    },
    /// Removes a member.
    RemoveMember {
        /// Immutable ID of the group.
        group: String,
        /// Immutable ID of the member.
        principal: String,
    },
}

impl WireWrite {
    /// The group that is written to; none for a creation.
    pub fn group(&self) -> Option<&str> {
        match self {
            Self::CreateGroup { .. } => None,
            Self::UpdateGroup { group, .. }
            | Self::AddMember { group, .. }
            | Self::RemoveMember { group, .. } => Some(group),
        }
    }

    /// The same write to another group.
    pub(super) fn with_group(mut self, id: String) -> Self {
        match &mut self {
            Self::CreateGroup { .. } => {}
            Self::UpdateGroup { group, .. }
            | Self::AddMember { group, .. }
            | Self::RemoveMember { group, .. } => *group = id,
        }
        self
    }
}

impl fmt::Display for WireWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateGroup { key, name, .. } => write!(f, "create the group {name:?} under {key:?}"),
            Self::UpdateGroup {
                group,
                name,
                description,
                address,
            } => {
                write!(f, "change the group {group:?}")?;
                for (what, value) in [("name", name), ("description", description), ("address", address)] {
                    if let Some(value) = value {
                        write!(f, ", {what} to {value:?}")?;
                    }
                }
                Ok(())
            }
            Self::AddMember { group, principal } => write!(f, "add {principal:?} to the group {group:?}"),
            Self::RemoveMember { group, principal } => {
                write!(f, "remove {principal:?} from the group {group:?}")
            }
        }
    }
}

/// What one request, or one part of a batch, does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Changes nothing.
    Read,
    /// Changes this.
    Write(Vec<WireWrite>),
}

/// A request, or one part of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedPart {
    /// Name within the batch.
    pub id: Option<String>,
    /// Method.
    pub method: String,
    /// Path.
    pub path: CanonicalPath,
    /// What it does.
    pub effect: Effect,
}

/// A request that was understood to the last byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The request's own method.
    pub method: String,
    /// The request's own path.
    pub path: CanonicalPath,
    /// Whether the body is a batch.
    pub batch: bool,
    /// The request itself, or the parts of the batch.
    pub parts: Vec<DecodedPart>,
}

impl Decoded {
    /// All writes, in the order of the parts.
    pub fn writes(&self) -> Vec<WireWrite> {
        self.parts
            .iter()
            .flat_map(|part| match &part.effect {
                Effect::Read => Vec::new(),
                Effect::Write(writes) => writes.clone(),
            })
            .collect()
    }
}

/// Why a request was refused before anything else was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// More than one reading.
    #[error("{0}")]
    Path(#[from] PathError),
    /// R33.
    #[error("{0} would change a user; user accounts are never written, whatever a component asks for")]
    UserWrite(String),
    /// The shape that deletes the member itself.
    #[error(
        "{0} does not end in /$ref: at Microsoft Graph that deletes the member itself and not the membership, so it \
         never leaves this host"
    )]
    DeleteWithoutReference(String),
    /// R8.
    #[error("{0} could change JumpCloud; JumpCloud is only ever read from")]
    SourceWrite(String),
    /// Nothing that a plan can hold.
    #[error("{0} is no request that a sync makes: only reads and the four operations of a plan may leave")]
    Unknown(String),
    /// The right place, but something else than a plan's operation.
    #[error("{request}: {why}")]
    Content {
        /// Method and path, or the part of the batch.
        request: String,
        /// What is wrong.
        why: String,
    },
}

impl Refusal {
    fn content(request: &str, why: impl Into<String>) -> Self {
        Self::Content {
            request: request.to_owned(),
            why: why.into(),
        }
    }
}

/// A request to be understood.
#[derive(Debug, Clone, Copy)]
pub struct WireRequest<'a> {
    /// Where it goes.
    pub origin: &'a Origin,
    /// Method.
    pub method: &'a str,
    /// Path as it goes over the wire.
    pub path: &'a str,
    /// Query as it goes over the wire.
    pub query: Option<&'a str>,
    /// Headers, checked.
    pub headers: &'a Plain,
    /// Body.
    pub body: &'a [u8],
}

/// Understands a request, or refuses it.
///
/// # Errors
/// Why it was not understood, or what it must not do.
pub fn decode(vendor: Vendor, request: &WireRequest<'_>) -> Result<Decoded, Refusal> {
    match vendor {
        Vendor::Jumpcloud => jumpcloud::decode(request),
        Vendor::Google => google::decode(request),
        Vendor::Entra => entra::decode(request),
    }
}

/// A single request in the making: what the vendors' decoders share.
struct Single<'a> {
    /// Method and path, for messages.
    label: String,
    method: &'a str,
    path: CanonicalPath,
    query: Option<&'a str>,
    headers: &'a Plain,
    body: SingleBody<'a>,
}

enum SingleBody<'a> {
    Bytes(&'a [u8]),
    /// Within a JSON batch.
    Json(Option<Value>),
}

impl<'a> Single<'a> {
    fn new(
        method: &'a str,
        path: &str,
        query: Option<&'a str>,
        headers: &'a Plain,
        body: SingleBody<'a>,
    ) -> Result<Self, Refusal> {
        let path = CanonicalPath::parse(path)?;
        path::query_names(query)?;
        Ok(Self {
            label: format!("{method} {}", path.as_str()),
            method,
            path,
            query,
            headers,
            body,
        })
    }

    fn of(request: &WireRequest<'a>) -> Result<Self, Refusal> {
        Self::new(
            request.method,
            request.path,
            request.query,
            request.headers,
            SingleBody::Bytes(request.body),
        )
    }

    fn refuse(&self, why: impl Into<String>) -> Refusal {
        Refusal::content(&self.label, why)
    }

    fn no_body(&self) -> Result<(), Refusal> {
        match &self.body {
            SingleBody::Bytes([]) | SingleBody::Json(None) => Ok(()),
            _ => Err(self.refuse("has a body, which it must not have")),
        }
    }

    fn no_query(&self) -> Result<(), Refusal> {
        match self.query {
            None => Ok(()),
            Some(_) => Err(self.refuse("has a query, which a write must not have")),
        }
    }

    /// A JSON object with none but these properties.
    fn object(&self, allowed: &[&str]) -> Result<Map<String, Value>, Refusal> {
        if !headers::is_json(headers::get(self.headers, "content-type")) {
            return Err(self.refuse("has a body that is not declared as application/json"));
        }
        let value = match &self.body {
            SingleBody::Bytes(bytes) => json::strict(bytes).map_err(|why| self.refuse(why))?,
            SingleBody::Json(Some(value)) => value.clone(),
            SingleBody::Json(None) => return Err(self.refuse("has no body")),
        };
        let Value::Object(object) = value else {
            return Err(self.refuse("has a body that is no JSON object"));
        };
        if let Some(other) = object.keys().find(|key| !allowed.contains(&key.as_str())) {
            return Err(self.refuse(format!("sets {other:?}, which no operation of a plan sets")));
        }
        Ok(object)
    }

    /// A property that is text.
    fn text(&self, object: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
        match object.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => Err(self.refuse(format!("{name:?} is no text"))),
        }
    }

    /// A property that is text, or null for empty text.
    fn text_or_null(&self, object: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
        match object.get(name) {
            Some(Value::Null) => Ok(Some(String::new())),
            _ => self.text(object, name),
        }
    }

    fn required_text(&self, object: &Map<String, Value>, name: &str) -> Result<String, Refusal> {
        self.text(object, name)?
            .ok_or_else(|| self.refuse(format!("{name:?} is missing")))
    }

    /// An immutable ID: never an address, an alias or an expression.
    fn id(&self, text: &str) -> Result<String, Refusal> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        if text.is_empty() || text.len() > 128 || !text.bytes().all(plain) {
            return Err(self.refuse(format!(
                "{text:?} is no immutable ID; writes name things by their ID alone"
            )));
        }
        Ok(text.to_owned())
    }

    fn read(self, id: Option<String>) -> DecodedPart {
        self.done(id, Effect::Read)
    }

    fn done(self, id: Option<String>, effect: Effect) -> DecodedPart {
        DecodedPart {
            id,
            method: self.method.to_owned(),
            path: self.path,
            effect,
        }
    }
}

impl Decoded {
    fn single(part: DecodedPart) -> Self {
        Self {
            method: part.method.clone(),
            path: part.path.clone(),
            batch: false,
            parts: vec![part],
        }
    }
}
