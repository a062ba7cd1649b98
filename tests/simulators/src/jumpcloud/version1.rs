//! Console API version 1: users, their search, and the list of organisations.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::JumpcloudSimulator;
use super::answer::{Answer, Refusal, ok};
use super::endpoints::Call;
use super::organisation::User;
use super::paging::{Window, shift, version1_list};
use super::query::{Filter, Key, Sorting, Spelling, project, projection};

/// The fields of a user that may be asked for: the published ones, and `id`, which live answers have.
/// Those the simulator has no value for are left out of its answers.
const USER_FIELDS: &[&str] = &[
    "_id",
    "account_locked",
    "account_locked_date",
    "activated",
    "addresses",
    "admin",
    "allow_public_key",
    "alternateEmail",
    "attributes",
    "badLoginAttempts",
    "company",
    "costCenter",
    "created",
    "creationSource",
    "delegatedAuthority",
    "department",
    "description",
    "disableDeviceMaxLoginAttempts",
    "displayname",
    "email",
    "employeeIdentifier",
    "employeeType",
    "enable_managed_uid",
    "enable_user_portal_multifactor",
    "external_dn",
    "external_password_expiration_date",
    "external_source_type",
    "externally_managed",
    "firstname",
    "id",
    "jobTitle",
    "lastname",
    "ldap_binding_user",
    "location",
    "managedAppleId",
    "manager",
    "memberof",
    "mfa",
    "mfaEnrollment",
    "middlename",
    "organization",
    "password_date",
    "password_expiration_date",
    "password_expired",
    "password_never_expires",
    "passwordless_sudo",
    "phoneNumbers",
    "public_key",
    "recoveryEmail",
    "relationships",
    "restrictedFields",
    "samba_service_user",
    "ssh_keys",
    "state",
    "sudo",
    "suspended",
    "totp_enabled",
    "unix_guid",
    "unix_uid",
    "username",
];

/// The fields by which users may be filtered, searched and sorted.
const USER_KEYS: &[&str] = &[
    "_id",
    "account_locked",
    "activated",
    "alternateEmail",
    "department",
    "displayname",
    "email",
    "firstname",
    "lastname",
    "managedAppleId",
    "password_expired",
    "state",
    "suspended",
    "username",
];

fn user_key<'a>(user: &'a User, field: &str) -> Key<'a> {
    match field {
        "_id" => Key::Text(&user.id),
        "account_locked" => Key::Flag(user.account_locked),
        "activated" => Key::Flag(is_activated(user)),
        "alternateEmail" => Key::from(&user.alternate_email),
        "department" => Key::from(&user.department),
        "email" => Key::from(&user.email),
        "firstname" => Key::Text(&user.first_name),
        "lastname" => Key::Text(&user.last_name),
        "managedAppleId" => Key::from(&user.managed_apple_id),
        "password_expired" => Key::Flag(user.password_expired),
        "state" => Key::Text(user.shown_state().as_str()),
        "suspended" => Key::Flag(user.is_suspended()),
        "username" => Key::Text(&user.username),
        _ => Key::Absent,
    }
}

fn is_activated(user: &User) -> bool {
    user.state != super::UserState::Staged
}

/// The body of `POST /search/systemusers`. `sort` is not in the published schema, but the vendor's
/// advice on paging uses it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Search {
    #[serde(default)]
    fields: Option<String>,
    #[serde(default)]
    filter: Option<Value>,
    #[serde(default, rename = "searchFilter")]
    text: Option<TextSearch>,
    #[serde(default)]
    skip: usize,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    sort: Option<String>,
}

