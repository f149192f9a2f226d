//! Reads lines `{"signature":"…","data":"0x…"}`, prints what operators see of each.
use alloy_dyn_abi::{DynSolValue, JsonAbiExt};
use alloy_json_abi::Function;
use alloy_primitives::hex;
use serde_json::{json, Value};
use std::io::BufRead;

fn decode(signature: &str, data: &[u8]) -> Result<Value, String> {
    let function = Function::parse(signature).map_err(|e| e.to_string())?;
    if data.len() < 4 || data[..4] != function.selector() {
        return Err("selector".into());
    }
    let values = function.abi_decode_input(&data[4..]).map_err(|e| e.to_string())?;
    Ok(json!({
        "function": serde_json::to_value(&function).unwrap(),
        "decoded_function_signature": function.full_signature(),
        "decoded_function_arguments": values.iter().map(text).collect::<Vec<_>>(),
    }))
}

fn text(value: &DynSolValue) -> Value {
    match value {
        DynSolValue::Bool(b) => json!(b),
        DynSolValue::Int(i, _) => json!(i.to_string()),
        DynSolValue::Uint(u, _) => json!(u.to_string()),
        DynSolValue::FixedBytes(word, _) => {
            let end = word.iter().rposition(|b| *b != 0).map_or(0, |at| at + 1);
            json!(format!("0x{}", hex::encode(&word[..end])))
        }
        DynSolValue::Address(a) => json!(a.to_string().to_lowercase()),
        DynSolValue::Function(f) => json!(format!("0x{}", hex::encode(f.0))),
        DynSolValue::Bytes(b) => json!(format!("0x{}", hex::encode(b))),
        DynSolValue::String(s) => json!(s),
        DynSolValue::Array(a) | DynSolValue::FixedArray(a) | DynSolValue::Tuple(a) => {
            Value::Array(a.iter().map(text).collect())
        }
    }
}

fn main() {
    for line in std::io::stdin().lock().lines() {
        let case: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let signature = case["signature"].as_str().unwrap();
        let data = hex::decode(case["data"].as_str().unwrap()).unwrap();
        println!("{}", match decode(signature, &data) {
            Ok(decoded) => json!({ "signature": signature, "data": case["data"], "decoded": decoded }),
            Err(reason) => json!({ "signature": signature, "data": case["data"], "decoded": null, "reason": reason }),
        });
    }
}
