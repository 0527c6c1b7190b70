//! GitHub's published description of its interface: what a request and an answer must look like.
//!
//! `scripts/refresh-github-fixtures` makes the fixture: the operations in use, as plain JSON Schema.

use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value};

const FILE: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/github/openapi.json.gz"));
/// How many findings of one body are told.
const TOLD: usize = 5;

/// Checks exchanges against the description; each schema is compiled once, when it is first met.
pub struct Checker {
    operations: Vec<Operation>,
    schemas: Map<String, Value>,
    compiled: Mutex<HashMap<String, Arc<Validator>>>,
}

struct Operation {
    method: String,
    path: Vec<String>,
    request: Value,
    responses: Map<String, Value>,
}

impl Checker {
    /// The checker that all worlds of this process share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Checker> = OnceLock::new();
        SHARED.get_or_init(Self::read)
    }

    fn read() -> Self {
        let mut text = String::new();
        flate2::read::GzDecoder::new(FILE).read_to_string(&mut text).expect("the fixture is whole");
        let Value::Object(mut all) = serde_json::from_str(&text).expect("the fixture is JSON") else {
            panic!("the fixture is an object");
        };
        let (Some(Value::Object(operations)), Some(Value::Object(schemas))) =
            (all.remove("operations"), all.remove("schemas"))
        else {
            panic!("the fixture has operations and schemas");
        };
        let mut operations: Vec<Operation> =
            operations.into_iter().map(|(name, body)| operation(&name, body)).collect();
        // The most literal template is asked first.
        operations.sort_by_key(|one| {
            let parameters = one.path.iter().filter(|part| part.starts_with('{')).count();
            (parameters, std::cmp::Reverse(one.path.len()))
        });
        Self { operations, schemas, compiled: Mutex::default() }
    }

    /// What is wrong with a request.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Vec<String> {
        let Some(operation) = self.find(method, path) else { return vec![format!("{method} {path}: not described")] };
        match (body, &operation.request) {
            (None, _) | (_, Value::Null) => Vec::new(),
            (Some(body), schema) => self.validate(&format!("request {}", operation.name()), schema, body),
        }
    }

    /// What is wrong with an answer.
    pub fn response(&self, method: &str, path: &str, status: u16, body: Option<&Value>) -> Vec<String> {
        let Some(operation) = self.find(method, path) else { return Vec::new() };
        // Every operation may be refused or fail; the description does not repeat that everywhere.
        let general = matches!(status, 401 | 403 | 404 | 429) || status >= 500;
        match operation.responses.get(&status.to_string()) {
            None if general => Vec::new(),
            None => vec![format!("{}: the status {status} is not described", operation.name())],
            Some(Value::Null) => Vec::new(),
            Some(schema) => {
                let name = format!("answer {status} to {}", operation.name());
                body.map_or_else(Vec::new, |body| self.validate(&name, schema, body))
            }
        }
    }

    fn find(&self, method: &str, path: &str) -> Option<&Operation> {
        let path = path.split('?').next().unwrap_or(path).trim_start_matches("/api/v3");
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        self.operations.iter().find(|one| one.method == method && fits(&one.path, &parts))
    }

    fn validate(&self, name: &str, schema: &Value, body: &Value) -> Vec<String> {
        let validator = self.compiled(name, schema);
        let errors = validator.iter_errors(body).take(TOLD);
        errors.map(|error| format!("{name}: {} at {}", shortened(&error.to_string()), error.instance_path())).collect()
    }

    fn compiled(&self, name: &str, schema: &Value) -> Arc<Validator> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let made = compiled.entry(name.to_owned()).or_insert_with(|| Arc::new(self.compile(schema)));
        Arc::clone(made)
    }

    /// The schema with the named ones that it needs.
    fn compile(&self, schema: &Value) -> Validator {
        let (mut needed, mut waiting) = (Map::new(), references(schema));
        while let Some(name) = waiting.pop_first() {
            if let Some(named) = self.schemas.get(&name)
                && !needed.contains_key(&name)
            {
                waiting.extend(references(named));
                needed.insert(name, named.clone());
            }
        }
        let root = serde_json::json!({ "schemas": needed, "allOf": [schema] });
        jsonschema::options().with_draft(Draft::Draft4).build(&root).expect("the fixture's schemas are valid")
    }
}

impl Operation {
    fn name(&self) -> String {
        format!("{} /{}", self.method, self.path.join("/"))
    }
}

fn operation(name: &str, body: Value) -> Operation {
    let (method, path) = name.split_once(' ').expect("a method and a path");
    let Value::Object(mut body) = body else { panic!("{name} is an object") };
    let responses = match body.remove("responses") {
        Some(Value::Object(responses)) => responses,
        _ => Map::new(),
    };
    Operation {
        method: method.to_owned(),
        path: path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect(),
        request: body.remove("request").unwrap_or(Value::Null),
        responses,
    }
}

/// The last parameter of some paths (`{ref}`, `{path}` …) may hold slashes.
fn fits(template: &[String], parts: &[&str]) -> bool {
    let greedy = |part: &str| matches!(part, "{ref}" | "{path}" | "{branch}" | "{basehead}");
    let longer = template.last().is_some_and(|last| greedy(last)) && parts.len() >= template.len();
    (parts.len() == template.len() || longer)
        && template.iter().zip(parts).all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
}

fn references(schema: &Value) -> BTreeSet<String> {
    match schema {
        Value::Object(map) => {
            let own = map.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix("#/schemas/"));
            own.map(str::to_owned).into_iter().chain(map.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => BTreeSet::new(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(300).collect()
}
