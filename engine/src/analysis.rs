//! What a policy is made of: its package, rules, references, calls and comparisons.
//!
//! The host's linter works on this summary, and what must be refused before anything is evaluated
//! is found here: recursion through functions (which would exhaust the stack), functions nobody
//! has, and builtins whose result is not a function of what is evaluated.

use crate::builtins;
use crate::syntax::Failure;
use regorus::unstable::*;
use serde_json::{json, Map, Value as Json};
use std::collections::{BTreeMap, BTreeSet};


/// One step of a reference: a constant, or something only known when evaluated.
type Path = Vec<Option<String>>;

struct RuleFacts {
    name: String,
    kind: &'static str,
    is_default: bool,
    default_value: Option<Json>,
    span: Span,
    end_line: u32,
    arguments: usize,
    refs: Vec<(Path, Span)>,
    calls: Vec<(String, Span, Vec<Json>)>,
    /// The expression of each call.
    call_places: Vec<u32>,
    comparisons: Vec<Json>,
    constructs: BTreeMap<&'static str, Span>,
    key: Option<Json>,
    bodies: Vec<Json>,
    locals: BTreeSet<String>,
    withs: Vec<(Path, Span)>,
}

struct ModuleFacts {
    file: String,
    package: Vec<String>,
    package_span: Span,
    imports: Vec<(Path, Option<String>, Span)>,
    rules: Vec<RuleFacts>,
}

pub struct Analysis {
    modules: Vec<ModuleFacts>,
    needs_clock: bool,
    needs_seed: bool,
    needs_identity: bool,
    unknown_functions: Vec<Json>,
}

impl Analysis {
    pub fn of(modules: &[Ref<Module>]) -> Result<Self, Failure> {
        let modules = modules.iter().map(|m| ModuleFacts::of(m)).collect::<Result<Vec<_>, _>>()?;
        let mut analysis = Analysis {
            modules,
            needs_clock: false,
            needs_seed: false,
            needs_identity: false,
            unknown_functions: Vec::new(),
        };
        analysis.resolve()?;
        Ok(analysis)
    }

    /// The reference of the first module's package, such as `data.a.b`.
    pub fn package_path(&self) -> Option<String> {
        let module = self.modules.first()?;
        let mut path = "data".to_string();
        for segment in &module.package {
            if is_name(segment) {
                path.push('.');
                path.push_str(segment);
            } else {
                path.push_str(&format!("[{}]", json!(segment)));
            }
        }
        Some(path)
    }

    /// Every call: its module, its expression, and the name that is called.
    pub fn calls(&self) -> Vec<(u32, u32, &str)> {
        let mut found = Vec::new();
        for (module, facts) in self.modules.iter().enumerate() {
            for rule in &facts.rules {
                let calls = rule.calls.iter().zip(&rule.call_places);
                found.extend(calls.map(|((name, ..), place)| (module as u32, *place, name.as_str())));
            }
        }
        found
    }

    /// Regular expressions that stand in the text: as the argument of a call, or as a rule's only value.
    pub fn patterns(&self) -> Vec<&str> {
        let mut patterns = Vec::new();
        for module in &self.modules {
            for (name, _, arguments) in module.rules.iter().flat_map(|rule| &rule.calls) {
                let place = match name.as_str() {
                    "regex.replace" => 1,
                    "regex.template_match" => continue,
                    _ if name.starts_with("regex.") => 0,
                    _ => continue,
                };
                let Some(argument) = arguments.get(place) else { continue };
                if let Some(text) = argument["literal"].as_str() {
                    patterns.push(text);
                } else if let Some([Json::String(named)]) = argument["ref"].as_array().map(Vec::as_slice) {
                    let rules = module.rules.iter().filter(|rule| rule.name == *named);
                    patterns.extend(rules.filter_map(|rule| rule.key.as_ref()?.as_str()));
                }
            }
        }
        patterns
    }

    pub fn has_rule(&self, name: &str) -> bool {
        self.modules
            .first()
            .is_some_and(|module| module.rules.iter().any(|rule| rule.name == name))
    }

