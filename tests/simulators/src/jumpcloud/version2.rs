//! Console API version 2: directories, groups and the graph between them and users.

use bytes::Bytes;
use http::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use super::JumpcloudSimulator;
use super::administration::AdministrationError;
use super::answer::{Answer, Refusal, no_content, ok};
use super::endpoints::Call;
use super::graph::{Direction, Node, Reached, connection, group, in_a_circle, neighbours, user};
use super::organisation::{Directory, DirectoryKind, Group};
use super::paging::{shift, version2_list};
use super::query::{Filter, Key, Sorting, Spelling, project, projection};
use super::time;

/// The fields by which groups may be filtered: the documented list, in which `email` is not.
const GROUP_FILTERS: &[&str] = &[
    "name",
    "disabled",
    "type",
    "membershipMethod",
    "memberQueryErrorFlags",
    "suggestionCounts.add",
    "suggestionCounts.remove",
    "suggestionCounts.total",
    "attributes.sudo.enabled",
    "attributes.sudo.withoutPassword",
];

const GROUP_FIELDS: &[&str] = &[
    "attributes",
    "description",
    "email",
    "id",
    "memberQuery",
    "memberQueryErrorFlags",
    "memberQueryExemptions",
    "memberSuggestionsNotify",
    "membershipMethod",
    "name",
    "organizationObjectId",
    "suggestionCounts",
    "type",
];

const GROUP_SORTS: &[&str] = &["description", "email", "id", "membershipMethod", "name", "type"];

const DIRECTORY_FIELDS: &[&str] = &["defaultDomain", "id", "name", "oAuthStatus", "type"];

/// The documented filter fields of memberships.
const MEMBERSHIP_FILTERS: &[&str] = &["object_id", "type"];

/// "A valid field from an endpoint response" is all that is documented of the other graph lists.
const GRAPH_FILTERS: &[&str] = &["id", "object_id", "type"];

/// What a user or a group can be associated to, and what a directory can.
const OUTWARD_TARGETS: &[&str] = &[
    "active_directory",
    "application",
    "g_suite",
    "idp_routing_policy",
    "ldap_server",
    "office_365",
    "password_manager_item",
    "radius_server",
    "system",
    "system_group",
];
const INWARD_TARGETS: &[&str] = &["user", "user_group"];

fn node_key<'a>(node: &'a Node<'_>, field: &str) -> Key<'a> {
    match field {
        "id" | "object_id" => Key::Text(node.id),
        _ => Key::Text(node.kind),
    }
}

fn group_key<'a>(group: &'a Group, field: &str) -> Key<'a> {
    match field {
        "id" => Key::Text(&group.id),
        "name" => Key::Text(&group.name),
        "email" => Key::from(&group.email),
        "description" => Key::from(&group.description),
        "type" => Key::Text("user_group"),
        "membershipMethod" => Key::Text("STATIC"),
        "suggestionCounts.add" | "suggestionCounts.remove" | "suggestionCounts.total" => Key::Number(0),
        "disabled" | "attributes.sudo.enabled" | "attributes.sudo.withoutPassword" => Key::Flag(false),
        _ => Key::Absent,
    }
}

impl JumpcloudSimulator {
    fn filters(call: &Call<'_>, known: &[&str]) -> Result<Vec<Filter>, Refusal> {
        let all = call.query.all("filter");
        all.map(|text| Filter::read(text, Spelling::Version2, known))
            .collect()
    }

    // ----- groups

    pub(super) fn list_groups(&mut self, call: &Call<'_>) -> Answer {
        let filters = Self::filters(call, GROUP_FILTERS)?;
        let sorting = Sorting::read(call.query.one("sort")?, ',', GROUP_SORTS)?;
        let fields = projection(call.query.one("fields")?, ',', GROUP_FIELDS)?;
        let groups = self.organisation.groups.iter();
        let mut rows: Vec<&Group> = groups
            .filter(|group| {
                filters
                    .iter()
                    .all(|filter| filter.holds(group_key(group, filter.field())))
            })
            .collect();
        if !sorting.is_stable(&["id", "name"]) {
            shift(&mut rows, self.version("groups"), |group| &group.id);
        }
        sorting.apply(&mut rows, |group, field| group_key(group, field));
        version2_list(rows, call, &self.organisation.behaviour, |group| {
            let mut record = self.group_record(group);
            project(&mut record, fields.as_deref());
            record
        })
    }

