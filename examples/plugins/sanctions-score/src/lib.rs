//! A data plugin that asks a risk service for the sanctions score of one address.
//!
//! Input (`wasmArgs`): `{ "address": "0x…" }`. Public params: `{ "endpoint": "https://…" }`.
//! Secrets: `{ "apiKey": "…" }`. Output: `{ "sanctions": { "address", "score", "listed" } }`.
//!
//! Whatever goes wrong ends in an error, never in an output that says "clean".

use serde_json::{json, Value};

wit_bindgen::generate!({ world: "newton-provider", path: "wit" });

use newton::provider::http::{fetch, HttpRequest};
use newton::provider::secrets;

struct Plugin;

export!(Plugin);

impl Guest for Plugin {
    fn run(input: String) -> Result<String, String> {
        let input: Value = serde_json::from_str(&input).map_err(|e| format!("input: {e}"))?;
        let address = address_of(&input)?;
        let endpoint = input
            .pointer("/_newton/params/endpoint")
            .and_then(Value::as_str)
            .ok_or("params.endpoint is missing")?
            .trim_end_matches('/');
        let key = api_key()?;

        let response = fetch(&HttpRequest {
            url: format!("{endpoint}/v1/addresses/{address}"),
            method: "GET".into(),
            headers: vec![
                ("accept".into(), "application/json".into()),
                ("x-api-key".into(), key),
            ],
            body: None,
        })
        .map_err(|e| format!("risk service: {e}"))?;
        if response.status != 200 {
            return Err(format!("risk service: status {}", response.status));
        }

        let body: Value =
            serde_json::from_slice(&response.body).map_err(|e| format!("risk service: {e}"))?;
        if body.get("address").and_then(Value::as_str).map(str::to_lowercase) != Some(address.clone()) {
            return Err("risk service: the answer is for another address".into());
        }
        let score = body
            .get("score")
            .and_then(Value::as_u64)
            .filter(|score| *score <= 100)
            .ok_or("risk service: no score from 0 to 100")?;
        let listed = body
            .get("listed")
            .and_then(Value::as_bool)
            .ok_or("risk service: no `listed`")?;

        Ok(json!({ "sanctions": { "address": address, "score": score, "listed": listed } }).to_string())
    }
}

fn address_of(input: &Value) -> Result<String, String> {
    let address = input
        .get("address")
        .and_then(Value::as_str)
        .ok_or("address is missing")?
        .to_lowercase();
    let digits = address.strip_prefix("0x").ok_or("address has no 0x")?;
    if digits.len() != 40 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err("address is not 20 bytes of hex".into());
    }
    Ok(address)
}

fn api_key() -> Result<String, String> {
    let secret = secrets::get().map_err(|e| format!("secrets: {e}"))?;
    let secret: Value = serde_json::from_slice(&secret.value).map_err(|_| "secrets: not JSON")?;
    Ok(secret
        .get("apiKey")
        .and_then(Value::as_str)
        .ok_or("secrets: no apiKey")?
        .to_owned())
}
