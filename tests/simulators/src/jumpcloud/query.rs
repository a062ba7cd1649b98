//! Query parameters, and what they say: filters and sorting, in both versions' spelling.

use std::cmp::Ordering;

use super::answer::Refusal;

/// The decoded query of a request.
pub(super) struct Query {
    pairs: Vec<(String, String)>,
}

impl Query {
    /// Reads a query; a parameter that the endpoint does not know is refused.
    pub(super) fn read(query: &str, known: &[&str]) -> Result<Self, Refusal> {
        let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        match pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            Some((name, _)) => Err(Refusal::bad_request(format!("unknown query parameter: {name}"))),
            None => Ok(Self { pairs }),
        }
    }

    /// The value of a parameter that may be given once.
    pub(super) fn one(&self, name: &str) -> Result<Option<&str>, Refusal> {
        let given = self.pairs.iter().filter(|(key, _)| key == name);
        let mut values = given
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty());
        let first = values.next();
        match values.next() {
            None => Ok(first),
            Some(_) => Err(Refusal::bad_request(format!(
                "query parameter given twice: {name}"
            ))),
        }
    }

    /// The values of a parameter that may be repeated.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let given = self.pairs.iter().filter(move |(key, _)| key == name);
        given
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// A whole number, not below `least`.
    pub(super) fn number(&self, name: &str, default: usize, least: usize) -> Result<usize, Refusal> {
        match self.one(name)? {
            None => Ok(default),
            Some(text) => text
                .parse()
                .ok()
                .filter(|number| *number >= least)
                .ok_or_else(|| {
                    Refusal::bad_request(format!("{name} must be an integer of at least {least}"))
                }),
        }
    }

    /// The parameters as sent, with one replaced: the query of the next page.
    pub(super) fn with(&self, replaced: &[(&str, usize)]) -> String {
        let mut next = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.pairs {
            if !replaced.iter().any(|(other, _)| other == name) {
                next.append_pair(name, value);
            }
        }
        for (name, value) in replaced {
            next.append_pair(name, &value.to_string());
        }
        next.finish()
    }
}

/// The value of a record's field, as filters and sorting see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Absent,
    Flag(bool),
    Number(i64),
    Text(&'a str),
}

impl<'a> From<&'a Option<String>> for Key<'a> {
    fn from(value: &'a Option<String>) -> Self {
        value.as_deref().map_or(Key::Absent, Key::Text)
    }
}

/// One condition on one field.
#[derive(Debug)]
pub(super) struct Filter {
    field: String,
    operator: Operator,
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Between,
    Search,
    In,
}

/// Whose operators a filter uses: the two versions write them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// `$eq $ne $gt $gte $lt $lte $between $search $in`.
    Version1,
    /// `eq ne gt ge lt le between search in`.
    Version2,
}

fn operator(text: &str, spelling: Spelling) -> Option<Operator> {
    let (lower, or_equal) = match spelling {
        Spelling::Version1 => (text.strip_prefix('$')?, ["gte", "lte"]),
        Spelling::Version2 => (text, ["ge", "le"]),
    };
    Some(match lower {
        "eq" => Operator::Equal,
        "ne" => Operator::NotEqual,
        "gt" => Operator::Greater,
        "lt" => Operator::Less,
        "between" => Operator::Between,
        "search" => Operator::Search,
        "in" => Operator::In,
        other if other == or_equal[0] => Operator::GreaterOrEqual,
        other if other == or_equal[1] => Operator::LessOrEqual,
        _ => return None,
    })
}

impl Filter {
    /// Reads `<field>:<operator>:<value>`.
    pub(super) fn read(text: &str, spelling: Spelling, known: &[&str]) -> Result<Self, Refusal> {
        let mut parts = text.splitn(3, ':');
        let (Some(field), Some(name), Some(value)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(Refusal::bad_request(format!(
                "invalid filter {text:?}: <field>:<operator>:<value> expected"
            )));
        };
        Self::new(field, name, value, spelling, known)
    }

    /// A filter from its parts.
    pub(super) fn new(
        field: &str,
        name: &str,
        value: &str,
        spelling: Spelling,
        known: &[&str],
    ) -> Result<Self, Refusal> {
        let operator = operator(name, spelling)
            .ok_or_else(|| Refusal::bad_request(format!("invalid filter operator: {name}")))?;
        if !known.contains(&field) {
            return Err(Refusal::bad_request(format!("invalid filter field: {field}")));
        }
        Ok(Self {
            field: field.to_owned(),
            operator,
            value: value.to_owned(),
        })
    }

    /// The field it asks for.
    pub(super) fn field(&self) -> &str {
        &self.field
    }

    /// Whether a field's value fulfils it. Comparison is case-sensitive but for `search`; `*` in `eq`
    /// and `ne` stands for any text. Lists (`in`, `between`) are separated by `|` or comma: the
    /// separator is not published.
    pub(super) fn holds(&self, key: Key<'_>) -> bool {
        let values = || self.value.trim_matches(['[', ']']).split(['|', ',']);
        match self.operator {
            Operator::Equal => equals(key, &self.value),
            Operator::NotEqual => !equals(key, &self.value),
            Operator::Greater => compare(key, &self.value) == Some(Ordering::Greater),
            Operator::Less => compare(key, &self.value) == Some(Ordering::Less),
            Operator::GreaterOrEqual => compare(key, &self.value).is_some_and(Ordering::is_ge),
            Operator::LessOrEqual => compare(key, &self.value).is_some_and(Ordering::is_le),
            Operator::Between => {
                let mut bounds = values();
                let (least, most) = (bounds.next().unwrap_or(""), bounds.next().unwrap_or(""));
                compare(key, least).is_some_and(Ordering::is_ge)
                    && compare(key, most).is_some_and(Ordering::is_le)
            }
            Operator::Search => match key {
                Key::Text(text) => text.to_lowercase().contains(&self.value.to_lowercase()),
                _ => false,
            },
            Operator::In => values().any(|value| equals(key, value)),
        }
    }
}

