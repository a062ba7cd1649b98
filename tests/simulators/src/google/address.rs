//! Mail addresses as Google compares and accepts them. Nothing here knows who owns an address.

/// The form under which two spellings of one mailbox are equal: no letter case, and for Gmail no dots and
/// no difference between its two domains.
pub(super) fn key(address: &str) -> String {
    let address = address.trim().to_lowercase();
    match address.rsplit_once('@') {
        Some((local, "gmail.com" | "googlemail.com")) => format!("{}@gmail.com", local.replace('.', "")),
        _ => address,
    }
}

/// The domain in lower case; nothing where the text is no address.
pub(super) fn domain(address: &str) -> Option<String> {
    address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase())
}

/// Whether Google would take this as an address at all: one `@`, a dotted domain, no blanks or controls,
/// a local part of at most 64 characters without dots at its ends or in a row.
pub(super) fn is_wellformed(address: &str) -> bool {
    let Some((local, domain)) = address.split_once('@') else {
        return false;
    };
    let local_ok = !local.is_empty()
        && local.len() <= 64
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-+'&=!#$%*/?^`{|}~".contains(c));
    let domain_ok = domain.contains('.')
        && domain.len() <= 253
        && domain.split('.').all(|label| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        });
    local_ok && domain_ok
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gmail_spellings_are_one_mailbox_and_others_are_not() {
        assert_eq!(key("Jo.Anna@GoogleMail.com"), key("joanna@gmail.com"));
        assert_ne!(key("jo.anna@example.com"), key("joanna@example.com"));
    }

    #[test]
    fn what_is_no_address_is_told_apart() {
        assert!(is_wellformed("o'neil+x@eu.example.com"));
        for bad in [
            "",
            "a",
            "a@",
            "@b.c",
            "a@b",
            "a b@c.de",
            "a..b@c.de",
            "a@b@c.de",
            "a@-b.de",
        ] {
            assert!(!is_wellformed(bad), "{bad}");
        }
    }
}
