//! The `query` parameter of the two lists that have one: `field=value`, `field:part`, `field:begin*`.

use super::error::ApiError;

#[derive(Debug)]
struct Term {
    field: String,
    exact: bool,
    value: String,
}

/// Conditions that must all hold.
#[derive(Debug)]
pub(super) struct Terms(Vec<Term>);

impl Terms {
    /// Reads conditions; a field that the list cannot search by is refused.
    pub(super) fn parse(text: &str, fields: &[&str]) -> Result<Self, ApiError> {
        let refused = || ApiError::invalid_input("query");
        let mut terms = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            let at = rest.find(['=', ':']).ok_or_else(refused)?;
            let (field, after) = rest.split_at_checked(at).ok_or_else(refused)?;
            let exact = after.starts_with('=');
            let after = after.get(1..).unwrap_or_default();
            let (value, remaining) = match after.chars().next() {
                Some(quote @ ('\'' | '"')) => after
                    .get(1..)
                    .and_then(|inner| inner.split_once(quote))
                    .ok_or_else(refused)?,
                _ => after.split_once(' ').unwrap_or((after, "")),
            };
            let field = fields
                .iter()
                .find(|known| known.eq_ignore_ascii_case(field.trim()))
                .ok_or_else(refused)?;
            if value.is_empty() {
                return Err(refused());
            }
            terms.push(Term {
                field: (*field).to_owned(),
                exact,
                value: value.to_lowercase(),
            });
            rest = remaining.trim_start();
        }
        Ok(Self(terms))
    }

    /// Whether all hold; `any` says whether any value of the named field passes the test it is given.
    pub(super) fn hold(&self, any: impl Fn(&str, &dyn Fn(&str) -> bool) -> bool) -> bool {
        self.0
            .iter()
            .all(|term| any(&term.field, &|value| term.passes(value)))
    }
}

impl Term {
    fn passes(&self, value: &str) -> bool {
        let value = value.to_lowercase();
        match self.value.strip_suffix('*') {
            _ if self.exact => value == self.value,
            Some(begin) => value.starts_with(begin),
            None => value.contains(&self.value),
        }
    }
}
