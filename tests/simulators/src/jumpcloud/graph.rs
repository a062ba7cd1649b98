//! JumpCloud's graph: who is reached from where, and by which paths.
//!
//! Pure: it reads an organisation and knows nothing of requests. Circles of nesting end; an object that
//! several paths reach is found once, with its paths.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::organisation::Organisation;

/// How many paths to one object are told; diamonds of nesting have exponentially many.
const MAXIMUM_PATHS: usize = 16;

/// An object of the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Node<'a> {
    /// `user`, `user_group`, `g_suite` or `office_365`.
    pub kind: &'static str,
    /// The identifier.
    pub id: &'a str,
}

/// A user.
pub(super) fn user(id: &str) -> Node<'_> {
    Node { kind: "user", id }
}

/// A user group.
pub(super) fn group(id: &str) -> Node<'_> {
    Node {
        kind: "user_group",
        id,
    }
}

impl Node<'_> {
    fn json(self) -> Value {
        json!({"type": self.kind, "id": self.id})
    }
}

/// Which way the graph is walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From directories over groups to users.
    Down,
    /// From users over groups to directories.
    Up,
}

/// The neighbours of an object in one direction.
pub(super) fn neighbours<'a>(
    organisation: &'a Organisation,
    node: Node<'_>,
    direction: Direction,
) -> Vec<Node<'a>> {
    let groups = || organisation.groups.iter();
    let holds = |list: &[String]| list.iter().any(|id| id == node.id);
    let directories = |ids: &'a [String]| {
        ids.iter().filter_map(|id| {
            let found = organisation
                .directories
                .iter()
                .find(|directory| directory.id == *id)?;
            Some(Node {
                kind: found.kind.as_str(),
                id: &found.id,
            })
        })
    };
    match (node.kind, direction) {
        ("user", Direction::Down) => Vec::new(),
        ("user", Direction::Up) => groups()
            .filter(|candidate| holds(&candidate.users))
            .map(|candidate| group(&candidate.id))
            .chain(
                organisation
                    .users
                    .iter()
                    .filter(|candidate| candidate.id == node.id)
                    .flat_map(|candidate| directories(&candidate.directories)),
            )
            .collect(),
        ("user_group", Direction::Down) => groups()
            .filter(|candidate| candidate.id == node.id)
            .flat_map(|found| {
                let users = found.users.iter().map(|id| user(id));
                users.chain(found.groups.iter().map(|id| group(id)))
            })
            .collect(),
        ("user_group", Direction::Up) => groups()
            .filter(|candidate| holds(&candidate.groups))
            .map(|candidate| group(&candidate.id))
            .chain(
                groups()
                    .filter(|candidate| candidate.id == node.id)
                    .flat_map(|found| directories(&found.directories)),
            )
            .collect(),
        (_, Direction::Down) => {
            let bound = groups().filter(|candidate| holds(&candidate.directories));
            let users = organisation
                .users
                .iter()
                .filter(|candidate| holds(&candidate.directories));
            bound
                .map(|found| group(&found.id))
                .chain(users.map(|found| user(&found.id)))
                .collect()
        }
        (_, Direction::Up) => Vec::new(),
    }
}

/// Everything reached from one object, with the paths to it.
pub(super) struct Reached<'a> {
    // One entry a step: where it came from and where it leads. A path is read backwards from its end.
    steps: Vec<(Option<usize>, Node<'a>)>,
    order: Vec<Node<'a>>,
    ends: HashMap<Node<'a>, Vec<usize>>,
}

impl<'a> Reached<'a> {
    /// Walks from `start`, which itself is not among the reached.
    pub(super) fn from(organisation: &'a Organisation, start: Node<'a>, direction: Direction) -> Self {
        let mut reached = Self {
            steps: vec![(None, start)],
            order: Vec::new(),
            ends: HashMap::new(),
        };
        let mut open = vec![0];
        while let Some(step) = open.pop() {
            let Some(&(_, node)) = reached.steps.get(step) else {
                continue;
            };
            for next in neighbours(organisation, node, direction) {
                // Users and directories end a path, so only groups can close a circle.
                if next.kind == "user_group" && reached.passes(step, next) {
                    continue;
                }
                let ends = reached.ends.entry(next).or_default();
                if ends.len() >= MAXIMUM_PATHS {
                    continue;
                }
                if ends.is_empty() {
                    reached.order.push(next);
                }
                ends.push(reached.steps.len());
                if next.kind == "user_group" {
                    open.push(reached.steps.len());
                }
                reached.steps.push((Some(step), next));
            }
        }
        reached
    }

