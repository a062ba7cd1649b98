//! Makes `organisations/sample.json`: the invented company "Larkspur Instruments" in all three vendors.
//!
//! Everything follows from the lists below and from nothing else (no clock, no randomness), so that the file
//! can be made again at any time. Each oddity that the sandbox shows stands in one of the functions here,
//! with what it is there for.

mod people;
mod targets;

use std::collections::BTreeMap;

use groupcast_simulators::jumpcloud;
use groupcast_simulators::organisation::Organisation;
use sha2::{Digest, Sha256};

pub use people::{Person, people};

pub const DOMAIN: &str = "larkspur.example";
pub const GOOGLE_DIRECTORY: &str = "65f1c0de0000000000000001";
pub const ENTRA_DIRECTORY: &str = "65f1c0de0000000000000002";

/// JumpCloud's kind of ID: 24 hexadecimal digits, the same for the same name.
pub fn jumpcloud_id(of: &str) -> String {
    hex::encode(Sha256::digest(format!("jumpcloud/{of}")))[..24].to_owned()
}

/// Entra's kind of ID: a GUID.
pub fn object_id(of: &str) -> String {
    let digits = hex::encode(Sha256::digest(format!("entra/{of}")));
    format!(
        "{}-{}-4{}-8{}-{}",
        &digits[..8],
        &digits[8..12],
        &digits[13..16],
        &digits[17..20],
        &digits[20..32]
    )
}

/// Google's kind of user ID: 21 digits that begin with 1.
pub fn google_user_id(of: &str) -> String {
    let digest = Sha256::digest(format!("google/{of}"));
    let number = u128::from_be_bytes(digest[..16].try_into().unwrap()) % 10_u128.pow(20);
    format!("1{number:020}")
}

/// Google's kind of group ID.
pub fn google_group_id(of: &str) -> String {
    format!("03{}", &hex::encode(Sha256::digest(format!("google/{of}")))[..13])
}

/// The whole company.
pub fn sample() -> Organisation {
    let people = people();
    Organisation {
        jumpcloud: source(&people),
        google: targets::google(&people),
        entra: targets::entra(&people),
    }
}

fn source(people: &[Person]) -> jumpcloud::Organisation {
    jumpcloud::Organisation {
        api_key: "sample-jumpcloud-key-that-opens-nothing".to_owned(),
        organisation_id: jumpcloud_id("organisation"),
        name: "Larkspur Instruments".to_owned(),
        service_account: Some(jumpcloud::ServiceAccount {
            client_id: "sample-service-account".to_owned(),
            client_secret: "sample-service-account-secret-that-opens-nothing".to_owned(),
        }),
        multi_tenant: false,
        directories: vec![
            jumpcloud::Directory {
                id: GOOGLE_DIRECTORY.to_owned(),
                name: "Google Workspace".to_owned(),
                kind: jumpcloud::DirectoryKind::GoogleWorkspace,
                default_domain: Some(DOMAIN.to_owned()),
                groups_enabled: false,
            },
            jumpcloud::Directory {
                id: ENTRA_DIRECTORY.to_owned(),
                name: "Microsoft 365".to_owned(),
                kind: jumpcloud::DirectoryKind::Office365,
                // Another than Google's: two directories of one domain would be warned of (R35).
                default_domain: Some("larkspur.onmicrosoft.example".to_owned()),
                groups_enabled: false,
            },
        ],
        users: people.iter().map(user).collect(),
        groups: groups(people),
        behaviour: jumpcloud::Behaviour::default(),
    }
}

fn user(person: &Person) -> jumpcloud::User {
    // JumpCloud knows the Entra object of those whom it provisioned itself: every other person here.
    let external_ids = if person.number.is_multiple_of(2) && person.in_targets {
        BTreeMap::from([(ENTRA_DIRECTORY.to_owned(), person.object_id())])
    } else {
        BTreeMap::new()
    };
    jumpcloud::User {
        id: person.id(),
        username: person.local.clone(),
        email: Some(person.email()),
        first_name: person.first.to_owned(),
        last_name: person.last.to_owned(),
        department: Some(person.department.to_owned()),
        state: if person.suspended {
            jumpcloud::UserState::Suspended
        } else {
            jumpcloud::UserState::Activated
        },
        suspended: person.suspended,
        external_ids,
        directories: vec![GOOGLE_DIRECTORY.to_owned(), ENTRA_DIRECTORY.to_owned()],
        ..jumpcloud::User::default()
    }
}

