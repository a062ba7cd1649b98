//! `$filter`: the part of OData that Graph's directory answers for groups and users. Text is compared
//! without regard to case, as the real service does. Whether an expression needs an advanced query is
//! told by the expression; enforcing it is the route's task.

use super::reply::Refusal;

/// The value of a property, as a filter sees it.
pub(super) enum Field<'a> {
    Text(Option<&'a str>),
    Flag(Option<bool>),
    Many(Vec<&'a str>),
}

/// What can be filtered.
pub(super) trait Filterable {
    /// The type's name, for messages.
    const TYPE: &'static str;
    /// Properties with one value, with the collections apart.
    const SINGLE: &'static [&'static str];
    /// Properties that are collections of text.
    const MANY: &'static [&'static str];
    fn field(&self, name: &str) -> Field<'_>;
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Literal {
    Text(String),
    Flag(bool),
    Null,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Equal,
    NotEqual,
    Starts,
    Ends,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Node {
    Or(Vec<Node>),
    And(Vec<Node>),
    Not(Box<Node>),
    Test(String, Compare, Literal),
    In(String, Vec<Literal>),
    Any(String, Compare, String),
}

/// A parsed filter.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    root: Node,
    /// Whether it holds an operator that only advanced queries have.
    pub advanced: bool,
    /// Whether it can answer with a set by alternate key only (`id eq`), as delta demands.
    pub ids: Option<Vec<String>>,
}

impl Filter {
    /// Parses a filter for a type.
    pub fn parse<T: Filterable>(text: &str) -> Result<Self, Refusal> {
        let tokens = tokens(text)?;
        let mut parser = Parser {
            text,
            tokens: &tokens,
            at: 0,
            clauses: 0,
            advanced: false,
            type_name: T::TYPE,
            single: T::SINGLE,
            many: T::MANY,
        };
        let root = parser.or()?;
        if parser.at < tokens.len() {
            return Err(parser.syntax());
        }
        if parser.clauses > 15 {
            return Err(Refusal::query(format!(
                "Too many child clauses specified in search filter expression containing 'OR' operators: {}. Max allowed: 15.",
                parser.clauses
            )));
        }
        let ids = only_ids(&root);
        Ok(Self {
            root,
            advanced: parser.advanced,
            ids,
        })
    }

    /// Whether an object passes.
    pub fn passes<T: Filterable>(&self, object: &T) -> bool {
        passes(&self.root, object)
    }
}

fn only_ids(node: &Node) -> Option<Vec<String>> {
    match node {
        Node::Test(name, Compare::Equal, Literal::Text(id)) if name == "id" => Some(vec![id.clone()]),
        Node::Or(nodes) => {
            let mut ids = Vec::new();
            for node in nodes {
                ids.extend(only_ids(node)?);
            }
            Some(ids)
        }
        _ => None,
    }
}

fn same(left: &str, right: &str) -> bool {
    left.to_lowercase() == right.to_lowercase()
}

fn compare_text(value: &str, compare: Compare, wanted: &str) -> bool {
    match compare {
        Compare::Equal => same(value, wanted),
        Compare::NotEqual => !same(value, wanted),
        Compare::Starts => value.to_lowercase().starts_with(&wanted.to_lowercase()),
        Compare::Ends => value.to_lowercase().ends_with(&wanted.to_lowercase()),
    }
}

fn passes<T: Filterable>(node: &Node, object: &T) -> bool {
    match node {
        Node::Or(nodes) => nodes.iter().any(|node| passes(node, object)),
        Node::And(nodes) => nodes.iter().all(|node| passes(node, object)),
        Node::Not(node) => !passes(node, object),
        Node::Test(name, compare, literal) => match (object.field(name), literal) {
            (Field::Text(Some(value)), Literal::Text(wanted)) => compare_text(value, *compare, wanted),
            (Field::Flag(Some(value)), Literal::Flag(wanted)) => {
                (value == *wanted) == (*compare == Compare::Equal)
            }
            (Field::Text(None) | Field::Flag(None), Literal::Null) => *compare == Compare::Equal,
            _ => *compare == Compare::NotEqual,
        },
        Node::In(name, literals) => literals
            .iter()
            .any(|literal| match (object.field(name), literal) {
                (Field::Text(Some(value)), Literal::Text(wanted)) => same(value, wanted),
                (Field::Text(None), Literal::Null) => true,
                _ => false,
            }),
        Node::Any(name, compare, wanted) => match object.field(name) {
            Field::Many(values) => values.iter().any(|value| compare_text(value, *compare, wanted)),
            Field::Text(_) | Field::Flag(_) => false,
        },
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
    Colon,
    Slash,
}

fn tokens(text: &str) -> Result<Vec<Token>, Refusal> {
    let mut found = Vec::new();
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match letter {
            ' ' => {}
            '(' => found.push(Token::Open),
            ')' => found.push(Token::Close),
            ',' => found.push(Token::Comma),
            ':' => found.push(Token::Colon),
            '/' => found.push(Token::Slash),
            '\'' => {
                let mut value = String::new();
                loop {
                    match letters.next() {
                        Some((_, '\'')) if letters.peek().is_some_and(|(_, next)| *next == '\'') => {
                            letters.next();
                            value.push('\'');
                        }
                        Some((_, '\'')) => break,
                        Some((_, letter)) => value.push(letter),
                        None => {
                            return Err(clause(format!(
                                "There is an unterminated string literal at position {} in '{text}'.",
                                text.chars().count()
                            )));
                        }
                    }
                }
                found.push(Token::Text(value));
            }
            letter if letter.is_alphanumeric() || matches!(letter, '-' | '_' | '.' | '@' | '#') => {
                let mut word = letter.to_string();
                while let Some((_, next)) = letters.peek() {
                    if next.is_alphanumeric() || matches!(next, '-' | '_' | '.' | '@' | '#') {
                        word.push(*next);
                        letters.next();
                    } else {
                        break;
                    }
                }
                found.push(Token::Word(word));
            }
            letter => {
                return Err(clause(format!(
                    "Syntax error: character '{letter}' is not valid at position {at} in '{text}'."
                )));
            }
        }
    }
    Ok(found)
}

