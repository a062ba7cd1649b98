//! What is wrong with a form, field by field, so that each is told where it stands and what was entered stays. What may
//! not enter: what is right, which the service says.

use std::fmt;

use askama::filters::HtmlSafe;

use super::page::{Notice, sentence};
use super::words::{Tone, count, escaped, fitting};
use crate::service::{Invalid, ServiceError};

/// What is wrong, in the order in which it was found: a field's name, and what to do about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults {
    fields: Vec<(String, String)>,
    /// What is wrong with no field of the form.
    others: Vec<String>,
}

impl Faults {
    /// Adds one.
    pub fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.fields.push((field.into(), sentence(&message.into())));
    }

    /// Puts them in the order of the form's fields, so that the first of them is the first of the form.
    #[must_use]
    pub fn in_order_of(mut self, fields: &[String]) -> Self {
        let place = |field: &String| {
            fields
                .iter()
                .position(|known| known == field)
                .unwrap_or(usize::MAX)
        };
        self.fields.sort_by_key(|(field, _)| place(field));
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty() && self.others.is_empty()
    }

    /// What the service found wrong: each with its field, as `field_of` finds it for a place. Another error is given
    /// back: it is none of the form's.
    ///
    /// # Errors
    /// Everything but [`ServiceError::Invalid`].
    pub fn of(error: ServiceError, field_of: impl Fn(&str) -> Option<String>) -> Result<Self, ServiceError> {
        let ServiceError::Invalid { problems } = error else {
            return Err(error);
        };
        let mut faults = Self::default();
        for Invalid { place, message, help } in problems {
            let told = help.map_or_else(|| message.clone(), |help| format!("{message}; {help}"));
            match field_of(&place) {
                Some(field) => faults.add(field, told),
                None if place.is_empty() => faults.others.push(sentence(&told)),
                None => faults.others.push(sentence(&format!("{place}: {told}"))),
            }
        }
        Ok(faults)
    }

    /// What the page says before all else; none where nothing is wrong.
    pub fn notice(&self) -> Option<Notice> {
        if self.is_empty() {
            return None;
        }
        let mut lines = self.others.clone();
        if !self.fields.is_empty() {
            let mut named: Vec<&str> = self.fields.iter().map(|(field, _)| field.as_str()).collect();
            named.dedup();
            lines.push(format!(
                "Nothing was kept. {} below {} what to do.",
                count(named.len() as u64, "field", "fields"),
                fitting(named.len() as u64, "says", "say")
            ));
        }
        Some(Notice {
            tone: Tone::Bad,
            title: "Something is not right yet".to_owned(),
            lines,
        })
    }

    /// What a field's element says of itself: that it is wrong, and where it is told what it is for (`help`, the ID of a
    /// text; may be empty) and what is wrong. The first of a form gets the focus.
    pub fn marks(&self, field: impl AsRef<str>, help: &str) -> Marks {
        let field = field.as_ref();
        let place = self.fields.iter().position(|(known, _)| known == field);
        let mut described: Vec<String> = Vec::new();
        described.extend(Some(help.to_owned()).filter(|help| !help.is_empty()));
        described.extend(place.map(|_| format!("{field}-fault")));
        Marks {
            described: described.join(" "),
            wrong: place.is_some(),
            first: place == Some(0),
        }
    }

    /// What is wrong with a field, to stand below it; nothing where nothing is.
    pub fn told(&self, field: impl AsRef<str>) -> Told {
        let field = field.as_ref();
        let messages = self.fields.iter().filter(|(known, _)| known == field);
        let messages: Vec<&str> = messages.map(|(_, message)| message.as_str()).collect();
        Told {
            field: field.to_owned(),
            text: messages.join(" "),
        }
    }
}

/// Attributes of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    described: String,
    wrong: bool,
    first: bool,
}

impl HtmlSafe for Marks {}

impl fmt::Display for Marks {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wrong {
            formatter.write_str(" aria-invalid=\"true\"")?;
        }
        if self.first {
            formatter.write_str(" autofocus")?;
        }
        if !self.described.is_empty() {
            write!(formatter, " aria-describedby=\"{}\"", escaped(&self.described))?;
        }
        Ok(())
    }
}

/// A paragraph with what is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    field: String,
    text: String,
}

impl HtmlSafe for Told {}

impl fmt::Display for Told {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.text.is_empty() {
            return Ok(());
        }
        write!(
            formatter,
            "<p class=\"error\" id=\"{}-fault\">{}</p>",
            escaped(&self.field),
            escaped(&self.text)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(place: &str, message: &str, help: Option<&str>) -> Invalid {
        Invalid {
            place: place.to_owned(),
            message: message.to_owned(),
            help: help.map(str::to_owned),
        }
    }

    #[test]
    fn each_fault_stands_at_its_field_and_the_rest_above() {
        let problems = vec![
            problem(
                "google.schedule.cron",
                "this is <no> pattern",
                Some("write five parts"),
            ),
            problem("jumpcloud.api_key", "there is none", None),
        ];
        let field = |place: &str| place.strip_prefix("google.schedule.").map(str::to_owned);
        let faults = Faults::of(ServiceError::Invalid { problems }, field).unwrap();
        assert_eq!(
            faults.told("cron").to_string(),
            "<p class=\"error\" id=\"cron-fault\">This is &#60;no&#62; pattern; write five parts.</p>"
        );
        assert_eq!(
            faults.marks("cron", "cron-help").to_string(),
            " aria-invalid=\"true\" autofocus aria-describedby=\"cron-help cron-fault\""
        );
        assert_eq!(faults.told("timezone").to_string(), "");
        assert_eq!(faults.marks("timezone", "").to_string(), "");
        let notice = faults.notice().unwrap();
        assert_eq!(
            notice.lines,
            [
                "Jumpcloud.api_key: there is none.",
                "Nothing was kept. 1 field below says what to do."
            ]
        );
        assert_eq!(Faults::default().notice(), None);
    }

    #[test]
    fn the_first_of_the_form_gets_the_focus() {
        let mut faults = Faults::default();
        faults.add("last", "this is wrong");
        faults.add("first", "this is wrong too");
        let faults = faults.in_order_of(&["first".to_owned(), "last".to_owned()]);
        assert!(faults.marks("first", "").to_string().contains("autofocus"));
        assert!(!faults.marks("last", "").to_string().contains("autofocus"));
    }

    #[test]
    fn what_is_none_of_the_forms_is_given_back() {
        let conflict = ServiceError::Conflict {
            message: "changed meanwhile".to_owned(),
            current: None,
        };
        assert!(matches!(
            Faults::of(conflict, |_| None),
            Err(ServiceError::Conflict { .. })
        ));
    }
}
