//! Numbers in words, for every sentence that a person reads: `1 group`, `2 groups`, `1,200 groups`. What may not enter:
//! what is counted.

/// A number with what it counts: `1 group`, `2 groups`.
pub fn count(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", grouped(number), fitting(number, one, many))
}

/// The word that fits a number: `1 group is`, `2 groups are`.
pub fn fitting<'a>(number: u64, one: &'a str, many: &'a str) -> &'a str {
    if number == 1 { one } else { many }
}

/// A number with its thousands apart.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(count(1, "group", "groups"), "1 group");
    }

    #[test]
    fn words_fit_their_number() {
        assert_eq!(count(0, "person", "people"), "0 people");
        assert_eq!(count(1, "person", "people"), "1 person");
        assert_eq!(count(1_200, "person", "people"), "1,200 people");
        assert_eq!(fitting(1, "is", "are"), "is");
        assert_eq!(fitting(0, "is", "are"), "are");
    }
}
