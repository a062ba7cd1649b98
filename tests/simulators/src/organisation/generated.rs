//! An organisation of any size, the same for the same seed: for load, and for tests that need many
//! people. Everybody exists in all three vendors; no target group exists yet.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::Organisation;
use crate::{entra, google, jumpcloud};

/// How large an organisation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// People.
    pub users: usize,
    /// JumpCloud groups, each with an email, each bound to both directories.
    pub groups: usize,
    /// Memberships in all, spread unevenly. Each group has at least one and at most everybody.
    pub memberships: usize,
}

const DOMAIN: &str = "example.com";
const GOOGLE_DIRECTORY: &str = "d00000000000000000000001";
const ENTRA_DIRECTORY: &str = "d00000000000000000000002";
const ADMIN: &str = "admin@example.com";
const SCOPES: &[&str] = &[
    "https://www.googleapis.com/auth/admin.directory.group",
    "https://www.googleapis.com/auth/admin.directory.group.member",
    "https://www.googleapis.com/auth/admin.directory.group.readonly",
    "https://www.googleapis.com/auth/admin.directory.group.member.readonly",
    "https://www.googleapis.com/auth/admin.directory.user.readonly",
];

/// Makes an organisation. Its credentials are fixed: JumpCloud's API key is `generated-jumpcloud-key`;
/// Google's service account is `groupcast@example.iam.gserviceaccount.com` with this public RSA key
/// (PEM), in the name of `admin@example.com`; Entra's application is
/// `aaaaaaaa-0000-4000-8000-000000000001` with the secret `generated-entra-secret`.
pub fn generated(size: Size, seed: u64, google_public_key_pem: &str) -> Organisation {
    let mut random = StdRng::seed_from_u64(seed);
    let sizes = group_sizes(size, &mut random);
    let directories = vec![GOOGLE_DIRECTORY.to_owned(), ENTRA_DIRECTORY.to_owned()];
    let groups = sizes
        .into_iter()
        .enumerate()
        .map(|(number, members)| jumpcloud::Group {
            id: format!("b{number:023x}"),
            name: format!("Group {number:05}"),
            email: Some(format!("group-{number:05}@{DOMAIN}")),
            description: Some(format!("Generated group {number}")),
            users: rand::seq::index::sample(&mut random, size.users, members)
                .into_iter()
                .map(user_id)
                .collect(),
            groups: Vec::new(),
            directories: directories.clone(),
        })
        .collect();
    Organisation {
        jumpcloud: jumpcloud::Organisation {
            api_key: "generated-jumpcloud-key".to_owned(),
            organisation_id: "e00000000000000000000001".to_owned(),
            name: "Generated".to_owned(),
            service_account: None,
            multi_tenant: false,
            directories: vec![
                directory(
                    GOOGLE_DIRECTORY,
                    "Google Workspace",
                    jumpcloud::DirectoryKind::GoogleWorkspace,
                ),
                directory(ENTRA_DIRECTORY, "Entra ID", jumpcloud::DirectoryKind::Office365),
            ],
            users: (0..size.users)
                .map(|number| jumpcloud_user(number, &directories))
                .collect(),
            groups,
            behaviour: jumpcloud::Behaviour::default(),
        },
        google: google(size.users, google_public_key_pem),
        entra: entra(size.users),
    }
}

fn user_id(number: usize) -> String {
    format!("a{number:023x}")
}

fn email(number: usize) -> String {
    format!("user-{number:06}@{DOMAIN}")
}

fn directory(id: &str, name: &str, kind: jumpcloud::DirectoryKind) -> jumpcloud::Directory {
    jumpcloud::Directory {
        id: id.to_owned(),
        name: name.to_owned(),
        kind,
        default_domain: Some(DOMAIN.to_owned()),
        groups_enabled: false,
    }
}

fn jumpcloud_user(number: usize, directories: &[String]) -> jumpcloud::User {
    jumpcloud::User {
        id: user_id(number),
        username: format!("user-{number:06}"),
        email: Some(email(number)),
        first_name: "User".to_owned(),
        last_name: format!("{number:06}"),
        directories: directories.to_vec(),
        ..jumpcloud::User::default()
    }
}

