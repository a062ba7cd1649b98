//! When two addresses are the same mailbox.

/// The form in which addresses are compared: no blanks around, lower case (R17); at Gmail, where dots do not count and
/// googlemail.com is the same, without dots and under gmail.com.
pub(super) fn canonical(address: &str) -> String {
    let address = address.trim().to_lowercase();
    match address.rsplit_once('@') {
        Some((local, "gmail.com" | "googlemail.com")) => format!("{}@gmail.com", local.replace('.', "")),
        _ => address,
    }
}

/// The domain, lower case; none where the text is no address.
pub(super) fn domain(address: &str) -> Option<String> {
    let (local, domain) = address.trim().rsplit_once('@')?;
    (!local.is_empty() && !domain.is_empty()).then(|| domain.to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r17_case_and_blanks_are_no_difference_and_gmail_ignores_dots() {
        assert_eq!(canonical(" A.b@Example.COM "), "a.b@example.com");
        assert_eq!(canonical("A.b@googlemail.com"), canonical("ab@gmail.com"));
        assert_ne!(canonical("a.b@example.com"), canonical("ab@example.com"));
    }

    #[test]
    fn a_text_without_both_sides_has_no_domain() {
        assert_eq!(domain("a@B.c").as_deref(), Some("b.c"));
        for none in ["", "a", "@b", "a@"] {
            assert_eq!(domain(none), None);
        }
    }
}