    pub(super) fn one_group(&mut self, call: &Call<'_>) -> Answer {
        Ok(ok(&self.group_record(self.known_group(call.id)?)))
    }

    fn known_group(&self, id: &str) -> Result<&Group, Refusal> {
        let found = self.organisation.group(id);
        found.ok_or_else(|| Refusal::not_found("user group not found"))
    }

    fn group_record(&self, group: &Group) -> Value {
        // Only a nested group can close a circle, and looking for one costs a walk.
        let circle = !group.groups.is_empty() && in_a_circle(&self.organisation, &group.id);
        let mut record = json!({
            "id": group.id,
            "name": group.name,
            "type": "user_group",
            "attributes": {},
            "memberQueryErrorFlags": if circle { vec!["CYCLE"] } else { Vec::new() },
            "memberQueryExemptions": [],
            "memberSuggestionsNotify": false,
            "membershipMethod": "STATIC",
            "organizationObjectId": self.organisation.organisation_id,
            "suggestionCounts": {"add": 0, "remove": 0, "total": 0},
        });
        if let Some(object) = record.as_object_mut() {
            for (name, value) in [("email", &group.email), ("description", &group.description)] {
                if let Some(value) = value {
                    object.insert(name.to_owned(), json!(value));
                }
            }
        }
        record
    }

    /// Direct members: users, and nested groups as `user_group` (a client has to look at the type).
    pub(super) fn group_members(&mut self, call: &Call<'_>) -> Answer {
        let from = group(&self.known_group(call.id)?.id);
        self.connections(from, Direction::Down, &["user", "user_group"], call)
    }

    /// Effective members, nested groups resolved and themselves among them.
    pub(super) fn group_membership(&mut self, call: &Call<'_>) -> Answer {
        let from = group(&self.known_group(call.id)?.id);
        let kinds = &["user", "user_group"];
        self.reached(from, Direction::Down, kinds, call, MEMBERSHIP_FILTERS, |_, _| {})
    }

    pub(super) fn group_associations(&mut self, call: &Call<'_>) -> Answer {
        let from = group(&self.known_group(call.id)?.id);
        self.associations(from, Direction::Up, OUTWARD_TARGETS, call)
    }

    pub(super) fn group_gsuites(&mut self, call: &Call<'_>) -> Answer {
        self.directories_of_group(call, &["g_suite"])
    }

    pub(super) fn group_office365s(&mut self, call: &Call<'_>) -> Answer {
        self.directories_of_group(call, &["office_365"])
    }

    pub(super) fn group_directories(&mut self, call: &Call<'_>) -> Answer {
        self.directories_of_group(call, &["g_suite", "office_365"])
    }

    fn directories_of_group(&self, call: &Call<'_>, kinds: &[&str]) -> Answer {
        let from = group(&self.known_group(call.id)?.id);
        self.reached(from, Direction::Up, kinds, call, GRAPH_FILTERS, |_, _| {})
    }

    /// `POST /usergroups/{id}/members`: 204, 409 where the user already is a member, 404 where not.
    pub(super) fn change_member(&mut self, call: &Call<'_>) -> Answer {
        self.known_group(call.id)?;
        let change: MemberChange = call.json()?;
        if change.kind != "user" {
            return Err(Refusal::bad_request("type must be user"));
        }
        let outcome = match change.op.as_str() {
            "add" => self.add_user_to_group(call.id, &change.id),
            "remove" => self.remove_user_from_group(call.id, &change.id),
            _ => return Err(Refusal::bad_request("op must be add or remove")),
        };
        match outcome {
            Ok(()) => Ok(no_content()),
            Err(AdministrationError::AlreadyConnected { .. }) => {
                Err(Refusal::new(http::StatusCode::CONFLICT, "Already Exists"))
            }
            Err(_) => Err(Refusal::not_found("not found")),
        }
    }

    // ----- users

    fn known_user<'a>(&'a self, call: &Call<'_>) -> Result<Node<'a>, Refusal> {
        let found = self.organisation.user(call.id);
        let found = found.ok_or_else(|| Refusal::not_found("user not found"))?;
        Ok(user(&found.id))
    }

