//! The one type of `wasm-bindgen` that `chrono` names on `wasm32-unknown-unknown`.
#![no_std]

/// A JavaScript number, and nothing else.
#[derive(Clone, Copy, Debug)]
pub struct JsValue(f64);

impl JsValue {
    pub fn from_f64(value: f64) -> Self {
        JsValue(value)
    }

    pub fn as_f64(&self) -> Option<f64> {
        Some(self.0)
    }
}