/// Text that must occur in one of some fields, whatever its case.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TextSearch {
    #[serde(rename = "searchTerm")]
    term: OneOrMany,
    fields: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl TextSearch {
    fn check(&self) -> Result<(), Refusal> {
        match self
            .fields
            .iter()
            .find(|field| !USER_KEYS.contains(&field.as_str()))
        {
            Some(field) => Err(Refusal::bad_request(format!("invalid search field: {field}"))),
            None => Ok(()),
        }
    }

    fn holds(&self, user: &User) -> bool {
        let terms = match &self.term {
            OneOrMany::One(term) => std::slice::from_ref(term),
            OneOrMany::Many(terms) => terms.as_slice(),
        };
        self.fields.iter().any(|field| match user_key(user, field) {
            Key::Text(text) => {
                let text = text.to_lowercase();
                terms.iter().any(|term| text.contains(&term.to_lowercase()))
            }
            _ => false,
        })
    }
}

/// Conditions on users: all of them, or any.
#[derive(Default)]
struct Conditions {
    any: bool,
    filters: Vec<Filter>,
}

impl Conditions {
    fn hold(&self, user: &User) -> bool {
        let mut outcomes = self
            .filters
            .iter()
            .map(|filter| filter.holds(user_key(user, filter.field())));
        if self.any {
            outcomes.any(|holds| holds)
        } else {
            outcomes.all(|holds| holds)
        }
    }

    /// Reads the body's `filter`: an object with `and` or `or`, or conditions without either.
    fn read(filter: &Value) -> Result<Self, Refusal> {
        let (any, list) = match filter {
            Value::Object(object) if object.len() == 1 && object.contains_key("or") => {
                (true, object.get("or"))
            }
            Value::Object(object) if object.len() == 1 && object.contains_key("and") => {
                (false, object.get("and"))
            }
            _ => (false, Some(filter)),
        };
        let mut filters = Vec::new();
        match list {
            Some(Value::Array(list)) => {
                for condition in list {
                    Self::add(condition, &mut filters)?;
                }
            }
            Some(condition) => Self::add(condition, &mut filters)?,
            None => {}
        }
        Ok(Self { any, filters })
    }

    /// Adds `"field:$op:value"`, `{"field": value}` or `{"field": {"$op": value}}`.
    fn add(condition: &Value, filters: &mut Vec<Filter>) -> Result<(), Refusal> {
        let object = match condition {
            Value::String(text) => {
                filters.push(Filter::read(text, Spelling::Version1, USER_KEYS)?);
                return Ok(());
            }
            Value::Object(object) => object,
            _ => return Err(Refusal::bad_request("invalid filter")),
        };
        for (field, wanted) in object {
            match wanted {
                Value::Object(operators) => {
                    for (operator, value) in operators {
                        filters.push(Self::filter(field, operator, value)?);
                    }
                }
                value => filters.push(Self::filter(field, "$eq", value)?),
            }
        }
        Ok(())
    }

    fn filter(field: &str, operator: &str, value: &Value) -> Result<Filter, Refusal> {
        let plain = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Bool(_) | Value::Number(_) => Ok(value.to_string()),
            Value::Null => Ok(String::new()),
            _ => Err(Refusal::bad_request(format!("invalid filter value of {field}"))),
        };
        let text = match value {
            Value::Array(values) => values.iter().map(plain).collect::<Result<Vec<_>, _>>()?.join("|"),
            value => plain(value)?,
        };
        Filter::new(field, operator, &text, Spelling::Version1, USER_KEYS)
    }
}

impl JumpcloudSimulator {
    pub(super) fn list_users(&mut self, call: &Call<'_>) -> Answer {
        let conditions = query_conditions(call)?;
        let search = match call.query.one("search")? {
            Some(text) => Some(
                serde_json::from_str(text)
                    .map_err(|error| Refusal::bad_request(format!("invalid search: {error}")))?,
            ),
            None => None,
        };
        let window = Window::read(&call.query)?;
        let (sort, fields) = (call.query.one("sort")?, call.query.one("fields")?);
        self.users_page(call, &conditions, search.as_ref(), sort, fields, window)
    }

    pub(super) fn search_users(&mut self, call: &Call<'_>) -> Answer {
        let body: Search = call.json()?;
        let conditions = body.filter.as_ref().map(Conditions::read).transpose()?;
        self.users_page(
            call,
            &conditions.unwrap_or_default(),
            body.text.as_ref(),
            body.sort.as_deref(),
            body.fields.as_deref(),
            Window::of(body.skip, body.limit),
        )
    }