fn clause(message: String) -> Refusal {
    Refusal::new(400, "BadRequest", format!("Invalid filter clause: {message}"))
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    /// Children of `or`, and values of `in`: the service allows fifteen.
    clauses: usize,
    advanced: bool,
    type_name: &'static str,
    single: &'static [&'static str],
    many: &'static [&'static str],
}

impl Parser<'_> {
    fn syntax(&self) -> Refusal {
        clause(format!(
            "Syntax error at position {} in '{}'.",
            self.at, self.text
        ))
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at = self.at.saturating_add(1);
        token
    }

    fn take(&mut self, wanted: &Token) -> Result<(), Refusal> {
        if self.tokens.get(self.at) == Some(wanted) {
            self.at = self.at.saturating_add(1);
            Ok(())
        } else {
            Err(self.syntax())
        }
    }

    fn word(&mut self) -> Result<String, Refusal> {
        match self.next() {
            Some(Token::Word(word)) => Ok(word),
            _ => Err(self.syntax()),
        }
    }

    fn sees(&self, word: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(found)) if found == word)
    }

    fn or(&mut self) -> Result<Node, Refusal> {
        let mut nodes = vec![self.and()?];
        while self.sees("or") {
            self.at = self.at.saturating_add(1);
            nodes.push(self.and()?);
        }
        if nodes.len() > 1 {
            self.clauses = self.clauses.saturating_add(nodes.len());
            return Ok(Node::Or(nodes));
        }
        nodes.pop().ok_or_else(|| self.syntax())
    }

    fn and(&mut self) -> Result<Node, Refusal> {
        let mut nodes = vec![self.unary()?];
        while self.sees("and") {
            self.at = self.at.saturating_add(1);
            nodes.push(self.unary()?);
        }
        if nodes.len() > 1 {
            return Ok(Node::And(nodes));
        }
        nodes.pop().ok_or_else(|| self.syntax())
    }

    fn unary(&mut self) -> Result<Node, Refusal> {
        if self.sees("not") {
            self.at = self.at.saturating_add(1);
            self.advanced = true;
            return Ok(Node::Not(Box::new(self.unary()?)));
        }
        if self.tokens.get(self.at) == Some(&Token::Open) {
            self.at = self.at.saturating_add(1);
            let node = self.or()?;
            self.take(&Token::Close)?;
            return Ok(node);
        }
        self.test()
    }

    fn test(&mut self) -> Result<Node, Refusal> {
        let word = self.word()?;
        if let Some(compare) = function(&word) {
            self.advanced |= compare == Compare::Ends;
            self.take(&Token::Open)?;
            let name = self.word()?;
            let name = self.property(&name, self.single)?;
            self.take(&Token::Comma)?;
            let Some(Token::Text(value)) = self.next() else {
                return Err(self.syntax());
            };
            self.take(&Token::Close)?;
            return Ok(Node::Test(name, compare, Literal::Text(value)));
        }
        if self.tokens.get(self.at) == Some(&Token::Slash) {
            return self.any(&word);
        }
        let name = self.property(&word, self.single)?;
        match self.word()?.as_str() {
            "eq" => Ok(Node::Test(name, Compare::Equal, self.literal()?)),
            "ne" => {
                self.advanced = true;
                Ok(Node::Test(name, Compare::NotEqual, self.literal()?))
            }
            "in" => {
                self.take(&Token::Open)?;
                let mut values = vec![self.literal()?];
                while self.tokens.get(self.at) == Some(&Token::Comma) {
                    self.at = self.at.saturating_add(1);
                    values.push(self.literal()?);
                }
                self.take(&Token::Close)?;
                self.clauses = self.clauses.saturating_add(values.len());
                Ok(Node::In(name, values))
            }
            operator @ ("ge" | "le" | "gt" | "lt" | "has") => Err(Refusal::query(format!(
                "Unsupported or invalid query filter clause specified for property '{name}' of resource '{}': operator '{operator}'.",
                self.type_name
            ))),
            _ => Err(self.syntax()),
        }
    }

    /// `name/any(x:x eq 'value')`, or with `startswith(x,'value')`.
    fn any(&mut self, name: &str) -> Result<Node, Refusal> {
        let name = self.property(name, self.many)?;
        self.take(&Token::Slash)?;
        if self.word()? != "any" {
            return Err(self.syntax());
        }
        self.take(&Token::Open)?;
        let variable = self.word()?;
        self.take(&Token::Colon)?;
        let word = self.word()?;
        let (compare, value) = if let Some(compare) = function(&word) {
            self.advanced |= compare == Compare::Ends;
            self.take(&Token::Open)?;
            if self.word()? != variable {
                return Err(self.syntax());
            }
            self.take(&Token::Comma)?;
            let value = self.next();
            self.take(&Token::Close)?;
            (compare, value)
        } else {
            if word != variable || self.word()? != "eq" {
                return Err(self.syntax());
            }
            (Compare::Equal, self.next())
        };
        let Some(Token::Text(value)) = value else {
            return Err(self.syntax());
        };
        self.take(&Token::Close)?;
        Ok(Node::Any(name, compare, value))
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) => match word.as_str() {
                "true" => Ok(Literal::Flag(true)),
                "false" => Ok(Literal::Flag(false)),
                "null" => Ok(Literal::Null),
                _ => Err(self.syntax()),
            },
            _ => Err(self.syntax()),
        }
    }

    fn property(&self, name: &str, known: &[&str]) -> Result<String, Refusal> {
        if known.contains(&name) {
            return Ok(name.to_owned());
        }
        if self.single.contains(&name) || self.many.contains(&name) {
            return Err(Refusal::query(format!(
                "Unsupported or invalid query filter clause specified for property '{name}' of resource '{}'.",
                self.type_name
            )));
        }
        Err(clause(format!(
            "Could not find a property named '{name}' on type '{}'.",
            self.type_name
        )))
    }
}