    /// Resolves every call, then looks for recursion through functions.
    fn resolve(&mut self) -> Result<(), Failure> {
        let mut functions = BTreeSet::new();
        let mut rules = BTreeSet::new();
        for module in &self.modules {
            for rule in &module.rules {
                let path = format!("{}.{}", module.prefix(), rule.name);
                if rule.kind == "function" {
                    functions.insert(path);
                } else {
                    rules.insert(path);
                }
            }
        }
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut spans: BTreeMap<String, Span> = BTreeMap::new();
        let (mut clock, mut seed, mut identity) = (false, false, false);
        let mut unknown = Vec::new();
        for module in &self.modules {
            for rule in &module.rules {
                let from = format!("{}.{}", module.prefix(), rule.name);
                spans.entry(from.clone()).or_insert_with(|| rule.span.clone());
                let targets = edges.entry(from).or_default();
                for (name, span, _) in &rule.calls {
                    match module.resolve(name, &functions) {
                        Some(path) => {
                            targets.insert(path);
                        }
                        None if builtins::REFUSED.contains(&name.as_str()) => {
                            return Err(Failure::at(
                                "NONDETERMINISTIC",
                                format!("the builtin {name} is not a function of what is evaluated"),
                                span,
                            ));
                        }
                        None if builtins::exists(name) => {
                            clock |= builtins::CLOCK.contains(&name.as_str());
                            seed |= builtins::SEED.contains(&name.as_str());
                            identity |= builtins::IDENTITY.contains(&name.as_str());
                        }
                        // Operators may have it; the policy is fine as long as no call is reached.
                        None => {
                            let mut call = placed(span);
                            call.insert("name".into(), json!(name));
                            unknown.push(Json::Object(call));
                        }
                    }
                }
                for (path, _) in &rule.refs {
                    if let Some(target) = module.resolve_rule(path, rule, &rules) {
                        targets.insert(target);
                    }
                }
            }
        }
        self.needs_clock = clock;
        self.needs_seed = seed;
        self.needs_identity = identity;
        self.unknown_functions = unknown;
        for function in &functions {
            if reaches_itself(function, &edges) {
                let name = function.rsplit('.').next().unwrap_or(function);
                let message = format!("the function {name} calls itself, directly or through others");
                return Err(match spans.get(function) {
                    Some(span) => Failure::at("RECURSION", message, span),
                    None => Failure::new("RECURSION", message),
                });
            }
        }
        Ok(())
    }

    pub fn to_json(&self) -> String {
        json!({
            "packagePath": self.package_path(),
            "needsClock": self.needs_clock,
            "needsSeed": self.needs_seed,
            "needsIdentity": self.needs_identity,
            "unknownFunctions": self.unknown_functions,
            "modules": self.modules.iter().map(ModuleFacts::to_json).collect::<Vec<_>>(),
        })
        .to_string()
    }
}

fn reaches_itself(start: &str, edges: &BTreeMap<String, BTreeSet<String>>) -> bool {
    let mut seen = BTreeSet::new();
    let mut open: Vec<&String> = edges.get(start).into_iter().flatten().collect();
    while let Some(node) = open.pop() {
        if node == start {
            return true;
        }
        if seen.insert(node) {
            open.extend(edges.get(node).into_iter().flatten());
        }
    }
    false
}

impl ModuleFacts {
    fn of(module: &Module) -> Result<Self, Failure> {
        let package = constant_path(&module.package.refr);
        let mut rules = Vec::new();
        for rule in &module.policy {
            rules.push(RuleFacts::of(rule));
        }
        let imports = module
            .imports
            .iter()
            .map(|import| {
                let alias = import.r#as.as_ref().map(|span| span.text().to_string());
                (reference(&import.refr).unwrap_or_default(), alias, import.span.clone())
            })
            .collect();
        Ok(ModuleFacts {
            file: module.package.span.source.file().to_string(),
            package,
            package_span: module.package.refr.span().clone(),
            imports,
            rules,
        })
    }

    fn prefix(&self) -> String {
        let mut path = "data".to_string();
        for segment in &self.package {
            path.push('.');
            path.push_str(segment);
        }
        path
    }

    /// Replaces an imported first name by what it stands for.
    fn expand(&self, first: &str) -> Option<String> {
        self.imports.iter().find_map(|(path, alias, _)| {
            let name = match alias {
                Some(alias) => alias.clone(),
                None => path.last()?.clone()?,
            };
            if name != first {
                return None;
            }
            let known: Option<Vec<String>> = path.iter().cloned().collect();
            Some(known?.join("."))
        })
    }

