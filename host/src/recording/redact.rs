//! A copy of a recording without people's names, usernames and addresses, for somebody who helps to look at a run.
//!
//! Every word of what stands in a person's record, and every word before the `@` of an address, gets a pseudonym: the same
//! word the same one, in the order of the alphabet, so that what was sorted stays sorted. Then the component runs once
//! more over the renamed answers, and that run is recorded: so everything that the component makes of names (plan parts,
//! hashes, messages) is made of the pseudonyms, and the copy replays bit for bit. It is a run on the same answers to the
//! same requests, but not of the same moments: in the copy, each answer comes at once.
//!
//! Kept as they are: IDs, domains, names of groups; and outside of addresses single letters, short numbers, and the
//! vocabulary of the interfaces (an account that is called `admin` stays `admin`).

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use groupcast_guest::engine::Report;
use groupcast_guest::plan::part::Part;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::file::{Head, Kind, Outcome, Recording, Writer};
use super::keyed::Keyed;
use super::lengths::adjusted;
use super::replay::run;
use super::words::{Piece, address_words, in_local_part, pieces, words};
use crate::plugin::journal::{Answer, Call, Journal, LeftRecording, Reply};
use crate::plugin::{Plugin, PluginEngine};

/// An object with one of these is a person's record (in lower case).
const PERSON: &[&str] = &[
    "username",
    "firstname",
    "lastname",
    "givenname",
    "familyname",
    "surname",
    "userprincipalname",
    "primaryemail",
];

/// What says nothing of a person in such a record (in lower case).
const IMPERSONAL: &[&str] = &[
    "id",
    "_id",
    "etag",
    "kind",
    "type",
    "@odata.type",
    "@odata.id",
    "state",
    "status",
    "role",
    "customerid",
    "organization",
    "creationtime",
    "created",
    "usertype",
    "accountenabled",
    "suspended",
    "provenance",
    "principal",
    "target",
    "group",
];

/// Words that the interfaces use themselves, besides the keys of all objects and the paths of all requests.
const VOCABULARY: &[&str] = &[
    "https",
    "http",
    "com",
    "org",
    "net",
    "www",
    "google",
    "googleapis",
    "graph",
    "microsoft",
    "jumpcloud",
    "entra",
    "eq",
    "ne",
    "and",
    "or",
    "not",
    "in",
    "startswith",
    "true",
    "false",
    "null",
    "user",
    "users",
    "group",
    "groups",
    "member",
    "members",
    "owner",
    "owners",
    "manager",
    "managers",
    "external",
    "customer",
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "content",
    "type",
    "id",
    "application",
    "json",
    "multipart",
    "mixed",
    "batch",
    "boundary",
    "done",
    "pending",
    "taken",
    "closed",
    "timer",
    "request",
    "body",
    "managed",
    "released",
    "orphaned",
    "ours",
    "adopted",
    "foreign",
    "applied",
    "already",
    "refused",
    "abandoned",
    "self",
    "next",
    "space",
    "security",
    "smtp",
    "sip",
];

/// Why there is no redacted copy.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// The component is another one.
    #[error("{0}")]
    Component(#[from] super::ReplayError),
    /// A body without text.
    #[error(
        "request {0} was answered with bytes that are no text; what they say of people cannot be replaced"
    )]
    Bytes(u32),
    /// The copy cannot be written.
    #[error("the copy cannot be written: {0}")]
    Write(#[from] io::Error),
    /// The copy does not read.
    #[error("the recording cannot be renamed: {0}; report it")]
    Shape(#[from] serde_json::Error),
}

/// What the copy is worth.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Redacted {
    /// Words that got a pseudonym.
    pub words: u64,
    /// Requests that find no answer in the copy, since they were made of names.
    pub unknown: Vec<String>,
    /// Whether the component ends in the copy as it did.
    pub same_end: bool,
}

/// Pseudonyms, by word in lower case.
#[derive(Default)]
struct Names {
    /// Words of people's records.
    people: BTreeSet<String>,
    /// Words of the local parts of all addresses.
    addresses: BTreeSet<String>,
    /// Words that stay, but in an address.
    vocabulary: HashSet<String>,
    numbers: BTreeMap<String, usize>,
}

impl Names {
    fn of(recording: &Recording) -> Result<Self, RedactError> {
        let mut names = Self::default();
        names
            .vocabulary
            .extend(VOCABULARY.iter().map(|word| (*word).to_owned()));
        for rule in groupcast_guest::manifest::manifest().egress {
            names.vocabulary.extend(words(rule.path));
        }
        names.text(&recording.head.run.settings, false);
        if let Some(question) = &recording.head.question {
            // A person is asked for by username, address or ID.
            names.text(question.person.as_deref().unwrap_or_default(), true);
            names.text(&question.group, false);
        }
        for (call, answer) in &recording.calls {
            if let (Call::Answer(number), Answer::Reply(Reply::Response { body, .. })) = (call, answer)
                && std::str::from_utf8(&body.0).is_err()
            {
                return Err(RedactError::Bytes(*number));
            }
            names.value(&serde_json::to_value(call)?, false);
            names.value(&serde_json::to_value(answer)?, false);
        }
        Ok(names.numbered())
    }