fn function(word: &str) -> Option<Compare> {
    match word {
        "startswith" | "startsWith" => Some(Compare::Starts),
        "endswith" | "endsWith" => Some(Compare::Ends),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Thing;
    impl Filterable for Thing {
        const TYPE: &'static str = "microsoft.graph.group";
        const SINGLE: &'static [&'static str] = &["displayName", "id", "securityEnabled", "mail"];
        const MANY: &'static [&'static str] = &["groupTypes"];
        fn field(&self, name: &str) -> Field<'_> {
            match name {
                "displayName" => Field::Text(Some("O'Brien Sales")),
                "id" => Field::Text(Some("1")),
                "securityEnabled" => Field::Flag(Some(true)),
                "groupTypes" => Field::Many(vec!["Unified"]),
                _ => Field::Text(None),
            }
        }
    }

    fn holds(text: &str) -> bool {
        Filter::parse::<Thing>(text).unwrap().passes(&Thing)
    }

    #[test]
    fn r24_the_servers_equality_ignores_case_and_a_doubled_quote_is_one() {
        assert!(holds("displayName eq 'o''brien SALES'"));
        assert!(!holds("displayName eq 'o''brien SALES '"));
    }

    #[test]
    fn operators_bind_as_in_odata() {
        assert!(holds("id eq '2' and id eq '3' or id eq '1'"));
        assert!(!holds("id eq '2' and (id eq '3' or id eq '1')"));
        assert!(holds(
            "startswith(displayName,'O''b') and securityEnabled eq true"
        ));
        assert!(holds("id in ('7', '1') and mail eq null"));
        assert!(holds("groupTypes/any(c:c eq 'Unified')"));
        assert!(holds("not(id eq '2')"));
    }

    #[test]
    fn what_needs_an_advanced_query_is_known() {
        assert!(!Filter::parse::<Thing>("id eq '1'").unwrap().advanced);
        for text in ["id ne '1'", "not(id eq '1')", "endswith(mail,'x')"] {
            assert!(Filter::parse::<Thing>(text).unwrap().advanced, "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in [
            "displayName eq 'a",
            "displayName eq",
            "colour eq 'red'",
            "id eq '1' or",
            "",
            "id == '1'",
            "groupTypes eq 'Unified'",
            "(id eq '1'",
            "id eq '1') ",
        ] {
            assert!(Filter::parse::<Thing>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sixteen_alternatives_are_one_too_many() {
        let list = |count: usize| {
            let values: Vec<_> = (0..count).map(|number| format!("'{number}'")).collect();
            format!("id in ({})", values.join(","))
        };
        assert!(Filter::parse::<Thing>(&list(15)).is_ok());
        assert!(Filter::parse::<Thing>(&list(16)).is_err());
    }
}
