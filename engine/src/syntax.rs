//! Errors as the host reads them: a code, a sentence, and a place in the source.

use serde_json::{json, Value as Json};

pub struct Failure {
    pub code: &'static str,
    pub message: String,
    pub location: Option<Json>,
}

impl Failure {
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Failure { code, message: message.into(), location: None }
    }

    pub fn at(code: &'static str, message: impl Into<String>, span: &regorus::unstable::Span) -> Self {
        let caret = format!("{}^", " ".repeat((span.col as usize).saturating_sub(1)));
        Failure {
            code,
            message: message.into(),
            location: Some(json!({
                "file": span.source.file(),
                "line": span.line,
                "column": span.col,
                "text": span.source.line(span.line.saturating_sub(1)),
                "caret": caret,
            })),
        }
    }

    /// Takes apart the engine's own message: a frame with file, line, column, source and caret,
    /// then `error: what`.
    pub fn from_engine(code: &'static str, error: &str) -> Self {
        let Some(start) = error.find("\n--> ") else {
            return Failure::new(code, error.trim());
        };
        let frame = &error[start + 5..];
        let mut lines = frame.lines();
        let head = lines.next().unwrap_or("");
        let mut parts = head.rsplitn(3, ':');
        let column = parts.next().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let line = parts.next().and_then(|text| text.parse::<u32>().ok()).unwrap_or(0);
        let file = parts.next().unwrap_or("");
        let _ruler = lines.next();
        let margin = |text: &str| match text.find("| ") {
            Some(at) => text[at + 2..].to_string(),
            None => String::new(),
        };
        let source = lines.next().map(margin).unwrap_or_default();
        let caret = lines.next().map(margin).unwrap_or_default();
        let message = frame
            .split_once("\nerror: ")
            .map(|(_, rest)| rest.trim())
            .unwrap_or(frame)
            .to_string();
        Failure {
            code,
            message,
            location: Some(json!({
                "file": file, "line": line, "column": column, "text": source, "caret": caret,
            })),
        }
    }

    pub fn to_json(&self) -> String {
        json!({ "error": {
            "code": self.code, "message": self.message, "location": self.location,
        }})
        .to_string()
    }
}

/// What the engine says when rules disagree about one value.
const CONFLICTS: &[&str] = &[
    "multiple outputs",
    "generated multiple times",
    "conflicts with the following rule",
];

/// Sorts the engine's evaluation errors into the few kinds a host acts on.
pub fn evaluation_failure(error: &str) -> Failure {
    let code = if error.contains("recursion detected") {
        "RECURSION"
    } else if error.contains("could not find function") {
        "UNSUPPORTED"
    } else if CONFLICTS.iter().any(|words| error.contains(words)) {
        "CONFLICT"
    } else {
        "EVALUATION"
    };
    Failure::from_engine(code, error)
}
