//! What Google Workspace and Entra ID hold before anything is synced.

use groupcast_simulators::{entra, google};

use super::people::Person;
use super::{DOMAIN, google_group_id, google_user_id, object_id};

const GOOGLE_PUBLIC_KEY: &str = include_str!("../keys/google-throwaway-public.pem");

/// Married, with a new primary address; JumpCloud still has the old one, now an alias (R31).
const RENAMED_IN_GOOGLE: usize = 210;
/// Signs in to Entra with a short user principal name; the address is the mail attribute (R31).
const OTHER_PRINCIPAL_NAME: usize = 211;

pub fn google(people: &[Person]) -> google::Tenant {
    let mut users = vec![google_user("it-admin", "IT Administration")];
    users.extend(people.iter().filter(|person| person.in_targets).map(|person| {
        let (primary_email, aliases) = if person.number == RENAMED_IN_GOOGLE {
            (format!("{}-hale@{DOMAIN}", person.local), vec![person.email()])
        } else {
            (person.email(), Vec::new())
        };
        google::tenant::User {
            id: person.google_id(),
            primary_email,
            aliases,
            suspended: person.suspended,
            name: person.name(),
        }
    }));
    google::Tenant {
        customer_id: "C0larkspur".to_owned(),
        domains: vec![DOMAIN.to_owned()],
        service_accounts: vec![google::tenant::ServiceAccount {
            client_email: "groupcast@larkspur-sandbox.iam.gserviceaccount.example".to_owned(),
            client_id: Some("100000000000000000042".to_owned()),
            private_key_id: Some("sample-key".to_owned()),
            public_key_pem: GOOGLE_PUBLIC_KEY.to_owned(),
            signing_key_pem: None,
            scopes: vec![
                "https://www.googleapis.com/auth/admin.directory.group".to_owned(),
                "https://www.googleapis.com/auth/admin.directory.user.readonly".to_owned(),
            ],
        }],
        admins: vec![format!("it-admin@{DOMAIN}")],
        users,
        groups: google_groups(people),
        lag: google::tenant::Lag::default(),
        quota: google::tenant::Quota::default(),
        forgets_external_ids: false,
        batches: google::Batches::default(),
        workload_identity_providers: Vec::new(),
    }
}

fn google_user(local: &str, name: &str) -> google::tenant::User {
    google::tenant::User {
        id: google_user_id(&format!("user/{local}")),
        primary_email: format!("{local}@{DOMAIN}"),
        aliases: Vec::new(),
        suspended: false,
        name: name.to_owned(),
    }
}

fn google_groups(people: &[Person]) -> Vec<google::tenant::Group> {
    let design: Vec<&Person> = people
        .iter()
        .filter(|person| person.department == "Design")
        .collect();
    let marketing: Vec<&Person> = people
        .iter()
        .filter(|person| person.department == "Marketing")
        .collect();
    let guest = google::tenant::Member {
        id: google_user_id("guest"),
        email: Some("anna.weiss@studio-nord.example".to_owned()),
        role: google::tenant::Role::Member,
        kind: google::tenant::MemberType::User,
        status: None,
        delivery_settings: None,
    };
    let mut design_members = vec![member(design[0], google::tenant::Role::Owner)];
    design_members.extend(
        design[1..5]
            .iter()
            .map(|person| member(person, google::tenant::Role::Member)),
    );
    // One of marketing and one from outside: nobody whom JumpCloud wants there, and they stay.
    design_members.push(member(marketing[2], google::tenant::Role::Member));
    design_members.push(guest);
    vec![
        google_group("design", "Design (since 2016)", "", &[], design_members),
        google_group(
            "press",
            "Press Office",
            "Public enquiries; kept by hand",
            &["media"],
            vec![member(marketing[0], google::tenant::Role::Owner)],
        ),
        google_group(
            "summer-party",
            "Summer party",
            "Kept by hand, not to be touched",
            &[],
            people
                .iter()
                .filter(|person| person.number % 60 == 11)
                .map(|person| member(person, google::tenant::Role::Member))
                .collect(),
        ),
    ]
}