    fn resolve(&self, name: &str, functions: &BTreeSet<String>) -> Option<String> {
        let local = format!("{}.{name}", self.prefix());
        if functions.contains(&local) {
            return Some(local);
        }
        if functions.contains(name) {
            return Some(name.to_string());
        }
        let (first, rest) = name.split_once('.').unwrap_or((name, ""));
        let expanded = self.expand(first)?;
        let path = if rest.is_empty() { expanded } else { format!("{expanded}.{rest}") };
        functions.contains(&path).then_some(path)
    }

    fn resolve_rule(&self, path: &Path, rule: &RuleFacts, rules: &BTreeSet<String>) -> Option<String> {
        let known: Vec<&str> =
            path.iter().map_while(|segment| segment.as_deref()).collect();
        let first = *known.first()?;
        if first != "data" {
            if rule.locals.contains(first) {
                return None;
            }
            let local = format!("{}.{first}", self.prefix());
            return rules.contains(&local).then_some(local);
        }
        (2..=known.len()).rev().map(|n| known[..n].join(".")).find(|path| rules.contains(path))
    }

    fn to_json(&self) -> Json {
        let imports: Vec<Json> = self
            .imports
            .iter()
            .map(|(path, alias, span)| {
                let mut import = placed(span);
                import.insert("path".into(), json!(path));
                import.insert("alias".into(), json!(alias));
                Json::Object(import)
            })
            .collect();
        let mut module = placed(&self.package_span);
        module.insert("file".into(), json!(self.file));
        module.insert("package".into(), json!(self.package));
        module.insert("imports".into(), json!(imports));
        module.insert(
            "rules".into(),
            json!(self.rules.iter().map(RuleFacts::to_json).collect::<Vec<_>>()),
        );
        Json::Object(module)
    }
}

impl RuleFacts {
    fn new(name: String, kind: &'static str, span: &Span) -> Self {
        RuleFacts {
            name,
            kind,
            is_default: false,
            default_value: None,
            span: span.clone(),
            end_line: span.line + span.text().matches('\n').count() as u32,
            arguments: 0,
            refs: Vec::new(),
            calls: Vec::new(),
            call_places: Vec::new(),
            comparisons: Vec::new(),
            constructs: BTreeMap::new(),
            key: None,
            bodies: Vec::new(),
            locals: BTreeSet::new(),
            withs: Vec::new(),
        }
    }

    fn of(rule: &Rule) -> Self {
        match rule {
            Rule::Default { span, refr, args, value, .. } => {
                let kind = if args.is_empty() { "complete" } else { "function" };
                let mut facts = RuleFacts::new(constant_path(refr).join("."), kind, span);
                facts.is_default = true;
                facts.default_value = literal(value);
                facts.arguments = args.len();
                facts.declare_all(args);
                facts.expr(value);
                facts
            }
            Rule::Spec { span, head, bodies } => {
                let mut facts = RuleFacts::of_head(span, head);
                for (index, body) in bodies.iter().enumerate() {
                    facts.body(index, body);
                }
                facts
            }
        }
    }

    fn of_head(span: &Span, head: &RuleHead) -> Self {
        match head {
            RuleHead::Compr { refr, assign, .. } => {
                let path = reference(refr).unwrap_or_default();
                let kind = if path.iter().any(Option::is_none) { "object" } else { "complete" };
                let mut facts = RuleFacts::new(leading(&path), kind, span);
                facts.indices(refr);
                if let Some(assign) = assign {
                    facts.key = literal(&assign.value);
                    facts.expr(&assign.value);
                }
                facts
            }
            RuleHead::Set { refr, key, .. } => {
                let path = reference(refr).unwrap_or_default();
                let mut facts = RuleFacts::new(leading(&path), "set", span);
                facts.indices(refr);
                if let Some(key) = key {
                    facts.key = literal(key);
                    facts.expr(key);
                }
                facts
            }
            RuleHead::Func { refr, args, assign, .. } => {
                let path = reference(refr).unwrap_or_default();
                let mut facts = RuleFacts::new(leading(&path), "function", span);
                facts.arguments = args.len();
                facts.declare_all(args);
                if let Some(assign) = assign {
                    facts.key = literal(&assign.value);
                    facts.expr(&assign.value);
                }
                facts
            }
        }
    }

