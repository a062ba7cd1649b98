//! Who asks, and what they may do.

use crate::store::service::{Actor, Role};

/// Whoever asks for something: a token, a person, the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// As the audit log names them.
    pub actor: Actor,
    /// The request's ID, as in the log.
    pub request: Option<String>,
    grants: Vec<(Option<String>, Role)>,
}

/// Which tenants somebody sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of the host.
    All,
    /// These, in order.
    Some(Vec<String>),
}

impl Scope {
    /// Whether a tenant is in it.
    pub fn has(&self, tenant: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(names) => names.iter().any(|name| name == tenant),
        }
    }
}

impl Principal {
    /// Somebody with roles: each for a tenant, or (none) for the whole host.
    pub fn new(actor: Actor, grants: Vec<(Option<String>, Role)>) -> Self {
        Self {
            actor,
            request: None,
            grants,
        }
    }

    /// Whoever has the machine: a command on it.
    pub fn command_line(user: &str) -> Self {
        let actor = Actor {
            subject: format!("command-line:{user}"),
            name: user.to_owned(),
            address: None,
        };
        Self::new(actor, vec![(None, Role::Admin)])
    }

    /// The role for a tenant (none: for the whole host); a role for the whole host is one for each tenant.
    pub fn role(&self, tenant: Option<&str>) -> Option<Role> {
        self.grants
            .iter()
            .filter(|(whose, _)| whose.is_none() || whose.as_deref() == tenant)
            .map(|(_, role)| *role)
            .max()
    }

    /// Whether they have at least this role there.
    pub fn may(&self, tenant: Option<&str>, role: Role) -> bool {
        self.role(tenant).is_some_and(|has| has >= role)
    }

    /// Which tenants they see at all.
    pub fn tenants(&self) -> Scope {
        if self.role(None).is_some() {
            return Scope::All;
        }
        let mut names: Vec<String> = self
            .grants
            .iter()
            .filter_map(|(tenant, _)| tenant.clone())
            .collect();
        names.sort();
        names.dedup();
        Scope::Some(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(grants: &[(Option<&str>, Role)]) -> Principal {
        let actor = Actor {
            subject: "token:t1".to_owned(),
            name: "test".to_owned(),
            address: None,
        };
        let grants = grants
            .iter()
            .map(|(tenant, role)| (tenant.map(str::to_owned), *role))
            .collect();
        Principal::new(actor, grants)
    }

    #[test]
    fn a_role_for_the_host_is_one_for_each_tenant_and_never_the_other_way_round() {
        let host = with(&[(None, Role::Viewer)]);
        assert!(host.may(Some("acme"), Role::Viewer) && host.may(None, Role::Viewer));
        assert!(!host.may(Some("acme"), Role::Operator));
        let one = with(&[(Some("acme"), Role::Admin)]);
        assert!(one.may(Some("acme"), Role::Operator));
        assert!(!one.may(None, Role::Viewer) && !one.may(Some("other"), Role::Viewer));
        assert_eq!(one.tenants(), Scope::Some(vec!["acme".to_owned()]));
        assert_eq!(host.tenants(), Scope::All);
    }

    #[test]
    fn the_greatest_of_several_roles_counts() {
        let both = with(&[(None, Role::Viewer), (Some("acme"), Role::Operator)]);
        assert_eq!(both.role(Some("acme")), Some(Role::Operator));
        assert_eq!(both.role(Some("other")), Some(Role::Viewer));
        assert_eq!(with(&[]).role(Some("acme")), None);
    }
}
