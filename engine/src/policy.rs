//! Loading and evaluating one policy, or a policy with its tests.

use crate::analysis::Analysis;
use crate::fast::{forget_patterns, keep_patterns, Fast};
use crate::identity::Kyc;
use crate::syntax::{evaluation_failure, Failure};
use regorus::extensions::identity::KycIdentityData;
use regorus::{Engine, Value};
use serde::Deserialize;

#[derive(Deserialize)]
pub struct Request {
    pub modules: Vec<SourceModule>,
    #[serde(default)]
    pub coverage: bool,
}

#[derive(Deserialize)]
pub struct SourceModule {
    pub path: String,
    pub source: String,
}

#[derive(Deserialize)]
struct QueryRequest {
    query: String,
    input: Option<String>,
    data: Option<String>,
}

#[derive(Default)]
pub struct Policy {
    /// Holds the parsed modules and no data. What errs is answered by a copy of it.
    pristine: Option<Engine>,
    /// Answers what does not err.
    fast: Fast,
    /// Lives through all queries, because it gathers coverage.
    covering: Option<Engine>,
    queries: Queries,
    /// For the next decision only.
    identity: Option<KycIdentityData>,
}

#[derive(Default)]
pub struct Queries {
    allow: String,
    deny: String,
    /// Both at once, so that what they share is evaluated once.
    both: Option<String>,
    /// The same in parts: `allow`, then `deny` where there is one. None where a part is no name.
    pub paths: Vec<Vec<String>>,
}

impl Policy {
    pub fn load(&mut self, request: &str) -> String {
        match self.try_load(request) {
            Ok(json) => json,
            Err(failure) => failure.to_json(),
        }
    }

    fn try_load(&mut self, request: &str) -> Result<String, Failure> {
        let request: Request = serde_json::from_str(request)
            .map_err(|error| Failure::new("INVALID_INPUT", error.to_string()))?;
        let mut engine = new_engine()?;
        for module in request.modules {
            engine
                .add_policy(module.path, module.source)
                .map_err(|error| Failure::from_engine("PARSE", &error.to_string()))?;
        }
        let analysis = Analysis::of(engine.get_modules())?;
        // Schedules the statements of every rule: finds unsafe variables before the first decision.
        engine
            .clone()
            .eval_query("true".to_string(), false)
            .map_err(|error| Failure::from_engine("COMPILE", &error.to_string()))?;
        self.queries = Queries::of(&analysis);
        keep_patterns(&analysis.patterns());
        self.fast = Fast::of(&engine, &self.queries, &analysis.calls());
        if request.coverage {
            let mut covering = engine.clone();
            covering.set_enable_coverage(true);
            self.covering = Some(covering);
        }
        self.pristine = Some(engine);
        Ok(analysis.to_json())
    }

    pub fn decide(&mut self, input: &str, data: &str) -> String {
        let answer = self.decided(input, data);
        forget_patterns();
        answer
    }

    fn decided(&mut self, input: &str, data: &str) -> String {
        let identity = self.identity.take();
        let Some(pristine) = &self.pristine else {
            return Failure::new("NOT_LOADED", "no policy is loaded").to_json();
        };
        if identity.is_none() {
            if let Some(values) = self.fast.decide(input, data) {
                return decision(values.first(), values.get(1), None);
            }
        }
        let mut engine = pristine.clone();
        if let Some(identity) = identity {
            // Its functions hold the data they are made with, so they are made for one decision.
            if let Err(error) = engine.with_newton_identity_kyc_extensions(identity, None) {
                return Failure::new("EVALUATION", error.to_string()).to_json();
            }
        }
        if let Err(failure) = set_documents(&mut engine, Some(input), Some(data)) {
            return failure.to_json();
        }
        if let Some(both) = &self.queries.both {
            if let Ok(Some(Value::Array(pair))) = first_value(&mut engine, both) {
                if let [Value::Array(allow), Value::Array(deny)] = pair.as_slice() {
                    return decision(allow.first(), deny.first(), None);
                }
            }
            // An error in one of them must not hide the other: the operators ask for one only.
        }
        let allow = match first_value(&mut engine, &self.queries.allow) {
            Ok(value) => value,
            Err(failure) => return failure.to_json(),
        };
        if self.queries.both.is_none() {
            return decision(allow.as_ref(), None, None);
        }
        match first_value(&mut engine, &self.queries.deny) {
            Ok(deny) => decision(allow.as_ref(), deny.as_ref(), None),
            Err(failure) => decision(allow.as_ref(), None, Some(failure.message)),
        }
    }

    /// Takes the identity data of the next decision.
    pub fn set_identity(&mut self, kyc: &str) -> String {
        match serde_json::from_str::<Kyc>(kyc) {
            Ok(kyc) => {
                self.identity = Some(kyc.into());
                "{}".to_string()
            }
            Err(error) => Failure::new("INVALID_INPUT", format!("identity: {error}")).to_json(),
        }
    }

