//! R24: names match by code point, whatever the server's filter thinks, and whatever characters are in them.

use groupcast_simulators::entra::Group;

use crate::looking::{
    ENTRA, as_members, creations, existing, existing_id, fresh, groups, members, objects, settled,
};

/// Names that a filter, a URL, JSON or an HTTP client could trip over.
const AWKWARD: &[&str] = &[
    "O'Brien's",
    "''",
    "R+D",
    "R%2BD",
    "Either/Or",
    "C#",
    "Q&A",
    "100%",
    "50%25",
    "a=b;c,d",
    "What?",
    "say \"hello\"",
    "back\\slash",
    "(brackets) [and] {braces}",
    "x' or displayName ne 'x",
    "$filter=displayName eq 'x'",
    " leading",
    "two  blanks",
    "Caf\u{e9}",
    "Cafe\u{301}",
    "Stra\u{df}e",
    "\u{130}stanbul",
    "\u{65e5}\u{672c}\u{8a9e}",
    "\u{1f680} launch",
    "tab\there",
];

#[tokio::test(flavor = "multi_thread")]
async fn r24_a_name_of_any_characters_is_found_and_taken_over() {
    let mut lab = fresh().await;
    for (number, name) in AWKWARD.iter().enumerate() {
        lab.entra(|entra| entra.create_group(existing(number, name)));
        lab.group(name, None, &[0]);
    }
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(creations(&lab), Vec::new());
    for (number, name) in AWKWARD.iter().enumerate() {
        let group = &groups(&lab)[&existing_id(number)];
        assert_eq!(group.display_name, *name);
        assert_eq!(members(&lab, &group.id), objects([0]), "{name:?}");
    }
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_a_name_of_any_characters_is_created_code_point_for_code_point() {
    let mut lab = fresh().await;
    for name in AWKWARD {
        lab.group(name, None, &[0]);
    }
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(groups(&lab).len(), AWKWARD.len());
    for name in AWKWARD {
        let found = lab.entra_groups(name);
        assert_eq!(found.len(), 1, "{name:?}");
        assert_eq!(members(&lab, &found[0].id), objects([0]), "{name:?}");
    }
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_names_match_by_code_point() {
    // (in JumpCloud, in Entra): alike to a person or to the server, and not the same.
    let pairs = [
        ("Sales", "sales"),
        ("support", "SUPPORT"),
        ("Trailing", "Trailing "),
        ("Blank ", "Blank"),
        ("Leading", " Leading"),
        ("Caf\u{e9}", "Cafe\u{301}"),
        ("Cafe\u{301} 2", "Caf\u{e9} 2"),
        ("Cyrillic a", "Cyrillic \u{430}"),
        ("No-break blank", "No-break\u{a0}blank"),
        ("\u{c5}ngstr\u{f6}m", "\u{212b}ngstr\u{f6}m"),
        ("O'Brien", "O\u{2019}Brien"),
        ("\u{130}zmir", "i\u{307}zmir"),
        ("FILES", "\u{fb01}les"),
        ("Zero width", "Zero\u{200b} width"),
    ];
    let mut lab = fresh().await;
    let mut there: Vec<Group> = Vec::new();
    for (number, (wanted, like)) in pairs.iter().enumerate() {
        assert_ne!(wanted, like);
        let group = Group {
            members: as_members([5]),
            ..existing(number, like)
        };
        lab.entra(|entra| entra.create_group(group.clone()));
        there.push(group);
        lab.group(wanted, None, &[0, 1]);
    }
    lab.plan_and_apply(ENTRA).await;
    let after = groups(&lab);
    for group in &there {
        assert_eq!(after[&group.id], *group, "untouched");
    }
    assert_eq!(after.len(), 2 * pairs.len());
    for (wanted, _) in &pairs {
        let found = lab.entra_groups(wanted);
        assert_eq!(found.len(), 1, "{wanted:?}");
        assert_eq!(members(&lab, &found[0].id), objects([0, 1]), "{wanted:?}");
    }
    settled(&lab).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r24_the_exact_one_among_other_spellings_is_taken_over() {
    let mut lab = fresh().await;
    for (number, name) in ["SALES", "sales", "Sales", "sALES"].iter().enumerate() {
        lab.entra(|entra| entra.create_group(existing(number, name)));
    }
    lab.group("Sales", None, &[0]);
    lab.plan_and_apply(ENTRA).await;
    assert_eq!(groups(&lab).len(), 4);
    for number in [0, 1, 3] {
        assert!(members(&lab, &existing_id(number)).is_empty());
    }
    assert_eq!(members(&lab, &existing_id(2)), objects([0]));
    settled(&lab).await;
}
