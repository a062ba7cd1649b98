//! How objects are shown: the properties that each type has, which of them come unasked, and which need
//! `$select` or a permission.

use serde_json::{Map, Value, json};

use super::filter::{Field, Filterable};
use super::format::{ObjectType, User};
use super::reply::moment;
use super::state::{HeldGroup, State};
use super::token::{Caller, need};

/// Every property of a group that can be selected.
pub(super) const GROUP_PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "assignedLicenses",
    "classification",
    "createdDateTime",
    "description",
    "displayName",
    "expirationDateTime",
    "groupTypes",
    "isAssignableToRole",
    "isManagementRestricted",
    "mail",
    "mailEnabled",
    "mailNickname",
    "membershipRule",
    "membershipRuleProcessingState",
    "onPremisesDomainName",
    "onPremisesLastSyncDateTime",
    "onPremisesNetBiosName",
    "onPremisesSamAccountName",
    "onPremisesSecurityIdentifier",
    "onPremisesSyncEnabled",
    "preferredDataLocation",
    "preferredLanguage",
    "proxyAddresses",
    "renewedDateTime",
    "securityEnabled",
    "securityIdentifier",
    "theme",
    "uniqueName",
    "visibility",
];
/// Properties of a group that come only where selected.
const GROUP_ON_REQUEST: &[&str] = &["assignedLicenses", "isManagementRestricted", "preferredLanguage"];

/// Every property of a user that can be selected.
pub(super) const USER_PROPERTIES: &[&str] = &[
    "id",
    "deletedDateTime",
    "accountEnabled",
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mailNickname",
    "mobilePhone",
    "officeLocation",
    "onPremisesSyncEnabled",
    "otherMails",
    "preferredLanguage",
    "proxyAddresses",
    "surname",
    "userPrincipalName",
    "userType",
];
/// Properties of a user that come unasked.
const USER_UNASKED: &[&str] = &[
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
];

/// A group; the unasked properties where nothing is selected.
pub(super) fn group(
    held: &HeldGroup,
    select: Option<&[String]>,
    deleted_ms: Option<u64>,
) -> Map<String, Value> {
    let group = &held.properties;
    let one = |name: &str| -> Value {
        match name {
            "id" => json!(group.id),
            "deletedDateTime" => json!(deleted_ms.map(moment)),
            "assignedLicenses" => json!(
                group
                    .assigned_licenses
                    .iter()
                    .map(|sku| json!({"disabledPlans": [], "skuId": sku}))
                    .collect::<Vec<_>>()
            ),
            "createdDateTime" | "renewedDateTime" => json!(moment(held.created_ms)),
            "description" => json!(group.description),
            "displayName" => json!(group.display_name),
            "groupTypes" => json!(group.group_types),
            "isAssignableToRole" => json!(group.is_assignable_to_role),
            "isManagementRestricted" => json!(group.is_management_restricted),
            "mail" => json!(group.mail),
            "mailEnabled" => json!(group.mail_enabled),
            "mailNickname" => json!(group.mail_nickname),
            "membershipRule" if held.is_dynamic() => json!("user.accountEnabled -eq true"),
            "membershipRuleProcessingState" if held.is_dynamic() => json!("On"),
            "onPremisesSyncEnabled" => json!(group.on_premises_sync_enabled),
            "proxyAddresses" => json!(
                group
                    .mail
                    .iter()
                    .map(|mail| format!("SMTP:{mail}"))
                    .collect::<Vec<_>>()
            ),
            "securityEnabled" => json!(group.security_enabled),
            "uniqueName" => json!(group.unique_name),
            "visibility" => json!(group.visibility),
            _ => Value::Null,
        }
    };
    match select {
        Some(names) => names.iter().map(|name| (name.clone(), one(name))).collect(),
        None => GROUP_PROPERTIES
            .iter()
            .filter(|name| !GROUP_ON_REQUEST.contains(name))
            .map(|name| ((*name).to_owned(), one(name)))
            .collect(),
    }
}