    fn body(&mut self, index: usize, body: &RuleBody) {
        if index > 0 {
            self.constructs.entry("else").or_insert_with(|| body.span.clone());
        }
        let before = (self.refs.len(), self.calls.len());
        if let Some(assign) = &body.assign {
            self.expr(&assign.value);
        }
        self.query(&body.query);
        let mut facts = placed(&body.span);
        facts.insert("statements".into(), json!(body.query.stmts.len()));
        facts.insert("always".into(), json!(body.query.stmts.is_empty()));
        facts.insert("value".into(), json!(body.assign.as_ref().and_then(|a| literal(&a.value))));
        facts.insert("refs".into(), json!([before.0, self.refs.len()]));
        facts.insert("calls".into(), json!([before.1, self.calls.len()]));
        facts.insert(
            "conditions".into(),
            json!(body.query.stmts.iter().map(condition).collect::<Vec<_>>()),
        );
        self.bodies.push(Json::Object(facts));
    }

    fn query(&mut self, query: &Query) {
        for statement in &query.stmts {
            match &statement.literal {
                Literal::SomeVars { vars, .. } => {
                    for var in vars {
                        self.locals.insert(var.text().to_string());
                    }
                }
                Literal::SomeIn { span, key, value, collection } => {
                    self.construct("some in", span);
                    key.iter().for_each(|key| self.declare(key));
                    self.declare(value);
                    self.expr(collection);
                }
                Literal::Expr { expr, .. } => self.expr(expr),
                Literal::NotExpr { span, expr } => {
                    self.construct("not", span);
                    if holds_call(expr) {
                        self.construct("not with a call", span);
                    }
                    self.expr(expr);
                }
                Literal::Every { span, key, value, domain, query } => {
                    self.construct("every", span);
                    key.iter().for_each(|key| {
                        self.locals.insert(key.text().to_string());
                    });
                    self.locals.insert(value.text().to_string());
                    self.expr(domain);
                    self.query(query);
                }
            }
            for with in &statement.with_mods {
                self.construct("with", &with.span);
                if let Some(path) = reference(&with.refr) {
                    self.withs.push((path, with.span.clone()));
                }
                // A function may stand in for another: what replaces it counts as called.
                self.expr(&with.r#as);
            }
        }
    }

    fn construct(&mut self, name: &'static str, span: &Span) {
        self.constructs.entry(name).or_insert_with(|| span.clone());
    }

    /// Names bound by a pattern.
    fn declare(&mut self, pattern: &Expr) {
        match pattern {
            Expr::Var { span, .. } => {
                self.locals.insert(span.text().to_string());
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => self.declare_all(items),
            Expr::Object { fields, .. } => {
                fields.iter().for_each(|(_, _, value)| self.declare(value));
            }
            _ => {}
        }
    }

    fn declare_all(&mut self, patterns: &[Ref<Expr>]) {
        patterns.iter().for_each(|pattern| self.declare(pattern));
    }

    /// Expressions inside the brackets of a reference.
    fn indices(&mut self, expr: &Expr) {
        let mut at = expr;
        loop {
            match at {
                Expr::RefDot { refr, .. } => at = refr,
                Expr::RefBrack { refr, index, .. } => {
                    self.expr(index);
                    at = refr;
                }
                Expr::Var { .. } => return,
                other => return self.expr(other),
            }
        }
    }

    fn expr(&mut self, expr: &Expr) {
        match expr {
            Expr::String { .. }
            | Expr::RawString { .. }
            | Expr::Number { .. }
            | Expr::Bool { .. }
            | Expr::Null { .. } => {}
            Expr::Var { span, .. } => {
                self.refs.push((vec![Some(span.text().to_string())], span.clone()));
            }
            Expr::RefDot { span, .. } | Expr::RefBrack { span, .. } => {
                if let Some(path) = reference(expr) {
                    self.refs.push((path, span.clone()));
                }
                self.indices(expr);
            }
            Expr::Array { items, .. } | Expr::Set { items, .. } => {
                items.iter().for_each(|item| self.expr(item));
            }
            Expr::Object { fields, .. } => fields.iter().for_each(|(_, key, value)| {
                self.expr(key);
                self.expr(value);
            }),
            Expr::ArrayCompr { span, term, query, .. } | Expr::SetCompr { span, term, query, .. } => {
                self.construct("comprehension", span);
                self.query(query);
                self.expr(term);
            }
            Expr::ObjectCompr { span, key, value, query, .. } => {
                self.construct("comprehension", span);
                self.query(query);
                self.expr(key);
                self.expr(value);
            }
            Expr::Call { span, fcn, params, eidx, .. } => {
                if let Some(path) = reference(fcn) {
                    let known: Vec<String> = path.into_iter().flatten().collect();
                    self.call_places.push(*eidx);
                    let arguments = params.iter().map(|param| operand(param)).collect();
                    self.calls.push((known.join("."), span.clone(), arguments));
                }
                params.iter().for_each(|param| self.expr(param));
            }
            Expr::UnaryExpr { expr, .. } => self.expr(expr),
            Expr::BinExpr { lhs, rhs, .. } => {
                self.expr(lhs);
                self.expr(rhs);
            }
            Expr::ArithExpr { span, lhs, rhs, .. } => {
                self.construct("arithmetic", span);
                self.expr(lhs);
                self.expr(rhs);
            }
            Expr::BoolExpr { span, op, lhs, rhs, .. } => {
                self.comparisons.push(comparison(span, operator(op), lhs, rhs));
                self.expr(lhs);
                self.expr(rhs);
            }
            Expr::AssignExpr { span, op, lhs, rhs, .. } => {
                if *op == AssignOp::ColEq {
                    self.declare(lhs);
                } else {
                    self.comparisons.push(comparison(span, "=", lhs, rhs));
                    self.expr(lhs);
                }
                self.expr(rhs);
            }
            Expr::Membership { span, key, value, collection, .. } => {
                self.construct("in", span);
                key.iter().for_each(|key| self.expr(key));
                self.expr(value);
                self.expr(collection);
            }
        }
    }

    fn to_json(&self) -> Json {
        let mut rule = placed(&self.span);
        rule.insert("name".into(), json!(self.name));
        rule.insert("kind".into(), json!(self.kind));
        rule.insert("default".into(), json!(self.is_default));
        rule.insert("defaultValue".into(), json!(self.default_value));
        rule.insert("endLine".into(), json!(self.end_line));
        rule.insert("arguments".into(), json!(self.arguments));
        rule.insert("key".into(), json!(self.key));
        rule.insert("bodies".into(), json!(self.bodies));
        rule.insert("locals".into(), json!(self.locals));
        rule.insert("comparisons".into(), json!(self.comparisons));
        let paths = |list: &[(Path, Span)]| -> Vec<Json> {
            list.iter()
                .map(|(path, span)| {
                    let mut entry = placed(span);
                    entry.insert("path".into(), json!(path));
                    Json::Object(entry)
                })
                .collect()
        };
        rule.insert("refs".into(), json!(paths(&self.refs)));
        rule.insert("withs".into(), json!(paths(&self.withs)));
        let calls: Vec<Json> = self
            .calls
            .iter()
            .map(|(name, span, arguments)| {
                let mut call = placed(span);
                call.insert("name".into(), json!(name));
                call.insert("of".into(), json!(arguments));
                Json::Object(call)
            })
            .collect();
        rule.insert("calls".into(), json!(calls));
        let constructs: Vec<Json> = self
            .constructs
            .iter()
            .map(|(name, span)| {
                let mut construct = placed(span);
                construct.insert("name".into(), json!(name));
                Json::Object(construct)
            })
            .collect();
        rule.insert("constructs".into(), json!(constructs));
        Json::Object(rule)
    }
}

fn placed(span: &Span) -> Map<String, Json> {
    let mut map = Map::new();
    map.insert("line".into(), json!(span.line));
    map.insert("column".into(), json!(span.col));
    map
}

fn is_name(text: &str) -> bool {
    let mut characters = text.chars();
    characters.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && characters.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The constant text of a reference's segment.
fn segment(expr: &Expr) -> Option<String> {
    match expr {
        Expr::String { value, .. } | Expr::RawString { value, .. } => {
            value.as_string().ok().map(|text| text.to_string())
        }
        _ => None,
    }
}

/// The path of a reference that starts with a name; `None` where a step is computed.
fn reference(expr: &Expr) -> Option<Path> {
    let mut path = Vec::new();
    let mut at = expr;
    loop {
        match at {
            Expr::RefDot { refr, field, .. } => {
                path.push(Some(field.0.text().to_string()));
                at = refr;
            }
            Expr::RefBrack { refr, index, .. } => {
                path.push(segment(index));
                at = refr;
            }
            Expr::Var { span, .. } => {
                path.push(Some(span.text().to_string()));
                path.reverse();
                return Some(path);
            }
            _ => return None,
        }
    }
}

fn constant_path(expr: &Expr) -> Vec<String> {
    reference(expr).unwrap_or_default().into_iter().map_while(|segment| segment).collect()
}

/// The constant beginning of a rule's name.
fn leading(path: &Path) -> String {
    path.iter().map_while(|segment| segment.clone()).collect::<Vec<_>>().join(".")
}

fn literal(expr: &Expr) -> Option<Json> {
    match expr {
        Expr::String { value, .. }
        | Expr::RawString { value, .. }
        | Expr::Number { value, .. }
        | Expr::Bool { value, .. }
        | Expr::Null { value, .. } => serde_json::to_value(value).ok(),
        _ => None,
    }
}

fn holds_call(expr: &Expr) -> bool {
    match expr {
        Expr::Call { .. } => true,
        Expr::BoolExpr { lhs, rhs, .. }
        | Expr::ArithExpr { lhs, rhs, .. }
        | Expr::BinExpr { lhs, rhs, .. } => holds_call(lhs) || holds_call(rhs),
        Expr::UnaryExpr { expr, .. } => holds_call(expr),
        Expr::Membership { value, collection, .. } => holds_call(value) || holds_call(collection),
        _ => false,
    }
}

fn operator(op: &BoolOp) -> &'static str {
    match op {
        BoolOp::Lt => "<",
        BoolOp::Le => "<=",
        BoolOp::Eq => "==",
        BoolOp::Ge => ">=",
        BoolOp::Gt => ">",
        BoolOp::Ne => "!=",
    }
}

fn operand(expr: &Expr) -> Json {
    if let Some(value) = literal(expr) {
        return json!({ "literal": value });
    }
    match expr {
        Expr::Call { fcn, params, .. } => {
            let name = reference(fcn).unwrap_or_default();
            let name: Vec<String> = name.into_iter().flatten().collect();
            json!({ "call": name.join("."), "of": params.iter().map(|p| operand(p)).collect::<Vec<_>>() })
        }
        Expr::ArithExpr { .. } => json!({ "arithmetic": true }),
        _ => match reference(expr) {
            Some(path) => json!({ "ref": path }),
            None => json!({}),
        },
    }
}

fn comparison(span: &Span, op: &str, lhs: &Expr, rhs: &Expr) -> Json {
    let mut facts = placed(span);
    facts.insert("operator".into(), json!(op));
    facts.insert("left".into(), operand(lhs));
    facts.insert("right".into(), operand(rhs));
    Json::Object(facts)
}

/// One statement of a body, as far as the linter looks at it.
fn condition(statement: &LiteralStmt) -> Json {
    let mut facts = placed(&statement.span);
    let (kind, expr) = match &statement.literal {
        Literal::SomeVars { .. } => ("some", None),
        Literal::SomeIn { .. } => ("some in", None),
        Literal::Every { .. } => ("every", None),
        Literal::NotExpr { expr, .. } => ("not", Some(expr)),
        Literal::Expr { expr, .. } => ("expression", Some(expr)),
    };
    facts.insert("kind".into(), json!(kind));
    if let Some(expr) = expr {
        match expr.as_ref() {
            Expr::AssignExpr { op: AssignOp::ColEq, lhs, rhs, .. } => {
                facts.insert("assigns".into(), operand(lhs));
                facts.insert("operand".into(), operand(rhs));
            }
            Expr::BoolExpr { span, op, lhs, rhs, .. } => {
                facts.insert("comparison".into(), comparison(span, operator(op), lhs, rhs));
            }
            other => {
                facts.insert("operand".into(), operand(other));
            }
        }
    }
    Json::Object(facts)
}