    pub(super) fn user_groups(&mut self, call: &Call<'_>) -> Answer {
        let from = self.known_user(call)?;
        let kinds = &["user_group"];
        self.reached(from, Direction::Up, kinds, call, MEMBERSHIP_FILTERS, |_, _| {})
    }

    pub(super) fn user_associations(&mut self, call: &Call<'_>) -> Answer {
        let from = self.known_user(call)?;
        self.associations(from, Direction::Up, OUTWARD_TARGETS, call)
    }

    pub(super) fn user_gsuites(&mut self, call: &Call<'_>) -> Answer {
        let from = self.known_user(call)?;
        self.reached(from, Direction::Up, &["g_suite"], call, GRAPH_FILTERS, |_, _| {})
    }

    pub(super) fn user_office365s(&mut self, call: &Call<'_>) -> Answer {
        let from = self.known_user(call)?;
        self.reached(
            from,
            Direction::Up,
            &["office_365"],
            call,
            GRAPH_FILTERS,
            |_, _| {},
        )
    }

    // ----- directories

    pub(super) fn list_directories(&mut self, call: &Call<'_>) -> Answer {
        let sorting = Sorting::read(call.query.one("sort")?, ',', &["id", "name", "type"])?;
        let fields = projection(call.query.one("fields")?, ',', DIRECTORY_FIELDS)?;
        let mut rows: Vec<&Directory> = self.organisation.directories.iter().collect();
        sorting.apply(&mut rows, |directory, field| match field {
            "id" => Key::Text(&directory.id),
            "name" => Key::Text(&directory.name),
            _ => Key::Text(directory.kind.as_str()),
        });
        version2_list(rows, call, &self.organisation.behaviour, |directory| {
            let mut record = json!({
                "id": directory.id, "name": directory.name, "type": directory.kind.as_str(),
                "oAuthStatus": {},
            });
            add_domain(&mut record, directory);
            project(&mut record, fields.as_deref());
            record
        })
    }

    fn known_directory(&self, call: &Call<'_>, kind: DirectoryKind) -> Result<&Directory, Refusal> {
        let found = self.organisation.directory(call.id);
        found
            .filter(|directory| directory.kind == kind)
            .ok_or_else(|| Refusal::not_found("directory not found"))
    }

    pub(super) fn one_gsuite(&mut self, call: &Call<'_>) -> Answer {
        self.one_directory(call, DirectoryKind::GoogleWorkspace)
    }

    pub(super) fn one_office365(&mut self, call: &Call<'_>) -> Answer {
        self.one_directory(call, DirectoryKind::Office365)
    }

    fn one_directory(&self, call: &Call<'_>, kind: DirectoryKind) -> Answer {
        let directory = self.known_directory(call, kind)?;
        let mut record = json!({
            "id": directory.id,
            "name": directory.name,
            "groupsEnabled": directory.groups_enabled,
            "userLockoutAction": "maintain",
            "userPasswordExpirationAction": "maintain",
        });
        add_domain(&mut record, directory);
        Ok(ok(&record))
    }

    pub(super) fn gsuite_groups(&mut self, call: &Call<'_>) -> Answer {
        self.groups_of_directory(call, DirectoryKind::GoogleWorkspace)
    }

    pub(super) fn office365_groups(&mut self, call: &Call<'_>) -> Answer {
        self.groups_of_directory(call, DirectoryKind::Office365)
    }

    /// Groups bound directly, and those nested in them (with paths of two and more steps).
    fn groups_of_directory(&self, call: &Call<'_>, kind: DirectoryKind) -> Answer {
        let from = node_of(self.known_directory(call, kind)?);
        self.reached(
            from,
            Direction::Down,
            &["user_group"],
            call,
            GRAPH_FILTERS,
            |_, _| {},
        )
    }

    pub(super) fn gsuite_users(&mut self, call: &Call<'_>) -> Answer {
        let from = node_of(self.known_directory(call, DirectoryKind::GoogleWorkspace)?);
        self.reached(from, Direction::Down, &["user"], call, GRAPH_FILTERS, |_, _| {})
    }

