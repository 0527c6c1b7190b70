//! Settings that may be written in more than one shape: one text or a list, a text or a map, `true` or a map.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Location, Spanned};

/// One text, or a list of them; those of a list know their places.
#[derive(Debug, Default)]
pub(super) struct Texts(pub(super) Vec<Text>);

/// A text, and where it stands in a list.
#[derive(Debug)]
pub(super) struct Text {
    pub(super) text: String,
    pub(super) at: Option<Location>,
}

/// One duration, or one for each kind of update.
#[derive(Debug)]
pub(super) enum RawCooldown {
    All(String),
    ByKind(BTreeMap<String, String>),
}

/// A name, or `false` for none.
#[derive(Debug)]
pub(super) enum RawGroup {
    None,
    Named(String),
}

/// `true`, `false`, or how.
#[derive(Debug)]
pub(super) enum RawAutomerge {
    Switch(bool),
    How(AutomergeMap),
}

/// How pull requests are merged.
#[derive(Debug, Default, serde::Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AutomergeMap {
    /// Whether a repository that checks nothing is good enough: `required` (the default) or `none-required`.
    pub(super) checks: Option<String>,
    /// `squash`, `merge` or `rebase`; without it the first of these that the repository allows.
    pub(super) method: Option<String>,
    /// Whether a check that failed may run once more.
    pub(super) rerun: bool,
}

macro_rules! scalar {
    ($($visit:ident: $type:ty),*) => {
        $(fn $visit<E: de::Error>(self, value: $type) -> Result<Self::Value, E> {
            self.visit_str(&value.to_string())
        })*
    };
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Texts, E> {
        Ok(Texts(vec![Text { text: text.to_owned(), at: None }]))
    }

    scalar!(visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_bool: bool);

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Texts, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = list.next_element::<Spanned<String>>()? {
            texts.push(Text { text: text.value, at: Some(text.referenced) });
        }
        Ok(Texts(texts))
    }
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct CooldownVisitor;

impl<'de> Visitor<'de> for CooldownVisitor {
    type Value = RawCooldown;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 3d, or one for each kind of update")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawCooldown, E> {
        Ok(RawCooldown::All(text.to_owned()))
    }

    scalar!(visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_bool: bool);

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawCooldown, A::Error> {
        let mut kinds = BTreeMap::new();
        while let Some((kind, duration)) = map.next_entry::<String, String>()? {
            kinds.insert(kind, duration);
        }
        Ok(RawCooldown::ByKind(kinds))
    }
}

impl<'de> Deserialize<'de> for RawCooldown {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CooldownVisitor)
    }
}

struct GroupVisitor;

impl Visitor<'_> for GroupVisitor {
    type Value = RawGroup;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the group's name, or false")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RawGroup, E> {
        Ok(RawGroup::Named(text.to_owned()))
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<RawGroup, E> {
        if on { Err(E::custom("expected the group's name, or false")) } else { Ok(RawGroup::None) }
    }

    scalar!(visit_i64: i64, visit_u64: u64, visit_f64: f64);
}

impl<'de> Deserialize<'de> for RawGroup {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(GroupVisitor)
    }
}

struct AutomergeVisitor;

impl<'de> Visitor<'de> for AutomergeVisitor {
    type Value = RawAutomerge;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or settings such as `method: squash`")
    }

    fn visit_bool<E: de::Error>(self, on: bool) -> Result<RawAutomerge, E> {
        Ok(RawAutomerge::Switch(on))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<RawAutomerge, A::Error> {
        AutomergeMap::deserialize(de::value::MapAccessDeserializer::new(map)).map(RawAutomerge::How)
    }
}

impl<'de> Deserialize<'de> for RawAutomerge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AutomergeVisitor)
    }
}

macro_rules! schema {
    ($type:ty, $name:literal, $generator:ident => $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema($generator: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

schema!(Texts, "Texts", _generator => json_schema!({
    "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
}));
schema!(RawCooldown, "Cooldown", _generator => json_schema!({
    "anyOf": [{ "type": "string" }, { "type": "object", "additionalProperties": { "type": "string" } }]
}));
schema!(RawGroup, "Group", _generator => json_schema!({ "anyOf": [{ "type": "string" }, { "const": false }] }));
schema!(RawAutomerge, "Automerge", generator => {
    let how = generator.subschema_for::<AutomergeMap>();
    json_schema!({ "anyOf": [{ "type": "boolean" }, how] })
});