fn google_group(
    local: &str,
    name: &str,
    description: &str,
    aliases: &[&str],
    members: Vec<google::tenant::Member>,
) -> google::tenant::Group {
    google::tenant::Group {
        id: google_group_id(local),
        email: format!("{local}@{DOMAIN}"),
        name: name.to_owned(),
        description: description.to_owned(),
        aliases: aliases.iter().map(|alias| format!("{alias}@{DOMAIN}")).collect(),
        external_ids: Vec::new(),
        members,
        refuses_external_members: false,
    }
}

fn member(person: &Person, role: google::tenant::Role) -> google::tenant::Member {
    google::tenant::Member {
        id: person.google_id(),
        email: Some(person.email()),
        role,
        kind: google::tenant::MemberType::User,
        status: None,
        delivery_settings: None,
    }
}

pub fn entra(people: &[Person]) -> entra::Tenant {
    entra::Tenant {
        tenant_id: object_id("tenant"),
        domain: "larkspur.onmicrosoft.example".to_owned(),
        applications: vec![entra::Application {
            client_id: object_id("application"),
            client_secret: Some("sample-entra-secret-that-opens-nothing".to_owned()),
            client_secret_expired: false,
            certificate_pem: None,
            federated_credentials: Vec::new(),
            permissions: vec!["Group.ReadWrite.All".to_owned(), "User.Read.All".to_owned()],
        }],
        users: people
            .iter()
            .filter(|person| person.in_targets)
            .map(entra_user)
            .collect(),
        groups: entra_groups(people),
        lag: entra::Lag::default(),
        throttle: entra::Throttle::default(),
    }
}

fn entra_user(person: &Person) -> entra::User {
    let user_principal_name = if person.number == OTHER_PRINCIPAL_NAME {
        format!("{}@{DOMAIN}", person.local.replace('.', ""))
    } else {
        person.email()
    };
    entra::User {
        id: person.object_id(),
        user_principal_name,
        mail: Some(person.email()),
        display_name: person.name(),
        other_mails: Vec::new(),
        proxy_addresses: vec![format!("SMTP:{}", person.email())],
    }
}

fn entra_groups(people: &[Person]) -> Vec<entra::Group> {
    let of = |department: &str| -> Vec<&Person> {
        people
            .iter()
            .filter(|person| person.department == department)
            .collect()
    };
    let (legal, finance, sales, marketing) = (of("Legal"), of("Finance"), of("Sales"), of("Marketing"));
    // Two of Legal, and one of Finance, who is foreign there and stays.
    let mut legal_members = legal[..2].to_vec();
    legal_members.push(finance[0]);
    let mut distribution = entra_group("Marketing", "marketing", "marketing", &marketing[..3]);
    distribution.mail_enabled = true;
    distribution.security_enabled = false;
    distribution.mail = Some(format!("marketing@{DOMAIN}"));
    vec![
        entra_group("Legal", "legal", "legal", &legal_members),
        entra_group("Finance", "finance-1", "finance", &finance[..4]),
        entra_group("Finance", "finance-2", "finance2", &finance[4..6]),
        entra_group("sales", "sales", "sales", &sales[..5]),
        distribution,
        entra_group(
            "Board",
            "board",
            "board",
            &people.iter().take(3).collect::<Vec<_>>(),
        ),
    ]
}

fn entra_group(name: &str, seed: &str, nickname: &str, members: &[&Person]) -> entra::Group {
    entra::Group {
        id: object_id(&format!("group/{seed}")),
        display_name: name.to_owned(),
        description: None,
        mail_nickname: nickname.to_owned(),
        mail: None,
        mail_enabled: false,
        security_enabled: true,
        group_types: Vec::new(),
        unique_name: None,
        on_premises_sync_enabled: None,
        is_assignable_to_role: None,
        is_management_restricted: None,
        assigned_licenses: Vec::new(),
        visibility: None,
        members: members
            .iter()
            .map(|person| entra::Member {
                id: person.object_id(),
                kind: entra::ObjectType::User,
            })
            .collect(),
        owners: Vec::new(),
    }
}
