//! Texts kept once, each under a number of four bytes: IDs and addresses come again and again in the lists of members of
//! a large directory, and a component's memory is small. Holds texts and nothing else; what they mean is their owner's.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::num::NonZeroU32;

use hashbrown::HashTable;

/// The number of a text. Means something only to the [`Names`] that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(NonZeroU32);

/// Texts by number and numbers by text.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// All texts, one after the other: an allocation for each would cost as much as the text itself.
    texts: String,
    /// Where each ends.
    ends: Vec<usize>,
    table: HashTable<Name>,
}

/// So much is allocated at once at least.
const STEP: usize = 64 << 10;

impl Names {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of a text, which is kept from now on.
    pub fn keep(&mut self, text: &str) -> Name {
        let hash = hash(text);
        let (texts, ends) = (&mut self.texts, &mut self.ends);
        if let Some(name) = self.table.find(hash, |name| text_of(texts, ends, *name) == text) {
            return *name;
        }
        if texts.capacity() - texts.len() < text.len() {
            // A quarter more, where a string by itself would double.
            texts.reserve_exact(text.len().max(STEP).max(texts.len() / 4));
        }
        texts.push_str(text);
        ends.push(texts.len());
        // More texts than numbers would need more memory than there is.
        let name = Name(
            u32::try_from(ends.len())
                .ok()
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MAX),
        );
        self.table
            .insert_unique(hash, name, |name| self::hash(text_of(texts, ends, *name)));
        name
    }

    /// The number of a text, if it was kept.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.table
            .find(hash(text), |name| text_of(&self.texts, &self.ends, *name) == text)
            .copied()
    }

    /// The text under a number.
    pub fn text(&self, name: Name) -> &str {
        text_of(&self.texts, &self.ends, name)
    }

    /// How many texts there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text under a number, as one's own.
    pub fn owned(&self, name: Name) -> String {
        self.text(name).to_owned()
    }
}

fn text_of<'a>(texts: &'a str, ends: &[usize], name: Name) -> &'a str {
    let last = name.0.get() as usize - 1;
    let start = last
        .checked_sub(1)
        .and_then(|before| ends.get(before))
        .copied()
        .unwrap_or_default();
    let end = ends.get(last).copied().unwrap_or_default();
    texts.get(start..end).unwrap_or_default()
}

fn hash(text: &str) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn each_text_has_one_number_and_comes_back(texts in prop::collection::vec(".{0,4}", 0..300)) {
            let mut names = Names::new();
            let kept: Vec<Name> = texts.iter().map(|text| names.keep(text)).collect();
            for ((text, name), again) in texts.iter().zip(&kept).zip(&texts) {
                prop_assert_eq!(names.text(*name), text);
                prop_assert_eq!(names.find(again), Some(*name));
                prop_assert_eq!(names.keep(text), *name);
            }
            for (one, first) in texts.iter().zip(&kept) {
                for (other, second) in texts.iter().zip(&kept) {
                    prop_assert_eq!(one == other, first == second);
                }
            }
        }
    }

    #[test]
    fn what_was_not_kept_is_not_found() {
        let mut names = Names::new();
        names.keep("a");
        assert_eq!(names.find("b"), None);
        assert_eq!(names.find(""), None);
        let empty = names.keep("");
        assert_eq!(names.text(empty), "");
    }
}
