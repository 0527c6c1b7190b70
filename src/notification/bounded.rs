//! A list of a hostile sender's.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, SeqAccess, Visitor};

/// Items that are kept of one list.
const MOST_ITEMS: usize = 1_000;

/// A list of which the first items are kept and the others are only counted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bounded<T> {
    pub(super) items: Vec<T>,
    pub(super) left_out: usize,
}

impl<T> Default for Bounded<T> {
    fn default() -> Self {
        Self { items: Vec::new(), left_out: 0 }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Items(PhantomData))
    }
}

struct Items<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<T> {
    type Value = Bounded<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Bounded<T>, A::Error> {
        let mut kept = Bounded::default();
        while kept.items.len() < MOST_ITEMS {
            let Some(item) = list.next_element()? else { return Ok(kept) };
            kept.items.push(item);
        }
        while list.next_element::<IgnoredAny>()?.is_some() {
            kept.left_out += 1;
        }
        Ok(kept)
    }
}
