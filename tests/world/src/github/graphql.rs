//! GitHub's published GraphQL schema: what a document must look like.

use std::io::Read;
use std::sync::OnceLock;

use apollo_compiler::validation::Valid;
use apollo_compiler::{ExecutableDocument, Schema};
use serde_json::Value;

const FILE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/github/schema.graphql.gz"));

fn schema() -> &'static Valid<Schema> {
    static SCHEMA: OnceLock<Valid<Schema>> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let mut text = String::new();
        flate2::read::GzDecoder::new(FILE).read_to_string(&mut text).expect("the fixture is whole");
        // GitHub's own publication defines a field or two twice; all else is there.
        let schema = Schema::parse(text, "schema.graphql").unwrap_or_else(|wrong| wrong.partial);
        assert!(schema.types.len() > 1000, "the fixture is GitHub's schema");
        Valid::assume_valid(schema)
    })
}

/// What is wrong with a document and its variables; nothing where GitHub would take them.
pub fn problems(document: &str, variables: &Value) -> Vec<String> {
    let valid = match ExecutableDocument::parse_and_validate(schema(), document, "document.graphql") {
        Ok(valid) => valid,
        Err(errors) => return vec![format!("GraphQL: {}", errors.errors)],
    };
    let declared = valid.operations.iter().flat_map(|operation| operation.variables.iter());
    let missing = declared.filter(|variable| variable.ty.is_non_null() && variables[variable.name.as_str()].is_null());
    missing.map(|variable| format!("GraphQL: the variable ${} is not given", variable.name)).collect()
}