/// One group in the making: bound to both directories, with an address, unless told otherwise.
fn group(name: &str, address: &str, description: &str) -> jumpcloud::Group {
    jumpcloud::Group {
        id: jumpcloud_id(&format!("group/{name}")),
        name: name.to_owned(),
        email: Some(format!("{address}@{DOMAIN}")),
        description: Some(description.to_owned()),
        users: Vec::new(),
        groups: Vec::new(),
        directories: vec![GOOGLE_DIRECTORY.to_owned(), ENTRA_DIRECTORY.to_owned()],
    }
}

struct Groups<'a> {
    people: &'a [Person],
    made: Vec<jumpcloud::Group>,
}

impl Groups<'_> {
    fn add(
        &mut self,
        name: &str,
        address: &str,
        description: &str,
        member: impl Fn(&Person) -> bool,
    ) -> &mut jumpcloud::Group {
        let mut made = group(name, address, description);
        made.users = self
            .people
            .iter()
            .filter(|person| member(person))
            .map(Person::id)
            .collect();
        self.made.push(made);
        self.made.last_mut().unwrap()
    }

    /// Puts groups that exist already into the one made last.
    fn nesting(&mut self, children: &[&str]) {
        let ids = children
            .iter()
            .map(|name| jumpcloud_id(&format!("group/{name}")))
            .collect();
        self.made.last_mut().unwrap().groups = ids;
    }
}

fn groups(people: &[Person]) -> Vec<jumpcloud::Group> {
    let mut groups = Groups {
        people,
        made: Vec::new(),
    };
    departments(&mut groups);
    across(&mut groups);
    oddities(&mut groups);
    groups.made
}

/// Departments and their teams; a team's people are in the department by nesting alone.
fn departments(groups: &mut Groups<'_>) {
    let department =
        |name: &'static str| move |person: &Person| person.department == name && person.team.is_none();
    let team = |name: &'static str| move |person: &Person| person.team == Some(name);
    groups.add(
        "Platform",
        "platform",
        "Shared services and build machines",
        team("Platform"),
    );
    groups.add(
        "Firmware",
        "firmware",
        "What runs inside the instruments",
        team("Firmware"),
    );
    groups.add(
        "Web Apps",
        "web-apps",
        "Customer portal and dashboards",
        team("Web Apps"),
    );
    groups.add("Data", "data", "Measurement pipelines", team("Data"));
    groups.add(
        "Test Automation",
        "test-automation",
        "Rigs and regression suites",
        team("Test Automation"),
    );
    groups.add(
        "Engineering",
        "engineering",
        "All engineering teams",
        department("Engineering"),
    );
    groups.nesting(&["Platform", "Firmware", "Web Apps", "Data", "Test Automation"]);
    groups.add(
        "Sales EMEA",
        "sales-emea",
        "Europe, Middle East and Africa",
        team("Sales EMEA"),
    );
    groups.add(
        "Sales Americas",
        "sales-americas",
        "North and South America",
        team("Sales Americas"),
    );
    // In Entra stands a group "sales": not the same name, so it is left alone (R23, R24).
    groups.add("Sales", "sales", "Everybody who sells", department("Sales"));
    groups.nesting(&["Sales EMEA", "Sales Americas"]);
    // In Entra a distribution group has this name: left alone, a security group is made beside it (R26).
    groups.add(
        "Marketing",
        "marketing",
        "Campaigns, events and the web site",
        department("Marketing"),
    );
    // Its address changes in the sandbox's third act (R14).
    groups.add(
        "Customer Support",
        "support",
        "Tickets and the hotline",
        department("Customer Support"),
    );
    // In Entra two groups have this name: neither is taken, a third is made once (R23, R25).
    groups.add(
        "Finance",
        "finance",
        "Accounts, payroll and controlling",
        department("Finance"),
    );
    // In Entra exactly one security group has this name: it is taken over (R21).
    groups.add("Legal", "legal", "Contracts and compliance", department("Legal"));
    groups.add(
        "People & Culture",
        "people",
        "Hiring, pay and learning",
        department("People & Culture"),
    );
    // In Google a group has this address: it is taken over, its owner and its guest stay (R50).
    groups.add(
        "Design",
        "design",
        "Product and brand design",
        department("Design"),
    );
    groups.add("Product", "product", "Product management", department("Product"));
    groups.add(
        "Operations",
        "operations",
        "Facilities, purchasing and logistics",
        department("Operations"),
    );
    groups.add(
        "Manufacturing",
        "manufacturing",
        "Assembly and calibration",
        department("Manufacturing"),
    );
    groups.add(
        "Quality",
        "quality",
        "Audits and release tests",
        department("Quality"),
    );
    groups.add("IT", "it", "Workplaces, networks and accounts", department("IT"));
    groups.add(
        "All Staff",
        "all-staff",
        "Everybody at Larkspur Instruments",
        |_| false,
    );
    groups.nesting(people::DEPARTMENTS);
}