    fn numbered(mut self) -> Self {
        let vocabulary = &self.vocabulary;
        self.people.retain(|word| {
            let long_enough = word.chars().nth(1).is_some();
            // Short numbers count things; long ones are part of a name.
            let counts = word.len() < 4 && word.chars().all(|character| character.is_ascii_digit());
            long_enough && !counts && !vocabulary.contains(word)
        });
        let all: BTreeSet<&String> = self.people.union(&self.addresses).collect();
        self.numbers = all.into_iter().cloned().zip(0..).collect();
        self
    }

    /// Looks for people in a text, which may be JSON itself.
    fn text(&mut self, text: &str, of_person: bool) {
        let (locals, domains) = address_words(text);
        if of_person {
            self.people.extend(words(text));
        }
        self.addresses.extend(locals);
        self.vocabulary.extend(domains);
        let looks_like_json = text.trim_start().starts_with(['{', '[']);
        let json = looks_like_json.then(|| serde_json::from_str::<Value>(text).ok());
        if let Some(value) = json.flatten() {
            self.value(&value, of_person);
        } else if text.contains("\r\n") {
            // Parts of a batch.
            for line in text.lines().filter(|line| line.starts_with('{')) {
                self.text(line, of_person);
            }
        }
    }

    fn value(&mut self, value: &Value, of_person: bool) {
        match value {
            Value::String(text) => self.text(text, of_person),
            Value::Array(items) => {
                for item in items {
                    self.value(item, of_person);
                }
            }
            Value::Object(fields) => {
                let person = of_person
                    || fields
                        .keys()
                        .any(|key| PERSON.contains(&key.to_ascii_lowercase().as_str()));
                for (key, value) in fields {
                    self.vocabulary.extend(words(key));
                    let says = person && !IMPERSONAL.contains(&key.to_ascii_lowercase().as_str());
                    self.value(value, says);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// The text with pseudonyms.
    fn renamed(&self, text: &str) -> String {
        let width = self.numbers.len().to_string().len();
        let pieces = pieces(text);
        let local = in_local_part(&pieces);
        let renamed = pieces
            .into_iter()
            .zip(local)
            .map(|(piece, local)| match piece {
                Piece::Between(written) => written.to_owned(),
                Piece::Word { written, word } => {
                    let key = word.to_lowercase();
                    match self
                        .numbers
                        .get(&key)
                        .filter(|_| local || self.people.contains(&key))
                    {
                        Some(number) if word.starts_with(char::is_uppercase) => format!("P{number:0width$}"),
                        Some(number) => format!("p{number:0width$}"),
                        None => written.to_owned(),
                    }
                }
            })
            .collect();
        adjusted(text, renamed)
    }

    fn rename(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.renamed(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.rename(item)),
            Value::Object(fields) => fields.values_mut().for_each(|value| self.rename(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn copy<T: serde::Serialize + serde::de::DeserializeOwned>(
        &self,
        original: &T,
    ) -> Result<T, serde_json::Error> {
        let mut value = serde_json::to_value(original)?;
        self.rename(&mut value);
        serde_json::from_value(value)
    }
}

/// Renames the answers of a recording, and what it was asked.
fn renamed(recording: &Recording, names: &Names) -> Result<Recording, RedactError> {
    let calls = recording
        .calls
        .iter()
        .map(|(call, answer)| Ok((names.copy(call)?, names.copy(answer)?)))
        .collect::<Result<Vec<(Call, Answer)>, serde_json::Error>>()?;
    let mut head = Head {
        redacted: true,
        ..recording.head.clone()
    };
    head.run.settings = names.renamed(&head.run.settings);
    if let Some(question) = &mut head.question {
        question.person = question.person.as_deref().map(|person| names.renamed(person));
        question.group = names.renamed(&question.group);
    }
    Ok(Recording {
        head,
        calls,
        ending: recording.ending.clone(),
    })
}

/// What an approved part was planned from is a hash, of names too. In the copy it is taken anew: by a plan over what the
/// apply read. Where a group had moved, the old one stays, so that it has moved in the copy as well.
async fn fingerprints(
    engine: &Arc<PluginEngine>,
    plugin: &Plugin,
    recording: &Recording,
    copy: &mut Recording,
    cancel: &CancellationToken,
) {
    let moved: HashSet<String> = match &recording.ending.outcome {
        Outcome::Returned(report) => serde_json::from_value::<Report>(report.clone())
            .unwrap_or_default()
            .moved
            .into_iter()
            .map(|(group, _)| group)
            .collect(),
        _ => HashSet::new(),
    };
    let keyed = Arc::new(Keyed::new(copy));
    let head = Head {
        kind: Kind::Plan,
        ..copy.head.clone()
    };
    let journal = Arc::clone(&keyed) as Arc<dyn Journal>;
    run(engine, plugin, &head, journal, cancel).await;
    let (done, _) = keyed.done();
    let planned: BTreeMap<String, String> = done
        .parts
        .iter()
        .filter_map(|part| Part::from_bytes(part).ok())
        .map(|part| (part.group.id, part.fingerprint))
        .collect();
    for (_, answer) in &mut copy.calls {
        let Answer::Part(Some(bytes)) = answer else {
            continue;
        };
        let Ok(part) = Part::from_bytes(&bytes.0) else {
            continue;
        };
        if let (false, Some(now), Ok(text)) = (
            moved.contains(&part.group.id),
            planned.get(&part.group.id),
            std::str::from_utf8(&bytes.0),
        ) {
            *bytes = text.replace(&part.fingerprint, now).into_bytes().into();
        }
    }
}

/// A replay that is recorded.
struct Copying<W: Write> {
    keyed: Keyed,
    written: Mutex<io::Result<Writer<W>>>,
}

impl<W: Write + Send + 'static> Journal for Copying<W> {
    fn replays(&self) -> bool {
        true
    }

    fn answer(&self, call: &Call) -> Result<Option<Answer>, LeftRecording> {
        let answer = self.keyed.answer(call)?;
        if let Some(answer) = &answer {
            let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
            if let Ok(writer) = written.as_mut()
                && let Err(error) = writer.call(call, answer)
            {
                *written = Err(error);
            }
        }
        Ok(answer)
    }

    fn note(&self, _: Call, _: Answer) {}
}

/// Writes a redacted copy of a recording, by running its own component over the renamed answers.
///
/// # Errors
/// [`RedactError`].
pub async fn redact<W: Write + Send + 'static>(
    engine: &Arc<PluginEngine>,
    plugin: &Plugin,
    recording: &Recording,
    out: W,
    cancel: &CancellationToken,
) -> Result<Redacted, RedactError> {
    super::replay::require_same(plugin, recording)?;
    let names = Names::of(recording)?;
    let mut copy = renamed(recording, &names)?;
    if copy.head.kind == Kind::Apply {
        fingerprints(engine, plugin, recording, &mut copy, cancel).await;
    }
    let copying = Arc::new(Copying {
        keyed: Keyed::new(&copy),
        written: Mutex::new(Ok(Writer::new(out, &copy.head)?)),
    });
    let journal = Arc::clone(&copying) as Arc<dyn Journal>;
    let ended = run(engine, plugin, &copy.head, journal, cancel).await;
    let written = std::mem::replace(
        &mut *copying.written.lock().unwrap_or_else(PoisonError::into_inner),
        Err(io::Error::other("the copy has ended")),
    );
    let (done, _) = copying.keyed.done();
    let same_end = match (&ended, &recording.ending.outcome) {
        // What was returned speaks of people.
        (Outcome::Returned(now), Outcome::Returned(then)) => *now == names.copy(then)?,
        (Outcome::Failed(now), Outcome::Failed(then)) => now.kind == then.kind,
        (Outcome::Stopped(_), Outcome::Stopped(_)) => true,
        _ => false,
    };
    written?.end(ended)?;
    Ok(Redacted {
        words: names.numbers.len() as u64,
        unknown: super::against::counted(&done.unknown),
        same_end,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(of: &[&str]) -> Names {
        let mut names = Names::default();
        for text in of {
            names.text(text, false);
        }
        names.numbered()
    }

    #[test]
    fn a_person_is_the_same_pseudonym_in_every_spelling() {
        let names = names(&[
            r#"{"username":"zoë","firstname":"Zoë","lastname":"Ångström","email":"zoe.a@example.com"}"#,
        ]);
        let whole = names.renamed("Zoë");
        assert_eq!(
            names.renamed("users/zo%C3%AB?x=1"),
            format!("users/{}?x=1", whole.to_lowercase())
        );
        assert_eq!(
            names.renamed(r"\nzo\u00eb"),
            format!(r"\n{}", whole.to_lowercase())
        );
        assert!(!names.renamed("zoe.a@example.com").contains("zoe"));
        assert!(names.renamed("zoe.a@example.com").ends_with("@example.com"));
        assert_eq!(
            names.renamed("Ozoëx"),
            "Ozoëx",
            "a part of another word is not the word"
        );
    }

    #[test]
    fn what_was_sorted_stays_sorted() {
        let people = [
            "anna@example.com",
            "bert@example.com",
            "chris@example.com",
            "dora@example.com",
        ];
        let names = names(&people);
        let renamed: Vec<String> = people.iter().map(|person| names.renamed(person)).collect();
        assert!(renamed.is_sorted(), "{renamed:?}");
    }

    #[test]
    fn groups_keep_their_names_and_addresses_of_groups_are_addresses() {
        let names = names(&[
            r#"{"results":[{"id":"1","name":"Sales EMEA","email":"sales@example.com","type":"user_group"}]}"#,
            r#"{"username":"emil.user","email":"emil@example.com"}"#,
        ]);
        assert_eq!(names.renamed("Sales EMEA"), "Sales EMEA");
        assert!(!names.renamed("sales@example.com").contains("sales"));
        assert!(
            !names
                .renamed("emil@example.com, Emil")
                .to_lowercase()
                .contains("emil")
        );
    }
}