    pub fn query(&mut self, request: &str) -> String {
        let request: QueryRequest = match serde_json::from_str(request) {
            Ok(request) => request,
            Err(error) => return Failure::new("INVALID_INPUT", error.to_string()).to_json(),
        };
        let mut scratch;
        let engine = match (&mut self.covering, &self.pristine) {
            (Some(covering), _) => {
                covering.clear_data();
                covering
            }
            (None, Some(pristine)) => {
                scratch = pristine.clone();
                &mut scratch
            }
            (None, None) => return Failure::new("NOT_LOADED", "no policy is loaded").to_json(),
        };
        engine.set_gather_prints(true);
        let documents = set_documents(engine, request.input.as_deref(), request.data.as_deref());
        let value = documents.and_then(|()| first_value(engine, &request.query));
        let prints = engine.take_prints().unwrap_or_default();
        forget_patterns();
        match value {
            Err(failure) => failure.to_json(),
            Ok(value) => format!(
                r#"{{"defined":{},"value":{},"prints":{}}}"#,
                value.is_some(),
                value.as_ref().map(text_of).unwrap_or_else(|| "null".to_string()),
                serde_json::to_string(&prints).unwrap_or_else(|_| "[]".to_string()),
            ),
        }
    }

    pub fn coverage(&self) -> String {
        let Some(engine) = &self.covering else {
            return Failure::new("NOT_LOADED", "no policy is loaded with coverage").to_json();
        };
        match engine.get_coverage_report() {
            Ok(report) => serde_json::to_string(&report).unwrap_or_default(),
            Err(error) => Failure::new("EVALUATION", error.to_string()).to_json(),
        }
    }
}

impl Queries {
    fn of(analysis: &Analysis) -> Self {
        let Some(package) = analysis.package_path() else {
            return Queries::default();
        };
        let both = format!("[[x | x := {package}.allow], [x | x := {package}.deny]]");
        let parts = |rule: &str| -> Vec<String> {
            package.split('.').skip(1).chain([rule]).map(str::to_string).collect()
        };
        let mut paths = Vec::new();
        // Brackets hold a part that is no name, which a query spells in its own way.
        if !package.contains('[') {
            paths.push(parts("allow"));
            if analysis.has_rule("deny") {
                paths.push(parts("deny"));
            }
        }
        Queries {
            paths,
            allow: format!("{package}.allow"),
            deny: format!("{package}.deny"),
            both: analysis.has_rule("deny").then_some(both),
        }
    }
}

fn new_engine() -> Result<Engine, Failure> {
    let mut engine = Engine::new();
    engine
        .with_newton_crypto_extensions()
        .map_err(|error| Failure::new("EVALUATION", error.to_string()))?;
    Ok(engine)
}

fn set_documents(
    engine: &mut Engine,
    input: Option<&str>,
    data: Option<&str>,
) -> Result<(), Failure> {
    let read = |name: &str, text: &str| {
        Value::from_json_str(text)
            .map_err(|error| Failure::new("INVALID_INPUT", format!("{name}: {error}")))
    };
    if let Some(data) = data {
        engine
            .add_data(read("data", data)?)
            .map_err(|error| Failure::new("INVALID_INPUT", error.to_string()))?;
    }
    engine.set_input(match input {
        Some(input) => read("input", input)?,
        None => Value::Undefined,
    });
    Ok(())
}

fn first_value(engine: &mut Engine, query: &str) -> Result<Option<Value>, Failure> {
    let results = engine
        .eval_query(query.to_string(), false)
        .map_err(|error| evaluation_failure(&error.to_string()))?;
    let value = results
        .result
        .into_iter()
        .next()
        .and_then(|result| result.expressions.into_iter().last())
        .map(|expression| expression.value);
    Ok(match value {
        Some(Value::Undefined) => None,
        other => other,
    })
}

fn text_of(value: &Value) -> String {
    value.to_json_str().unwrap_or_else(|_| "null".to_string())
}

fn decision(allow: Option<&Value>, deny: Option<&Value>, reasons_error: Option<String>) -> String {
    let reasons: Vec<&str> = match deny {
        Some(Value::Set(set)) => set
            .iter()
            .filter_map(|reason| match reason {
                Value::String(text) => Some(text.as_ref()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let allow = allow.filter(|value| **value != Value::Undefined);
    format!(
        r#"{{"defined":{},"value":{},"reasons":{},"reasonsError":{}}}"#,
        allow.is_some(),
        allow.map(text_of).unwrap_or_else(|| "null".to_string()),
        serde_json::to_string(&reasons).unwrap_or_else(|_| "[]".to_string()),
        serde_json::to_string(&reasons_error).unwrap_or_else(|_| "null".to_string()),
    )
}

/// Names of all builtins, from the engine itself.
pub fn listed_builtins() -> Vec<String> {
    let mut engine = Engine::new();
    match first_value(&mut engine, "opa.runtime().builtins") {
        Ok(Some(Value::Array(names))) => {
            names.iter().filter_map(|name| name.as_string().ok().map(|n| n.to_string())).collect()
        }
        _ => Vec::new(),
    }
}