/// Groups across departments.
fn across(groups: &mut Groups<'_>) {
    let office = |name: &'static str| move |person: &Person| person.office == name;
    let every = |one_in: usize, offset: usize| move |person: &Person| person.number % one_in == offset;
    groups.add("Leeds Office", "leeds", "Who works in Leeds", office("Leeds"));
    groups.add("Porto Office", "porto", "Who works in Porto", office("Porto"));
    groups.add("Kraków Office", "krakow", "Who works in Kraków", office("Kraków"));
    groups.add("Boston Office", "boston", "Who works in Boston", office("Boston"));
    groups.add("Leadership", "leadership", "Heads of department", |person| {
        person.head
    });
    // An apostrophe, which Entra's filters want doubled.
    groups.add("Founders' Circle", "founders", "The first three", |person| {
        person.number < 3
    });
    groups.add(
        "Project Heron",
        "project-heron",
        "The pocket spectrometer",
        every(23, 4),
    );
    groups.add(
        "Project Kestrel",
        "project-kestrel",
        "The wind sensor",
        every(19, 7),
    );
    groups.add(
        "Project Osprey",
        "project-osprey",
        "The ocean probe",
        every(29, 2),
    );
    groups.nesting(&["Data"]);
    groups.add(
        "First Aiders",
        "first-aiders",
        "Who to call when somebody is hurt",
        every(17, 5),
    );
    groups.add(
        "Works Council",
        "works-council",
        "Elected in spring",
        every(41, 9),
    );
    groups.add("On-Call", "on-call", "Reachable at night", every(31, 6));
    groups.add(
        "VPN Users",
        "vpn-users",
        "May use the private network",
        every(13, 1),
    );
    groups.nesting(&["Engineering", "IT"]);
    // Bound to Google alone.
    groups
        .add("Book Club", "book-club", "Reads on Thursdays", every(37, 3))
        .directories = vec![GOOGLE_DIRECTORY.to_owned()];
    // Bound to nothing: never seen by either target.
    groups
        .add("Chess Club", "chess-club", "Plays on Tuesdays", every(43, 8))
        .directories = Vec::new();
}

/// Groups that show what does not simply work.
fn oddities(groups: &mut Groups<'_>) {
    // Its address is an alias of another Google group: refused before any write (R18).
    groups.add("Media Relations", "media", "Speaks to journalists", |person| {
        person.department == "Marketing" && person.number.is_multiple_of(3)
    });
    // One address with "Platform": one of the two holds it, always the same one (R19).
    groups.add(
        "Platform (old)",
        "platform",
        "Before the teams were merged",
        |person| person.team == Some("Platform") && person.number.is_multiple_of(2),
    );
    // Nobody in it: not created anywhere (R4).
    groups.add("Alumni Network", "alumni", "Former colleagues", |_| false);
    // No address: not exported to Google, but to Entra it is (R1, R2), and shown as at risk (R34).
    groups
        .add("Security Review Board", "", "Judges incidents", |person| {
            matches!(person.department, "IT" | "Legal") && person.number.is_multiple_of(2)
        })
        .email = None;
    // One of them is not in Google or Entra yet: he waits (R5).
    groups.add("New Starters", "new-starters", "Who began this month", |person| {
        person.number >= 292
    });
}
