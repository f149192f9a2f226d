//! The part of `js_sys::Date` that `chrono` calls on `wasm32-unknown-unknown`.
//!
//! The current time is whatever the host has set: an evaluation's clock is the timestamp of its
//! reference block, not the machine's. The local time zone is UTC, the same on every machine.
#![no_std]

use core::sync::atomic::{AtomicI64, Ordering};
use wasm_bindgen::JsValue;

static NOW_MS: AtomicI64 = AtomicI64::new(0);

/// Sets what `Date::new_0` returns, in milliseconds since the epoch.
pub fn set_now_ms(value: i64) {
    NOW_MS.store(value, Ordering::Relaxed);
}

#[derive(Clone, Copy, Debug)]
pub struct Date(f64);

impl Date {
    pub fn new_0() -> Self {
        Date(NOW_MS.load(Ordering::Relaxed) as f64)
    }

    pub fn new(value: &JsValue) -> Self {
        Date(value.as_f64().unwrap_or(0.0))
    }

    pub fn new_with_year_month_day_hr_min_sec(
        _year: u32,
        _month: i32,
        _day: i32,
        _hour: i32,
        _minute: i32,
        _second: i32,
    ) -> Self {
        // Only its time zone offset is asked for, and that is zero at every instant.
        Date(0.0)
    }

    pub fn get_time(&self) -> f64 {
        self.0
    }

    pub fn get_timezone_offset(&self) -> f64 {
        0.0
    }
}
