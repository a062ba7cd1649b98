//! Addresses in the one form in which they are compared and used as keys (R17). Syntax only: whether an address
//! is free, an alias or in a verified domain is the target's to say (R18).

/// Why something is no address that a group could have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing but blanks.
    #[error("the address is empty")]
    Empty,
    /// No `@`, or more than one.
    #[error("`{0}` must have exactly one `@`")]
    At(String),
    /// A blank or control character inside.
    #[error("`{0}` has a blank or a control character in it")]
    Blank(String),
    /// A local part or domain outside ASCII; an international domain must be given in its `xn--` form.
    #[error("`{0}` has characters outside ASCII; give an international domain in its `xn--` form")]
    NotAscii(String),
    /// The part before the `@` is empty, too long or has a character that group addresses cannot have.
    #[error("the part before the `@` of `{0}` is not usable in a group's address")]
    Local(String),
    /// The part after the `@` is no domain name.
    #[error("the part after the `@` of `{0}` is not a domain name")]
    Domain(String),
}

/// The canonical form: without surrounding blanks, in lower case.
///
/// # Errors
/// Why it is no address.
pub fn canonical(address: &str) -> Result<String, AddressError> {
    let address = address.trim();
    if address.is_empty() {
        return Err(AddressError::Empty);
    }
    if address.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(AddressError::Blank(address.escape_debug().to_string()));
    }
    if !address.is_ascii() {
        return Err(AddressError::NotAscii(address.to_owned()));
    }
    let Some((local, domain)) = address.split_once('@') else {
        return Err(AddressError::At(address.to_owned()));
    };
    if domain.contains('@') {
        return Err(AddressError::At(address.to_owned()));
    }
    if !is_local_part(local) {
        return Err(AddressError::Local(address.to_owned()));
    }
    if !is_domain(domain) {
        return Err(AddressError::Domain(address.to_owned()));
    }
    Ok(address.to_ascii_lowercase())
}

/// The domain of an address in canonical form.
pub fn domain(canonical: &str) -> &str {
    canonical.rsplit_once('@').map_or("", |(_, domain)| domain)
}

/// Whether two addresses reach one mailbox: equal in canonical form or, with Gmail, equal but for dots and the
/// `googlemail.com` spelling. What is no address is nobody's mailbox.
pub fn same_mailbox(one: &str, other: &str) -> bool {
    match (canonical(one), canonical(other)) {
        (Ok(one), Ok(other)) => one == other || (is_gmail(&one) && mailbox(&one) == mailbox(&other)),
        _ => false,
    }
}

fn is_gmail(canonical: &str) -> bool {
    matches!(domain(canonical), "gmail.com" | "googlemail.com")
}

fn mailbox(canonical: &str) -> String {
    if !is_gmail(canonical) {
        return canonical.to_owned();
    }
    let local = canonical.split('@').next().unwrap_or_default();
    format!("{}@gmail.com", local.replace('.', ""))
}

/// RFC 5321 dot-string: quoted local parts exist on paper, no directory takes them for a group.
fn is_local_part(local: &str) -> bool {
    !local.is_empty()
        && local.len() <= 64
        && local.split('.').all(|atom| !atom.is_empty())
        && local
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b".!#$%&'*+-/=?^_`{|}~".contains(&byte))
}

fn is_domain(domain: &str) -> bool {
    domain.len() <= 253
        && domain.contains('.')
        && domain.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn r17_case_and_surrounding_blanks_are_no_difference() {
        assert_eq!(canonical("  Sales@Example.COM\n").unwrap(), "sales@example.com");
    }

    #[test]
    fn malformed_addresses_are_refused_with_their_reason() {
        assert_eq!(canonical(" \t"), Err(AddressError::Empty));
        for (address, expected) in [
            ("sales", "exactly one"),
            ("sales@a.example@b.example", "exactly one"),
            ("sales team@example.com", "blank"),
            ("sales\u{0}@example.com", "control"),
            ("sales\u{a0}x@example.com", "blank"),
            ("vertrieb-süd@example.com", "ASCII"),
            ("sales@exämple.com", "ASCII"),
            ("@example.com", "before the `@`"),
            (".sales@example.com", "before the `@`"),
            ("sa..les@example.com", "before the `@`"),
            ("\"sales\"@example.com", "before the `@`"),
            ("sales@", "domain"),
            ("sales@localhost", "domain"),
            ("sales@-a.example", "domain"),
            ("sales@a..example", "domain"),
        ] {
            let message = canonical(address).unwrap_err().to_string();
            assert!(message.contains(expected), "{address:?} gave {message}");
        }
    }

    #[test]
    fn gmail_spellings_are_one_mailbox_and_others_are_not() {
        assert!(same_mailbox("a.b.c@gmail.com", "ABC@googlemail.com"));
        assert!(!same_mailbox("a.bc@example.com", "abc@example.com"));
        assert!(!same_mailbox("abc@gmail.com", "abc@example.com"));
        assert!(!same_mailbox("nothing", "nothing"));
    }

    proptest! {
        #[test]
        fn r17_the_canonical_form_is_its_own_canonical_form(address in "\\PC{0,30}@?[a-zA-Z.@ -]{0,20}") {
            if let Ok(form) = canonical(&address) {
                prop_assert_eq!(canonical(&form).unwrap(), form.clone());
                prop_assert!(same_mailbox(&address, &form));
            }
        }

        #[test]
        fn r17_blanks_and_case_never_matter(local in "[a-z0-9]{1,10}", host in "[a-z]{1,10}", blanks in "[ \t]{0,3}") {
            let address = format!("{local}@{host}.example");
            let dressed = format!("{blanks}{}{blanks}", address.to_uppercase());
            prop_assert_eq!(canonical(&dressed).unwrap(), address);
        }

        #[test]
        fn reading_an_address_never_fails_otherwise_than_by_an_error(address in any::<String>()) {
            let _answer = canonical(&address);
        }
    }
}
