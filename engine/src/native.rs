//! The engine without WebAssembly: reads one JSON request per line, writes one answer per line.
//!
//! `{"modules","input","data"}` decides, `{"schema","value"}` validates, `{"builtins":true}` lists.

#[allow(dead_code)]
mod analysis;
#[allow(dead_code)]
mod builtins;
mod policy;
mod schema;
mod syntax;

use serde_json::{json, Value as Json};
use std::io::{BufRead, Write};

fn main() {
    let stdin = std::io::stdin();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    for line in stdin.lock().lines().map_while(Result::ok) {
        let answer = match serde_json::from_str::<Json>(&line) {
            Ok(request) => respond(&request),
            Err(error) => json!({ "error": { "code": "INVALID_INPUT", "message": error.to_string() } })
                .to_string(),
        };
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn respond(request: &Json) -> String {
    let text = |name: &str| request[name].as_str().unwrap_or("");
    if request["builtins"].is_boolean() {
        return json!({
            "engine": policy::listed_builtins(), "known": builtins::NAMES,
        })
        .to_string();
    }
    if request["schema"].is_string() {
        let mut slot = schema::SchemaSlot::default();
        let loaded = slot.load(text("schema"));
        return if loaded == "{}" { slot.validate(text("value")) } else { loaded };
    }
    let mut policy = policy::Policy::default();
    let loaded = policy.load(&request.to_string());
    if loaded.starts_with("{\"error\"") {
        return loaded;
    }
    policy.decide(text("input"), text("data"))
}
