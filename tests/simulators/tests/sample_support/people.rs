//! The three hundred people of the sample organisation.

use super::{DOMAIN, google_user_id, jumpcloud_id, object_id};

/// Departments with a group of their own, in the order in which people are dealt to them.
pub const DEPARTMENTS: &[&str] = &[
    "Engineering",
    "Sales",
    "Marketing",
    "Customer Support",
    "Finance",
    "Legal",
    "People & Culture",
    "Design",
    "Product",
    "Operations",
    "Manufacturing",
    "Quality",
    "IT",
];

/// How many are in each department or team, in the order of the people's numbers; 300 in all.
const PLACES: &[(&str, Option<&str>, usize)] = &[
    ("Engineering", None, 6),
    ("Engineering", Some("Platform"), 18),
    ("Engineering", Some("Firmware"), 20),
    ("Engineering", Some("Web Apps"), 16),
    ("Engineering", Some("Data"), 12),
    ("Engineering", Some("Test Automation"), 10),
    ("Sales", None, 6),
    ("Sales", Some("Sales EMEA"), 18),
    ("Sales", Some("Sales Americas"), 18),
    ("Marketing", None, 18),
    ("Customer Support", None, 30),
    ("Finance", None, 12),
    ("Legal", None, 6),
    ("People & Culture", None, 10),
    ("Design", None, 14),
    ("Product", None, 16),
    ("Operations", None, 24),
    ("Manufacturing", None, 26),
    ("Quality", None, 10),
    ("IT", None, 10),
];

const OFFICES: &[&str] = &["Leeds", "Porto", "Leeds", "Kraków", "Boston"];

/// First names, and as they stand in an address.
const FIRST: &[(&str, &str)] = &[
    ("Aisha", "aisha"),
    ("Albert", "albert"),
    ("Amélie", "amelie"),
    ("Anton", "anton"),
    ("Beatriz", "beatriz"),
    ("Bolaji", "bolaji"),
    ("Camille", "camille"),
    ("Carlos", "carlos"),
    ("Chiara", "chiara"),
    ("Daniel", "daniel"),
    ("Dorota", "dorota"),
    ("Elif", "elif"),
    ("Emma", "emma"),
    ("Farid", "farid"),
    ("Freya", "freya"),
    ("Giulia", "giulia"),
    ("Grace", "grace"),
    ("Hana", "hana"),
    ("Hugo", "hugo"),
    ("Ines", "ines"),
    ("Ivan", "ivan"),
    ("Jonas", "jonas"),
    ("Julia", "julia"),
    ("Kofi", "kofi"),
    ("Lars", "lars"),
    ("Leila", "leila"),
    ("Łukasz", "lukasz"),
    ("Maeve", "maeve"),
    ("Marco", "marco"),
    ("Mei", "mei"),
    ("Miguel", "miguel"),
    ("Nadia", "nadia"),
    ("Niamh", "niamh"),
    ("Olivia", "olivia"),
    ("Oscar", "oscar"),
    ("Paula", "paula"),
    ("Priya", "priya"),
    ("Rafael", "rafael"),
    ("Renée", "renee"),
    ("Samir", "samir"),
    ("Sofia", "sofia"),
    ("Tamsin", "tamsin"),
    ("Tomás", "tomas"),
    ("Usha", "usha"),
    ("Viktor", "viktor"),
    ("Wanda", "wanda"),
    ("Yusuf", "yusuf"),
    ("Zoë", "zoe"),
];

/// Last names, and as they stand in an address. Their number and that of the first names have no common
/// divisor but one, so that walking both lists at once gives every pair before any comes again.
const LAST: &[(&str, &str)] = &[
    ("Abara", "abara"),
    ("Andersen", "andersen"),
    ("Baker", "baker"),
    ("Bielak", "bielak"),
    ("Castro", "castro"),
    ("Chen", "chen"),
    ("Costa", "costa"),
    ("Dąbrowski", "dabrowski"),
    ("Doyle", "doyle"),
    ("Eriksson", "eriksson"),
    ("Ferreira", "ferreira"),
    ("Fischer", "fischer"),
    ("García", "garcia"),
    ("Haddad", "haddad"),
    ("Hughes", "hughes"),
    ("Ito", "ito"),
    ("Jansen", "jansen"),
    ("Kaya", "kaya"),
    ("Kowalczyk", "kowalczyk"),
    ("Lopes", "lopes"),
    ("Mensah", "mensah"),
    ("Moreau", "moreau"),
    ("Müller", "mueller"),
    ("Nguyen", "nguyen"),
    ("Novák", "novak"),
    ("O'Brien", "obrien"),
    ("Okafor", "okafor"),
    ("Patel", "patel"),
    ("Petrov", "petrov"),
    ("Quinn", "quinn"),
    ("Rossi", "rossi"),
    ("Sato", "sato"),
    ("Silva", "silva"),
    ("Singh", "singh"),
    ("Taylor", "taylor"),
    ("Ueda", "ueda"),
    ("Vogel", "vogel"),
    ("Walsh", "walsh"),
    ("Weber", "weber"),
    ("Yilmaz", "yilmaz"),
    ("Zieliński", "zielinski"),
];

/// One person.
pub struct Person {
    /// 0 to 299.
    pub number: usize,
    pub first: &'static str,
    pub last: &'static str,
    /// The local part of the address.
    pub local: String,
    pub department: &'static str,
    pub team: Option<&'static str>,
    pub office: &'static str,
    /// The first of the department.
    pub head: bool,
    pub suspended: bool,
    /// Whether Google and Entra know the person.
    pub in_targets: bool,
}

impl Person {
    pub fn email(&self) -> String {
        format!("{}@{DOMAIN}", self.local)
    }

    pub fn name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    pub fn id(&self) -> String {
        jumpcloud_id(&format!("user/{}", self.local))
    }

    pub fn object_id(&self) -> String {
        object_id(&format!("user/{}", self.local))
    }

    pub fn google_id(&self) -> String {
        google_user_id(&format!("user/{}", self.local))
    }
}

/// Everybody, by number.
pub fn people() -> Vec<Person> {
    let places = PLACES
        .iter()
        .flat_map(|(department, team, count)| std::iter::repeat_n((*department, *team), *count));
    let mut made: Vec<Person> = Vec::new();
    for (number, (department, team)) in places.enumerate() {
        let (first, first_local) = FIRST[number % FIRST.len()];
        let (last, last_local) = LAST[number % LAST.len()];
        made.push(Person {
            number,
            first,
            last,
            local: format!("{first_local}.{last_local}"),
            department,
            team,
            office: OFFICES[number % OFFICES.len()],
            head: !made.iter().any(|other| other.department == department),
            // On parental leave: suspended people stay members by default (R49).
            suspended: number == 222,
            // Hired yesterday: in JumpCloud alone, so he waits in the targets (R5).
            in_targets: number != 299,
        });
    }
    made
}