fn equals(key: Key<'_>, value: &str) -> bool {
    match key {
        Key::Absent => value.is_empty(),
        Key::Flag(flag) => value.parse() == Ok(flag),
        Key::Number(number) => value.parse() == Ok(number),
        Key::Text(text) => fits(value, text),
    }
}

fn compare(key: Key<'_>, value: &str) -> Option<Ordering> {
    match key {
        Key::Absent | Key::Flag(_) => None,
        Key::Number(number) => Some(number.cmp(&value.parse().ok()?)),
        Key::Text(text) => Some(text.cmp(value)),
    }
}

/// Whether a text fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut pieces = pattern.split('*');
    let Some(mut rest) = pieces.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = pieces.next_back() else {
        return rest.is_empty();
    };
    for piece in pieces {
        match rest.find(piece).and_then(|at| rest.get(at + piece.len()..)) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

/// Fields to sort by, and whether each is descending.
pub(super) struct Sorting(Vec<(String, bool)>);

impl Sorting {
    /// Reads field names separated by `separator`, each with a leading `-` where descending.
    pub(super) fn read(text: Option<&str>, separator: char, known: &[&str]) -> Result<Self, Refusal> {
        let mut fields = Vec::new();
        for part in text
            .unwrap_or("")
            .split(separator)
            .filter(|part| !part.is_empty())
        {
            let (field, descending) = part
                .strip_prefix('-')
                .map_or((part, false), |field| (field, true));
            if !known.contains(&field) {
                return Err(Refusal::bad_request(format!("invalid sort field: {field}")));
            }
            fields.push((field.to_owned(), descending));
        }
        Ok(Self(fields))
    }

    /// Whether the first field decides alone, so that the order cannot shift.
    pub(super) fn is_stable(&self, unique: &[&str]) -> bool {
        self.0
            .first()
            .is_some_and(|(field, _)| unique.contains(&field.as_str()))
    }

    /// Sorts, keeping the order of equals.
    pub(super) fn apply<T>(&self, rows: &mut [T], key: impl for<'a> Fn(&'a T, &str) -> Key<'a>) {
        if self.0.is_empty() {
            return;
        }
        rows.sort_by(|left, right| {
            let compared = self.0.iter().map(|(field, descending)| {
                let order = key(left, field).cmp(&key(right, field));
                if *descending { order.reverse() } else { order }
            });
            compared.fold(Ordering::Equal, Ordering::then)
        });
    }
}

/// The fields asked for; none where the default is wanted.
pub(super) fn projection<'a>(
    text: Option<&'a str>,
    separator: char,
    known: &[&str],
) -> Result<Option<Vec<&'a str>>, Refusal> {
    let Some(text) = text else {
        return Ok(None);
    };
    let fields: Vec<&str> = text.split(separator).filter(|field| !field.is_empty()).collect();
    match fields.iter().find(|field| !known.contains(field)) {
        Some(field) => Err(Refusal::bad_request(format!("invalid field: {field}"))),
        None => Ok(Some(fields)),
    }
}

/// Leaves only the fields asked for, and the identifier.
pub(super) fn project(record: &mut serde_json::Value, fields: Option<&[&str]>) {
    if let (Some(fields), Some(object)) = (fields, record.as_object_mut()) {
        object.retain(|name, _| name == "id" || name == "_id" || fields.contains(&name.as_str()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(filter: &str, key: Key<'_>) -> bool {
        Filter::read(filter, Spelling::Version2, &["f"])
            .unwrap()
            .holds(key)
    }

    #[test]
    fn filters_compare_by_case_and_know_wild_cards() {
        assert!(holds("f:eq:Sales", Key::Text("Sales")));
        assert!(!holds("f:eq:sales", Key::Text("Sales")));
        assert!(holds("f:eq:S*l*s", Key::Text("Sales")));
        assert!(!holds("f:eq:S*x", Key::Text("Sales")));
        assert!(holds("f:ne:x", Key::Absent));
        assert!(holds("f:search:ALE", Key::Text("Sales")));
        assert!(holds("f:in:a|b", Key::Text("b")));
        assert!(holds("f:between:b|d", Key::Text("c")));
        assert!(!holds("f:gt:5", Key::Number(5)));
        assert!(holds("f:ge:5", Key::Number(5)));
    }

    #[test]
    fn the_versions_spell_operators_differently() {
        assert!(Filter::read("f:$eq:x", Spelling::Version1, &["f"]).is_ok());
        for (filter, spelling) in [
            ("f:eq:x", Spelling::Version1),
            ("f:$eq:x", Spelling::Version2),
            ("f:gte:x", Spelling::Version2),
            ("g:eq:x", Spelling::Version2),
            ("f:eq", Spelling::Version2),
        ] {
            assert!(Filter::read(filter, spelling, &["f"]).is_err(), "{filter}");
        }
    }
}