    /// Users bound directly or by groups; with `syncStatus=true` what their export came to.
    pub(super) fn office365_users(&mut self, call: &Call<'_>) -> Answer {
        let directory = self.known_directory(call, DirectoryKind::Office365)?;
        let wanted = match call.query.one("syncStatus")? {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(Refusal::bad_request("syncStatus must be a boolean")),
        };
        let synced_at = time::written(self.now_ms / 3_600_000 * 3_600_000);
        let exported = |id: &str| {
            let user = self.organisation.user(id)?;
            user.external_ids.get(&directory.id)
        };
        let kinds = &["user"];
        let from = node_of(directory);
        self.reached(
            from,
            Direction::Down,
            kinds,
            call,
            GRAPH_FILTERS,
            |node, record| {
                let Some(object) = record.as_object_mut().filter(|_| wanted) else {
                    return;
                };
                // Codes and messages are not published; only the shape is.
                let status = match exported(node.id) {
                    Some(external) => {
                        object.insert("externalId".to_owned(), json!(external));
                        json!({"code": 0, "message": "OK", "syncedAt": synced_at})
                    }
                    None => json!({"code": 5, "message": "The user has not been exported yet"}),
                };
                object.insert("syncStatus".to_owned(), status);
            },
        )
    }

    pub(super) fn gsuite_associations(&mut self, call: &Call<'_>) -> Answer {
        let from = node_of(self.known_directory(call, DirectoryKind::GoogleWorkspace)?);
        self.associations(from, Direction::Down, INWARD_TARGETS, call)
    }

    pub(super) fn office365_associations(&mut self, call: &Call<'_>) -> Answer {
        let from = node_of(self.known_directory(call, DirectoryKind::Office365)?);
        self.associations(from, Direction::Down, INWARD_TARGETS, call)
    }

    // ----- the graph

    /// Direct neighbours of the one kind that `targets` names.
    fn associations(&self, from: Node<'_>, direction: Direction, known: &[&str], call: &Call<'_>) -> Answer {
        match call.query.one("targets")? {
            None => Err(Refusal::bad_request("targets is required")),
            Some(target) if known.contains(&target) => self.connections(from, direction, &[target], call),
            Some(target) => Err(Refusal::bad_request(format!("invalid targets: {target}"))),
        }
    }

    fn connections(&self, from: Node<'_>, direction: Direction, kinds: &[&str], call: &Call<'_>) -> Answer {
        let mut rows = neighbours(&self.organisation, from, direction);
        rows.retain(|node| kinds.contains(&node.kind));
        shift(&mut rows, self.version(from.id), |node| node.id);
        version2_list(rows, call, &self.organisation.behaviour, |node| {
            connection(from, node)
        })
    }

    fn reached(
        &self,
        from: Node<'_>,
        direction: Direction,
        kinds: &[&str],
        call: &Call<'_>,
        filters: &[&str],
        mut complete: impl FnMut(Node<'_>, &mut Value),
    ) -> Result<Response<Bytes>, Refusal> {
        let filters = Self::filters(call, filters)?;
        let sorting = Sorting::read(call.query.one("sort")?, ',', GRAPH_FILTERS)?;
        let reached = Reached::from(&self.organisation, from, direction);
        let mut rows = reached.of_kinds(kinds);
        rows.retain(|node| {
            filters
                .iter()
                .all(|filter| filter.holds(node_key(node, filter.field())))
        });
        if !sorting.is_stable(&["id", "object_id"]) {
            shift(&mut rows, self.version(from.id), |node| node.id);
        }
        sorting.apply(&mut rows, node_key);
        version2_list(rows, call, &self.organisation.behaviour, |node| {
            let mut record = reached.json(node);
            complete(node, &mut record);
            record
        })
    }
}

fn node_of(directory: &Directory) -> Node<'_> {
    Node {
        kind: directory.kind.as_str(),
        id: &directory.id,
    }
}

fn add_domain(record: &mut Value, directory: &Directory) {
    if let (Some(domain), Some(object)) = (&directory.default_domain, record.as_object_mut()) {
        // The domain is an object with an identifier of its own; the directory's serves for it.
        let shown = json!({"id": directory.id, "domain": domain});
        object.insert("defaultDomain".to_owned(), shown);
    }
}

/// The body of `POST /usergroups/{id}/members` (`GraphOperation-UserGroup-Member`).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MemberChange {
    op: String,
    #[serde(rename = "type")]
    kind: String,
    id: String,
    #[serde(default, rename = "attributes")]
    _attributes: Option<Value>,
}
