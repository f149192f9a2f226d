//! The operators' Rego engine and schema validator behind a plain C ABI.
//!
//! One instance of this module holds one policy. Requests and answers are JSON text; the input and
//! the data document of an evaluation cross as they are, so that 64-bit integers survive. The
//! module imports nothing: clock, seed and limits are set by the host before a call.
//!
//! A trap (a limit, a panic, an exhausted stack) leaves the instance unusable. The host reads
//! `engine_fault` and the message, and discards it.

mod analysis;
mod builtins;
#[cfg(target_arch = "wasm32")]
mod compare;
mod fast;
mod fault;
mod identity;
mod json;
mod policy;
#[cfg(target_arch = "wasm32")]
mod pool;
mod schema;
mod syntax;

pub use policy::{listed_builtins, Policy, Request};
pub use schema::SchemaSlot;

use std::cell::RefCell;

thread_local! {
    static POLICY: RefCell<Policy> = RefCell::new(Policy::default());
    static SCHEMA: RefCell<SchemaSlot> = RefCell::new(SchemaSlot::default());
    static RESULT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// # Safety
/// `pointer` and `length` describe bytes the host wrote into memory from `engine_alloc`.
unsafe fn text<'a>(pointer: *const u8, length: usize) -> Result<&'a str, String> {
    if length == 0 {
        return Ok("");
    }
    std::str::from_utf8(std::slice::from_raw_parts(pointer, length))
        .map_err(|error| format!("not valid UTF-8 at byte {}", error.valid_up_to()))
}

fn answer(json: String) {
    RESULT.with(|slot| *slot.borrow_mut() = json);
}

fn answer_input_error(message: String) {
    answer(syntax::Failure::new("INVALID_INPUT", message).to_json());
}

/// Must be called once, first.
#[no_mangle]
pub extern "C" fn engine_init(memory_limit: usize) {
    fault::install(memory_limit);
}

#[no_mangle]
pub extern "C" fn engine_alloc(length: usize) -> *mut u8 {
    let mut bytes = vec![0u8; length].into_boxed_slice();
    let pointer = bytes.as_mut_ptr();
    std::mem::forget(bytes);
    pointer
}

/// # Safety
/// `pointer` and `length` are those of one earlier `engine_alloc`.
#[no_mangle]
pub unsafe extern "C" fn engine_free(pointer: *mut u8, length: usize) {
    drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(pointer, length)));
}

#[no_mangle]
pub extern "C" fn engine_result_pointer() -> *const u8 {
    RESULT.with(|slot| slot.borrow().as_ptr())
}

#[no_mangle]
pub extern "C" fn engine_result_length() -> usize {
    RESULT.with(|slot| slot.borrow().len())
}

/// 0 none, 1 the memory limit, 2 a panic whose message is the result.
#[no_mangle]
pub extern "C" fn engine_fault() -> u32 {
    fault::kind()
}

#[no_mangle]
pub extern "C" fn engine_fault_pointer() -> *const u8 {
    fault::message().as_ptr()
}

#[no_mangle]
pub extern "C" fn engine_fault_length() -> usize {
    fault::message().len()
}

/// Sets the clock of the next evaluations, in milliseconds since the epoch.
#[no_mangle]
pub extern "C" fn engine_set_clock(milliseconds: f64) {
    #[cfg(target_arch = "wasm32")]
    js_sys::set_now_ms(milliseconds as i64);
    #[cfg(not(target_arch = "wasm32"))]
    let _ = milliseconds;
}

/// Sets the seed of the random builtins: 32 bytes.
///
/// # Safety
/// `pointer` is that of 32 bytes the host wrote.
#[no_mangle]
pub unsafe extern "C" fn engine_set_seed(pointer: *const u8) {
    let mut seed = [0u8; 32];
    seed.copy_from_slice(std::slice::from_raw_parts(pointer, 32));
    fault::set_seed(seed);
}

/// Parses modules: `{"modules":[{"path","source"}],"coverage":bool}`. Answers with what is in them.
///
/// # Safety
/// See [`text`].
#[no_mangle]
pub unsafe extern "C" fn engine_load(pointer: *const u8, length: usize) {
    match text(pointer, length) {
        Err(message) => answer_input_error(message),
        Ok(request) => answer(POLICY.with(|policy| policy.borrow_mut().load(request))),
    }
}

/// Sets the identity data of the next decision, as JSON. It is dropped with that decision.
///
/// # Safety
/// See [`text`].
#[no_mangle]
pub unsafe extern "C" fn engine_set_identity(pointer: *const u8, length: usize) {
    match text(pointer, length) {
        Err(message) => answer_input_error(message),
        Ok(kyc) => answer(POLICY.with(|policy| policy.borrow_mut().set_identity(kyc))),
    }
}

/// Evaluates the decision of the loaded policy on an input and a data document.
///
/// # Safety
/// See [`text`].
#[no_mangle]
pub unsafe extern "C" fn engine_decide(
    input: *const u8,
    input_length: usize,
    data: *const u8,
    data_length: usize,
) {
    match (text(input, input_length), text(data, data_length)) {
        (Err(message), _) => answer_input_error(format!("input: {message}")),
        (_, Err(message)) => answer_input_error(format!("data: {message}")),
        (Ok(input), Ok(data)) => answer(POLICY.with(|policy| policy.borrow_mut().decide(input, data))),
    }
}

/// Wipes the answer of the last call and what calls have left on the stack. What they allocated was
/// wiped when it was given back, and the kept engine holds no documents.
#[no_mangle]
pub extern "C" fn engine_forget() {
    RESULT.with(|slot| *slot.borrow_mut() = String::new());
    fault::wipe_stack();
}

/// Evaluates one query: `{"query","input"?,"data"?}`, the two documents as JSON text.
///
/// # Safety
/// See [`text`].
#[no_mangle]
pub unsafe extern "C" fn engine_query(pointer: *const u8, length: usize) {
    match text(pointer, length) {
        Err(message) => answer_input_error(message),
        Ok(request) => answer(POLICY.with(|policy| policy.borrow_mut().query(request))),
    }
}

/// Lines covered and not covered by the queries since the modules were loaded.
#[no_mangle]
pub extern "C" fn engine_coverage() {
    answer(POLICY.with(|policy| policy.borrow().coverage()));
}

/// Parses a schema of the operators' dialect and keeps it.
///
/// # Safety
/// See [`text`].
#[no_mangle]
pub unsafe extern "C" fn engine_schema_load(pointer: *const u8, length: usize) {
    match text(pointer, length) {
        Err(message) => answer_input_error(message),
        Ok(schema) => answer(SCHEMA.with(|slot| slot.borrow_mut().load(schema))),
    }
}

/// Validates a JSON value against the schema that was loaded last.
///
/// # Safety
/// See [`text`].
#[no_mangle]
pub unsafe extern "C" fn engine_schema_validate(pointer: *const u8, length: usize) {
    match text(pointer, length) {
        Err(message) => answer_input_error(message),
        Ok(value) => answer(SCHEMA.with(|slot| slot.borrow().validate(value))),
    }
}