/// A user; the unasked properties where nothing is selected.
pub(super) fn user(user: &User, select: Option<&[String]>) -> Map<String, Value> {
    let one = |name: &str| -> Value {
        match name {
            "id" => json!(user.id),
            "accountEnabled" => json!(true),
            "businessPhones" => json!([]),
            "displayName" => json!(user.display_name),
            "mail" => json!(user.mail),
            "mailNickname" => json!(user.user_principal_name.split('@').next()),
            "otherMails" => json!(user.other_mails),
            "proxyAddresses" => json!(user.proxy_addresses),
            "userPrincipalName" => json!(user.user_principal_name),
            "userType" => json!("Member"),
            _ => Value::Null,
        }
    };
    match select {
        Some(names) => names.iter().map(|name| (name.clone(), one(name))).collect(),
        None => USER_UNASKED
            .iter()
            .map(|name| ((*name).to_owned(), one(name)))
            .collect(),
    }
}

/// Any object as a member, owner or directory object, with its type. An application that may not read
/// the object's type is shown type and ID alone.
pub(super) fn object(
    state: &State,
    id: &str,
    kind: ObjectType,
    select: Option<&[String]>,
    caller: &Caller,
) -> Value {
    let mut shown = match kind {
        ObjectType::User => state
            .users
            .get(id)
            .filter(|_| caller.may(need::READ_USERS))
            .map(|held| user(&held.user, select)),
        ObjectType::Group => state
            .groups
            .get(id)
            .filter(|_| caller.may(need::READ_GROUPS))
            .map(|held| group(held, select, None)),
        ObjectType::ServicePrincipal | ObjectType::Device | ObjectType::OrgContact => None,
    }
    .unwrap_or_else(|| match select {
        Some(names) => names
            .iter()
            .map(|name| (name.clone(), if name == "id" { json!(id) } else { Value::Null }))
            .collect(),
        None => Map::from_iter([
            ("id".to_owned(), json!(id)),
            ("displayName".to_owned(), Value::Null),
        ]),
    });
    shown.insert("@odata.type".to_owned(), json!(kind.odata()));
    Value::Object(shown)
}

impl Filterable for HeldGroup {
    const TYPE: &'static str = "microsoft.graph.group";
    const SINGLE: &'static [&'static str] = &[
        "id",
        "displayName",
        "mail",
        "mailNickname",
        "uniqueName",
        "description",
        "securityEnabled",
        "mailEnabled",
        "onPremisesSyncEnabled",
        "isAssignableToRole",
    ];
    const MANY: &'static [&'static str] = &["groupTypes"];

    fn field(&self, name: &str) -> Field<'_> {
        let group = &self.properties;
        match name {
            "id" => Field::Text(Some(&group.id)),
            "displayName" => Field::Text(Some(&group.display_name)),
            "mail" => Field::Text(group.mail.as_deref()),
            "mailNickname" => Field::Text(Some(&group.mail_nickname)),
            "uniqueName" => Field::Text(group.unique_name.as_deref()),
            "description" => Field::Text(group.description.as_deref()),
            "securityEnabled" => Field::Flag(Some(group.security_enabled)),
            "mailEnabled" => Field::Flag(Some(group.mail_enabled)),
            "onPremisesSyncEnabled" => Field::Flag(group.on_premises_sync_enabled),
            "isAssignableToRole" => Field::Flag(group.is_assignable_to_role),
            "groupTypes" => Field::Many(group.group_types.iter().map(String::as_str).collect()),
            _ => Field::Text(None),
        }
    }
}

impl Filterable for User {
    const TYPE: &'static str = "microsoft.graph.user";
    const SINGLE: &'static [&'static str] =
        &["id", "userPrincipalName", "mail", "displayName", "accountEnabled"];
    const MANY: &'static [&'static str] = &["proxyAddresses", "otherMails"];

    fn field(&self, name: &str) -> Field<'_> {
        match name {
            "id" => Field::Text(Some(&self.id)),
            "userPrincipalName" => Field::Text(Some(&self.user_principal_name)),
            "mail" => Field::Text(self.mail.as_deref()),
            "displayName" => Field::Text(Some(&self.display_name)),
            "accountEnabled" => Field::Flag(Some(true)),
            "proxyAddresses" => Field::Many(self.proxy_addresses.iter().map(String::as_str).collect()),
            "otherMails" => Field::Many(self.other_mails.iter().map(String::as_str).collect()),
            _ => Field::Text(None),
        }
    }
}
