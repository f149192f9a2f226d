//! The operators' schema dialect, by the operators' code.

use crate::syntax::Failure;
use regorus::{Schema, ValidationError, Value};
use serde_json::json;

#[derive(Default)]
pub struct SchemaSlot(Option<Schema>);

impl SchemaSlot {
    pub fn load(&mut self, schema: &str) -> String {
        match Schema::from_json_str(schema) {
            Ok(schema) => {
                self.0 = Some(schema);
                "{}".to_string()
            }
            Err(error) => {
                self.0 = None;
                Failure::new("SCHEMA", error.to_string()).to_json()
            }
        }
    }

    pub fn validate(&self, value: &str) -> String {
        let Some(schema) = &self.0 else {
            return Failure::new("NOT_LOADED", "no schema is loaded").to_json();
        };
        let value = match Value::from_json_str(value) {
            Ok(value) => value,
            Err(error) => return Failure::new("INVALID_INPUT", error.to_string()).to_json(),
        };
        match schema.validate(&value) {
            Ok(()) => r#"{"valid":true}"#.to_string(),
            Err(error) => {
                let (path, inner) = place(&error, String::new());
                json!({ "valid": false, "path": path, "message": inner.to_string() }).to_string()
            }
        }
    }
}

/// JSON Pointer of the innermost refusal, and the refusal.
fn place(error: &ValidationError, path: String) -> (String, &ValidationError) {
    match error {
        ValidationError::PropertyValidationFailed { property, error, .. } => {
            let name = property.replace('~', "~0").replace('/', "~1");
            place(error, format!("{path}/{name}"))
        }
        ValidationError::ArrayItemValidationFailed { index, error, .. } => {
            place(error, format!("{path}/{index}"))
        }
        ValidationError::DiscriminatedSubobjectValidationFailed { error, .. } => place(error, path),
        other => (path, other),
    }
}
