//! The engine without WebAssembly and without the patch: reads one JSON request per line, writes one
//! answer per line. The oracle of the tests, and the native engine of the benchmark.
//!
//! `{"modules","input","data"}` decides, the same with `"repeat"` measures, `{"schema","value"}`
//! validates, `{"builtins":true}` lists. `"identity"` goes with a decision.

#[allow(dead_code)]
mod analysis;
#[allow(dead_code)]
mod builtins;
mod fast;
mod identity;
mod policy;
mod schema;
mod syntax;

use serde_json::{json, Value as Json};
use std::io::{BufRead, Write};
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::time::Instant;

fn main() {
    // The answer says so; the message would only fill the terminal.
    std::panic::set_hook(Box::new(|_| {}));
    let stdin = std::io::stdin();
    let mut out = std::io::BufWriter::new(std::io::stdout());
    for line in stdin.lock().lines().map_while(Result::ok) {
        let answer = match serde_json::from_str::<Json>(&line) {
            Ok(request) => catch_unwind(AssertUnwindSafe(|| respond(&request)))
                .unwrap_or_else(|_| failure("PANIC", "the engine panicked")),
            Err(error) => failure("INVALID_INPUT", &error.to_string()),
        };
        // The engine indents values; within strings line breaks are escaped.
        let answer = answer.replace('\n', " ");
        if writeln!(out, "{answer}").and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

fn failure(code: &str, message: &str) -> String {
    json!({ "error": { "code": code, "message": message } }).to_string()
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
    match request["repeat"].as_u64() {
        Some(repeat) => measure(&mut policy, (text("input"), text("data")), repeat),
        None => {
            if request["identity"].is_string() {
                let taken = policy.set_identity(text("identity"));
                if taken != "{}" {
                    return taken;
                }
            }
            policy.decide(text("input"), text("data"))
        }
    }
}

/// The median of `repeat` decisions, after as many that are not counted.
fn measure(policy: &mut policy::Policy, (input, data): (&str, &str), repeat: u64) -> String {
    let mut times = Vec::new();
    for round in 0..2 * repeat {
        let start = Instant::now();
        let answer = policy.decide(input, data);
        let time = start.elapsed().as_secs_f64() * 1e6;
        assert!(answer.starts_with("{\"defined\""), "{answer}");
        if round >= repeat {
            times.push(time);
        }
    }
    times.sort_by(f64::total_cmp);
    json!({ "microseconds": times.get(times.len() / 2) }).to_string()
}
