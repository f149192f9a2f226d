//! Decisions that do not err, by an engine that is kept.
//!
//! The crate analyses a policy again for every decision, and parses a query for it. Here the engine
//! is prepared once and asked for the rules themselves; see `newton-regorus.patch`. Whatever errs is
//! left to the crate's own path, whose words and places are the operators'.

#[cfg(feature = "patched")]
use crate::json::read;
use crate::policy::Queries;
use regorus::{Engine, Value};

#[cfg(feature = "patched")]
#[derive(Default)]
pub struct Fast {
    /// Prepared, and never evaluated: an error may leave state behind, so what erred is replaced.
    prepared: Option<Engine>,
    /// Taken out while it evaluates, and put back only after a good end.
    ready: Option<Engine>,
    paths: Vec<Vec<String>>,
}

#[cfg(feature = "patched")]
impl Fast {
    /// Never fails: a policy that cannot be prepared here is left to the crate's path.
    pub fn of(engine: &Engine, queries: &Queries, calls: &[(u32, u32, &str)]) -> Self {
        let mut prepared = engine.clone();
        if queries.paths.is_empty() || prepared.prepare().is_err() {
            return Fast::default();
        }
        prepared.mark_calls(calls);
        let ready = fresh(&prepared);
        Fast { prepared: Some(prepared), ready, paths: queries.paths.clone() }
    }

    /// The values of `allow` and of `deny` where there is one, or none where something errs.
    pub fn decide(&mut self, input: &str, data: &str) -> Option<Vec<Value>> {
        let mut engine = self.ready.take()?;
        let values = evaluate(&mut engine, &self.paths, (input, data));
        self.ready = match values {
            // Nothing of an evaluation outlives its answer.
            Some(_) if engine.forget().is_ok() => Some(engine),
            _ => self.prepared.as_ref().and_then(fresh),
        };
        values
    }
}

/// Compiles the patterns that stand in a policy, in place of those of the last one.
#[cfg(feature = "patched")]
pub fn keep_patterns(patterns: &[&str]) {
    regorus::patterns::restart(crate::fault::live_bytes);
    patterns.iter().copied().for_each(regorus::patterns::keep);
}

/// Drops the patterns of an evaluation and what they searched.
#[cfg(feature = "patched")]
pub fn forget_patterns() {
    regorus::patterns::forget();
}

#[cfg(feature = "patched")]
fn evaluate(
    engine: &mut Engine,
    paths: &[Vec<String>],
    (input, data): (&str, &str),
) -> Option<Vec<Value>> {
    engine.replace_data(read(data)?).ok()?;
    engine.set_input(read(input)?);
    let parts: Vec<Vec<&str>> =
        paths.iter().map(|path| path.iter().map(String::as_str).collect()).collect();
    let paths: Vec<&[&str]> = parts.iter().map(Vec::as_slice).collect();
    engine.eval_paths(&paths).ok()
}

/// A copy with its tables made, so that the first evaluation takes no more steps than the next.
#[cfg(feature = "patched")]
fn fresh(prepared: &Engine) -> Option<Engine> {
    let mut engine = prepared.clone();
    engine.eval_paths(&[]).ok()?;
    engine.forget().ok()?;
    Some(engine)
}

/// Without the patch every decision takes the crate's own path.
#[cfg(not(feature = "patched"))]
#[derive(Default)]
pub struct Fast;

#[cfg(not(feature = "patched"))]
impl Fast {
    pub fn of(_: &Engine, _: &Queries, _: &[(u32, u32, &str)]) -> Self {
        Fast
    }

    pub fn decide(&mut self, _: &str, _: &str) -> Option<Vec<Value>> {
        None
    }
}

#[cfg(not(feature = "patched"))]
pub fn keep_patterns(_: &[&str]) {}

#[cfg(not(feature = "patched"))]
pub fn forget_patterns() {}