    /// The objects reached of the wanted kinds, each once.
    pub(super) fn of_kinds(&self, kinds: &[&str]) -> Vec<Node<'a>> {
        let wanted = |node: &&Node<'a>| kinds.contains(&node.kind);
        self.order.iter().filter(wanted).copied().collect()
    }

    /// JumpCloud's `GraphObjectWithPaths` for one of them.
    pub(super) fn json(&self, node: Node<'_>) -> Value {
        let paths: Vec<Value> = self
            .ends
            .get(&node)
            .into_iter()
            .flatten()
            .map(|end| self.path(*end))
            .collect();
        json!({"type": node.kind, "id": node.id, "compiledAttributes": {}, "paths": paths})
    }

    fn passes(&self, step: usize, node: Node<'_>) -> bool {
        let mut at = Some(step);
        while let Some((before, passed)) = at.and_then(|step| self.steps.get(step)) {
            if *passed == node {
                return true;
            }
            at = *before;
        }
        false
    }

    fn path(&self, end: usize) -> Value {
        let mut connections = Vec::new();
        let mut at = self.steps.get(end);
        while let Some(&(Some(before), to)) = at {
            at = self.steps.get(before);
            if let Some((_, from)) = at {
                connections.push(json!({"attributes": {}, "from": from.json(), "to": to.json()}));
            }
        }
        connections.reverse();
        Value::Array(connections)
    }
}

/// JumpCloud's `GraphConnection` for a direct neighbour.
pub(super) fn connection(from: Node<'_>, to: Node<'_>) -> Value {
    json!({"attributes": {}, "from": from.json(), "to": to.json()})
}

/// Whether a group reaches itself by nesting, which JumpCloud flags as `CYCLE`.
pub(super) fn in_a_circle(organisation: &Organisation, id: &str) -> bool {
    let reached = Reached::from(organisation, group(id), Direction::Down);
    let within = reached.of_kinds(&["user_group"]);
    organisation
        .groups
        .iter()
        .filter(|candidate| candidate.id == id || within.contains(&group(&candidate.id)))
        .any(|candidate| candidate.groups.iter().any(|nested| nested == id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn organisation() -> Organisation {
        serde_json::from_value(json!({
            "api_key": "k", "organisation_id": "o",
            "directories": [{"id": "d", "name": "D", "type": "g_suite"}],
            "groups": [
                {"id": "a", "name": "A", "users": ["u1"], "groups": ["b", "c"], "directories": ["d"]},
                {"id": "b", "name": "B", "users": ["u2"], "groups": ["c"]},
                {"id": "c", "name": "C", "users": ["u2", "u3"], "groups": ["a"]}
            ]
        }))
        .unwrap()
    }

    #[test]
    fn r05_nested_groups_are_resolved_and_circles_end() {
        let organisation = organisation();
        let reached = Reached::from(&organisation, group("a"), Direction::Down);
        let mut users: Vec<_> = reached.of_kinds(&["user"]).iter().map(|node| node.id).collect();
        users.sort_unstable();
        assert_eq!(users, ["u1", "u2", "u3"]);
        assert_eq!(reached.of_kinds(&["user_group"]).len(), 2);
        let shown = reached.json(user("u2"));
        assert_eq!(
            shown["paths"].as_array().unwrap().len(),
            3,
            "by b, by c, by b and c"
        );
        let longest = shown["paths"]
            .as_array()
            .unwrap()
            .iter()
            .map(|path| path.as_array().unwrap().len());
        assert_eq!(longest.max(), Some(3));
        assert!(in_a_circle(&organisation, "a"));
    }

    #[test]
    fn a_user_reaches_the_directory_its_outermost_group_is_bound_to() {
        let organisation = organisation();
        let reached = Reached::from(&organisation, user("u3"), Direction::Up);
        assert_eq!(reached.of_kinds(&["g_suite"]).len(), 1);
    }
}