    fn users_page(
        &self,
        call: &Call<'_>,
        conditions: &Conditions,
        search: Option<&TextSearch>,
        sort: Option<&str>,
        fields: Option<&str>,
        window: Window,
    ) -> Answer {
        search.map_or(Ok(()), TextSearch::check)?;
        let sorting = Sorting::read(sort, ' ', USER_KEYS)?;
        let fields = projection(fields, ' ', USER_FIELDS)?;
        let users = self.organisation.users.iter();
        let mut rows: Vec<&User> = users
            .filter(|user| conditions.hold(user) && search.is_none_or(|search| search.holds(user)))
            .collect();
        if !sorting.is_stable(&["_id", "username"]) {
            shift(&mut rows, self.version("users"), |user| &user.id);
        }
        sorting.apply(&mut rows, |user, field| user_key(user, field));
        let behaviour = &self.organisation.behaviour;
        Ok(version1_list(rows, window, call, behaviour, |user| {
            let mut record = self.user_record(user);
            project(&mut record, fields.as_deref());
            record
        }))
    }

    pub(super) fn one_user(&mut self, call: &Call<'_>) -> Answer {
        let conditions = query_conditions(call)?;
        let fields = projection(call.query.one("fields")?, ' ', USER_FIELDS)?;
        let found = self.organisation.user(call.id);
        let user = found
            .filter(|user| conditions.hold(user))
            .ok_or_else(|| Refusal::not_found("Not Found"))?;
        let mut record = self.user_record(user);
        project(&mut record, fields.as_deref());
        Ok(ok(&record))
    }

    fn user_record(&self, user: &User) -> Value {
        let mut record: Map<String, Value> = Map::new();
        let mut set = |name: &str, value: Value| drop(record.insert(name.to_owned(), value));
        set("_id", json!(user.id));
        set("id", json!(user.id));
        set("account_locked", json!(user.account_locked));
        set("activated", json!(is_activated(user)));
        set("addresses", json!([]));
        set("attributes", json!([]));
        set("displayname", json!(""));
        set("firstname", json!(user.first_name));
        set("lastname", json!(user.last_name));
        set("organization", json!(self.organisation.organisation_id));
        set("password_expired", json!(user.password_expired));
        set("phoneNumbers", json!([]));
        set("ssh_keys", json!([]));
        set("state", json!(user.shown_state().as_str()));
        set("sudo", json!(false));
        set("suspended", json!(user.is_suspended()));
        set("username", json!(user.username));
        for (name, value) in [
            ("email", &user.email),
            ("alternateEmail", &user.alternate_email),
            ("managedAppleId", &user.managed_apple_id),
            ("department", &user.department),
        ] {
            if let Some(value) = value {
                set(name, json!(value));
            }
        }
        Value::Object(record)
    }

    /// `GET /organizations`. Filters, search and sorting are accepted and, with one organisation that
    /// the key always sees, change nothing.
    pub(super) fn organisations(&mut self, call: &Call<'_>) -> Answer {
        let known = &["_id", "displayName", "logoUrl"];
        let fields = projection(call.query.one("fields")?, ' ', known)?;
        Sorting::read(call.query.one("sort")?, ' ', known)?;
        Sorting::read(call.query.one("sortIgnoreCase")?, ' ', known)?;
        let mut record = json!({
            "_id": self.organisation.organisation_id,
            "displayName": self.organisation.name,
            "logoUrl": "",
        });
        project(&mut record, fields.as_deref());
        let window = Window::read(&call.query)?;
        let behaviour = &self.organisation.behaviour;
        Ok(version1_list(vec![record], window, call, behaviour, |record| {
            record
        }))
    }
}

fn query_conditions(call: &Call<'_>) -> Result<Conditions, Refusal> {
    let all = call.query.all("filter");
    let filters = all.map(|text| Filter::read(text, Spelling::Version1, USER_KEYS));
    Ok(Conditions {
        any: false,
        filters: filters.collect::<Result<_, _>>()?,
    })
}