fn google(users: usize, public_key_pem: &str) -> google::Tenant {
    google::Tenant {
        customer_id: "C0generated".to_owned(),
        domains: vec![DOMAIN.to_owned()],
        service_accounts: vec![google::tenant::ServiceAccount {
            client_email: "groupcast@example.iam.gserviceaccount.com".to_owned(),
            client_id: None,
            private_key_id: None,
            public_key_pem: public_key_pem.to_owned(),
            signing_key_pem: None,
            scopes: SCOPES.iter().map(|scope| (*scope).to_owned()).collect(),
        }],
        admins: vec![ADMIN.to_owned()],
        users: (0..users)
            .map(|number| google::tenant::User {
                id: format!("1{number:020}"),
                primary_email: email(number),
                aliases: Vec::new(),
                suspended: false,
                name: format!("User {number:06}"),
            })
            .collect(),
        groups: Vec::new(),
        lag: google::tenant::Lag::default(),
        quota: google::tenant::Quota::default(),
        forgets_external_ids: false,
        batches: google::Batches::default(),
        workload_identity_providers: Vec::new(),
    }
}

fn entra(users: usize) -> entra::Tenant {
    let permissions = [
        "Group.ReadWrite.All",
        "GroupMember.ReadWrite.All",
        "User.Read.All",
    ];
    entra::Tenant {
        tenant_id: "aaaaaaaa-0000-4000-8000-000000000000".to_owned(),
        domain: DOMAIN.to_owned(),
        applications: vec![entra::Application {
            client_id: "aaaaaaaa-0000-4000-8000-000000000001".to_owned(),
            client_secret: Some("generated-entra-secret".to_owned()),
            client_secret_expired: false,
            certificate_pem: None,
            federated_credentials: Vec::new(),
            permissions: permissions.iter().map(|name| (*name).to_owned()).collect(),
        }],
        users: (0..users)
            .map(|number| entra::User {
                id: format!("00000000-0000-4000-8000-{number:012}"),
                user_principal_name: email(number),
                mail: Some(email(number)),
                display_name: format!("User {number:06}"),
                other_mails: Vec::new(),
                proxy_addresses: vec![format!("SMTP:{}", email(number))],
            })
            .collect(),
        groups: Vec::new(),
        lag: entra::Lag::default(),
        throttle: entra::Throttle::default(),
    }
}

/// One member for each group first, then the rest at random, so that sizes differ.
fn group_sizes(size: Size, random: &mut StdRng) -> Vec<usize> {
    let mut sizes = vec![1.min(size.users); size.groups];
    let most = size.users.saturating_mul(size.groups);
    let mut left = size.memberships.min(most).saturating_sub(size.groups.min(most));
    while left > 0 {
        // A whole run of members to one group: real groups are few large ones and many small ones.
        let run = random.random_range(1..=left.min(size.users.max(1)).min(1 + left / 4));
        let Some(chosen) = sizes.get_mut(random.random_range(0..size.groups)) else {
            break;
        };
        let taken = run.min(size.users.saturating_sub(*chosen));
        *chosen = chosen.saturating_add(taken);
        left = left.saturating_sub(taken);
    }
    sizes
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size {
        users: 50,
        groups: 10,
        memberships: 120,
    };

    #[test]
    fn it_has_the_size_asked_for_and_is_sound() {
        let made = generated(SIZE, 7, "(a key)");
        let memberships: usize = made.jumpcloud.groups.iter().map(|group| group.users.len()).sum();
        assert_eq!((made.jumpcloud.groups.len(), memberships), (10, 120));
        assert!(made.jumpcloud.groups.iter().all(|group| !group.users.is_empty()));
        assert_eq!(made.jumpcloud.problems(), Vec::<String>::new());
        let text = serde_json::to_string(&made).unwrap();
        assert!(Organisation::from_json(&text).is_ok());
    }

    #[test]
    fn the_same_seed_makes_the_same_and_another_another() {
        let text = |seed| serde_json::to_string(&generated(SIZE, seed, "(a key)")).unwrap();
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
    }

    #[test]
    fn it_can_be_full_and_it_can_be_empty() {
        let full = Size {
            users: 3,
            groups: 4,
            memberships: 1000,
        };
        let made = generated(full, 1, "(a key)");
        assert!(made.jumpcloud.groups.iter().all(|group| group.users.len() == 3));
        let none = Size {
            users: 0,
            groups: 0,
            memberships: 0,
        };
        assert!(generated(none, 1, "(a key)").jumpcloud.groups.is_empty());
    }
}
