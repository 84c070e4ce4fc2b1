//! Shape against a JSON schema: every problem at its place, in words for the author.

use jsonschema::error::ValidationErrorKind as Kind;
use jsonschema::{ValidationError, Validator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Tree;
use super::shape::{
    boolean, escape, fits, home_of, is_secret, keys, kind_of, misspelt, repeated, required_alternatives,
    types,
};
use super::wording::{as_yaml, list, name, one_line, sentence, shown, some_of, type_name, value_name};
use crate::diag::{Code, Diagnostic, Sink, Suggestion};

/// Most keys or values listed in a help line.
const LISTED_MAX: usize = 18;

/// Most problems of shape looked for in one file: ten screens. A file with more was not written by hand.
const PROBLEMS_MAX: usize = 200;

/// A schema, ready to check documents against.
#[derive(Debug)]
pub struct Checker {
    schema: Value,
    validator: Validator,
}

impl Checker {
    /// Compiles a schema (draft 7).
    ///
    /// # Panics
    ///
    /// If it is not a valid schema: schemas are our own, and a test compiles each.
    #[must_use]
    pub fn new(mut schema: Value) -> Self {
        super::schema::compact(&mut schema);
        let validator = jsonschema::draft7::new(&schema).expect("our own schema is valid");
        Self { schema, validator }
    }

    /// The schema.
    pub(super) const fn schema(&self) -> &Value {
        &self.schema
    }

    /// Reports every problem of shape. Returns whether there was none.
    pub fn check(&self, tree: &Tree, sink: &mut Sink) -> bool {
        let before = sink.errors();
        let pass = Pass { checker: self, tree };
        let mut found = Vec::new();
        for error in self.validator.iter_errors(tree.value()).take(PROBLEMS_MAX) {
            pass.explain(&error, &mut found);
        }
        for diagnostic in found {
            sink.push(diagnostic);
        }
        sink.errors() == before
    }

    /// Checks a document and, if its shape is right, decodes it. Top-level `x-` keys are left out.
    pub fn decode<T: DeserializeOwned>(&self, tree: &Tree, sink: &mut Sink) -> Option<T> {
        if !self.check(tree, sink) {
            return None;
        }
        let mut value = tree.value().clone();
        if let Value::Object(map) = &mut value {
            map.retain(|key, _| !key.starts_with("x-"));
        }
        // A shape the schema accepts decodes; if not, the author still gets a place and the reason.
        match serde_json::from_value(value) {
            Ok(document) => Some(document),
            Err(error) => {
                let problem = tree.error(Code::WrongValue, "", "the document cannot be read");
                // The reason quotes what is written, and that may be a secret.
                let private = self.schema.get("x-private").is_some();
                sink.push(if private { problem } else { problem.help(error.to_string()) });
                None
            }
        }
    }
}

/// One document being checked.
struct Pass<'a> {
    checker: &'a Checker,
    tree: &'a Tree,
}

impl Pass<'_> {
    /// Turns one validation error into diagnostics.
    fn explain(&self, error: &ValidationError<'_>, out: &mut Vec<Diagnostic>) {
        let at = error.instance_path().as_str();
        let schema = self.schema_of(error);
        match error.kind() {
            Kind::AdditionalProperties { unexpected } => {
                for key in unexpected.iter().take(PROBLEMS_MAX) {
                    out.push(self.unknown_key(at, key, schema));
                }
            }
            Kind::OneOfNotValid { context } | Kind::AnyOf { context } => self.no_branch(error, context, out),
            Kind::OneOfMultipleValid { .. } => out.extend(self.several_branches(error)),
            Kind::Required { property } => {
                out.extend(self.missing(error, property.as_str().unwrap_or_default()));
            }
            Kind::Type { .. } if is_secret(schema) && !error.instance().is_null() => {
                out.push(self.secret(at));
            }
            Kind::Type { .. } => out.push(self.wrong_type_of(at, error.instance(), schema)),
            Kind::Constant { expected_value } if kind_of(expected_value) != kind_of(error.instance()) => {}
            Kind::Constant { expected_value } => {
                out.push(self.wrong_value(at, error.instance(), &[expected_value]));
            }
            Kind::Enum { options } => {
                let options: Vec<&Value> =
                    options.as_array().map(|all| all.iter().collect()).unwrap_or_default();
                out.push(self.wrong_value(at, error.instance(), &options));
            }
            Kind::PropertyNames { error: inner } => out.push(self.wrong_key(at, inner, schema)),
            Kind::Pattern { .. } => out.push(self.wrong_form(at, self.showable(error), schema)),
            kind => out.push(self.wrong_amount(at, error.instance(), kind)),
        }
    }

    /// The schema that holds the keyword an error is about.
    fn schema_of(&self, error: &ValidationError<'_>) -> &Value {
        let path = error.schema_path().as_str();
        let parent = path.rfind('/').and_then(|at| path.get(..at)).unwrap_or_default();
        self.checker.schema.pointer(parent).unwrap_or(&Value::Null)
    }

    /// A key that does not exist.
    fn unknown_key(&self, at: &str, key: &str, schema: &Value) -> Diagnostic {
        let known = keys(schema);
        let span = self.tree.key_span(&format!("{at}/{}", escape(key)));
        let mut problem = Diagnostic::error(Code::UnknownKey, span, format!("unknown key `{}`", shown(key)))
            .label("not a key here")
            .nearest(key, known.iter().copied());
        if problem.suggestion.is_none() {
            if let Some(home) = home_of(&self.checker.schema, at, key) {
                problem = problem.help(format!("`{}` is a key of `{home}`", shown(key)));
            } else if !known.is_empty() && known.len() <= LISTED_MAX {
                problem = problem.help(format!("keys here: {}", list(known.iter().copied())));
            }
        }
        problem
    }

    /// A required key is missing. Says nothing if the key is there with a typing error.
    fn missing(&self, error: &ValidationError<'_>, property: &str) -> Option<Diagnostic> {
        let schema = self.schema_of(error);
        if misspelt(error.instance(), schema, property) {
            return None;
        }
        let at = error.instance_path().as_str();
        let message = format!("{} lacks the key `{property}`", name(at));
        let mut problem = Diagnostic::error(Code::MissingKey, self.tree.key_span(at), message);
        let about = schema.pointer(&format!("/properties/{property}"));
        if let Some(text) = about.and_then(|about| about.get("description")).and_then(Value::as_str) {
            problem = problem.help(format!("`{property}`: {}", sentence(text)));
        }
        if let Some(example) = about.and_then(|about| about.pointer("/examples/0")) {
            problem = problem.help(format!("for example `{property}: {}`", as_yaml(example)));
        }
        Some(problem)
    }

    /// No branch of an alternative fits.
    fn no_branch(
        &self,
        error: &ValidationError<'_>,
        context: &[Vec<ValidationError<'static>>],
        out: &mut Vec<Diagnostic>,
    ) {
        let at = error.instance_path().as_str();
        let branches = self.branches(error);
        let alternatives = required_alternatives(&branches);
        if !alternatives.is_empty() {
            out.extend(self.none_of(error, &alternatives));
            return;
        }
        let fitting =
            branches.iter().position(|branch| types(branch).iter().any(|kind| fits(error.instance(), kind)));
        if let Some(errors) = fitting.and_then(|branch| context.get(branch)) {
            for error in errors {
                self.explain(error, out);
            }
        } else {
            let all: Vec<&str> = branches.iter().flat_map(|branch| types(branch)).collect();
            out.push(self.wrong_type(at, error.instance(), &all));
        }
    }

    /// None of several keys, of which one is needed, is there.
    fn none_of(&self, error: &ValidationError<'_>, alternatives: &[&str]) -> Option<Diagnostic> {
        let schema = self.schema_of(error);
        let at = error.instance_path().as_str();
        if alternatives.iter().any(|key| misspelt(error.instance(), schema, key)) {
            return None;
        }
        // With many alternatives an unknown key was meant to be one of them.
        let known = keys(schema);
        let mut written = error.instance().as_object().into_iter().flat_map(|map| map.keys());
        if alternatives.len() > 2 && written.any(|key| !known.contains(&key.as_str())) {
            return None;
        }
        let how = if matches!(error.kind(), Kind::AnyOf { .. }) { "at least" } else { "exactly" };
        let message = format!("{} needs {how} one of {}", name(at), some_of(alternatives));
        Some(Diagnostic::error(Code::MissingKey, self.tree.key_span(at), message))
    }

    /// Several keys that exclude each other are there.
    fn several_branches(&self, error: &ValidationError<'_>) -> Option<Diagnostic> {
        let map = error.instance().as_object()?;
        let branches = self.branches(error);
        let alternatives = required_alternatives(&branches);
        let present: Vec<&str> =
            map.keys().map(String::as_str).filter(|key| alternatives.contains(key)).collect();
        let (first, second) = (present.first()?, present.get(1)?);
        let at = error.instance_path().as_str();
        let span = self.tree.key_span(&format!("{at}/{}", escape(second)));
        let message = format!("`{second}` and `{first}` exclude each other");
        let problem = Diagnostic::error(Code::KeyCombination, span, message);
        let help = format!("{} needs exactly one of {}", name(at), some_of(&alternatives));
        Some(problem.help(help))
    }

    /// The alternatives an error chose from.
    fn branches(&self, error: &ValidationError<'_>) -> Vec<&Value> {
        let branches = self.checker.schema.pointer(error.schema_path().as_str());
        branches.and_then(Value::as_array).map(|all| all.iter().collect()).unwrap_or_default()
    }

    /// A key that is a name, of the wrong form.
    fn wrong_key(&self, at: &str, error: &ValidationError<'_>, schema: &Value) -> Diagnostic {
        let key = error.instance().as_str().unwrap_or_default();
        let wanted = ["/propertyNames/patternErrorMessage", "/patternErrorMessage"];
        let wanted = wanted.iter().find_map(|at| schema.pointer(at)?.as_str());
        let message = format!("`{}` is not {}", shown(key), wanted.unwrap_or("a key that may stand here"));
        Diagnostic::error(Code::WrongValue, self.tree.key_span(&format!("{at}/{}", escape(key))), message)
    }

    /// A secret that is written here.
    fn secret(&self, at: &str) -> Diagnostic {
        let key = at.rsplit('/').next().unwrap_or_default();
        self.tree
            .error(Code::SecretInClear, at, format!("{} is a secret and must not be written here", name(at)))
            .help(format!(
                "say where it is found: `{key}: {{env: NAME}}`, `{{file: PATH}}` or `{{credential: NAME}}`"
            ))
            .help(
                "a secret that was written to a file should be replaced: it may have been read or committed",
            )
    }

    /// A value of the wrong type.
    fn wrong_type(&self, at: &str, value: &Value, wanted: &[&str]) -> Diagnostic {
        let names: Vec<&str> = wanted.iter().map(|kind| type_name(kind)).collect();
        let wanted_text = names.join(" or ");
        let message = if let (Value::Number(number), Some(&"integer" | &"number")) = (value, wanted.first()) {
            format!("{} must be {wanted_text}, not {number}", name(at))
        } else if value.is_null() {
            format!("{} has no value; it must be {wanted_text}", name(at))
        } else {
            format!("{} must be {wanted_text}, not {}", name(at), value_name(value))
        };
        let mut problem = self.tree.error(Code::WrongType, at, message);
        let written = problem.span.source.text.get(problem.span.range.clone()).unwrap_or_default().to_owned();
        let range = problem.span.range.clone();
        let replace = |message: &str, replacement: String| Suggestion {
            message: message.to_owned(),
            range: range.clone(),
            replacement,
        };
        let wants = |kind: &str| wanted.contains(&kind);
        problem.suggestion = match value {
            Value::Number(_) | Value::Bool(_) if wants("string") => {
                Some(replace("put it in quotes", format!("\"{written}\"")))
            }
            Value::String(text) if wants("boolean") => boolean(text)
                .map(|word| replace("the booleans of YAML are `true` and `false`", word.to_owned())),
            Value::String(text)
                if (wants("integer") || wants("number")) && text.trim().parse::<f64>().is_ok() =>
            {
                Some(replace("remove the quotes", text.trim().to_owned()))
            }
            Value::String(_) if wants("array") && !written.contains(['\n', '#']) && !written.is_empty() => {
                Some(replace("make it a list", format!("[{written}]")))
            }
            _ => None,
        };
        if value.is_null() && problem.span.range.is_empty() {
            problem.span = self.tree.key_span(at);
        }
        if value.is_object() && wants("string") && written.starts_with('{') {
            problem = problem.help("a text that starts with `{` must be in quotes");
        }
        problem
    }

    /// A value of the wrong type, where a text of some form is wanted.
    fn wrong_type_of(&self, at: &str, value: &Value, schema: &Value) -> Diagnostic {
        let mut problem = self.wrong_type(at, value, &types(schema));
        let known = keys(schema);
        if !known.is_empty() && known.len() <= LISTED_MAX {
            problem = problem.help(format!("its keys are {}", list(known)));
        }
        if value.is_string() && schema.get("items").is_some_and(|items| types(items).contains(&"object")) {
            // The text in a list would not do either.
            problem.suggestion = None;
        }
        if schema.get("pattern").is_none() || !value.is_number() {
            return problem;
        }
        // The number in quotes would not do either.
        let wanted = schema.get("patternErrorMessage").and_then(Value::as_str).unwrap_or_default();
        let problem = Diagnostic { suggestion: None, ..problem };
        if wanted.is_empty() { problem } else { problem.help(format!("write {wanted}")) }
    }

    /// A value outside a closed set.
    fn wrong_value(&self, at: &str, value: &Value, options: &[&Value]) -> Diagnostic {
        let words: Vec<&str> = options.iter().filter_map(|option| option.as_str()).collect();
        let Some(written) = value.as_str().filter(|_| !words.is_empty()) else {
            if !words.is_empty() {
                let problem = self.wrong_type(at, value, &["string"]).help(format!("one of {}", list(words)));
                return Diagnostic { suggestion: None, ..problem };
            }
            let options = options.iter().map(ToString::to_string).collect::<Vec<_>>();
            let message =
                format!("{} is {value}; it must be {}", name(at), list(options.iter().map(String::as_str)));
            return self.tree.error(Code::WrongValue, at, message);
        };
        let message = format!("{} cannot be `{}`", name(at), shown(written));
        let problem = self.tree.error(Code::WrongValue, at, message).nearest(written, words.iter().copied());
        problem.help(format!("one of {}", list(words)))
    }

    /// The text an error is about, unless it stands inside a reference to a secret.
    fn showable<'a>(&self, error: &'a ValidationError<'_>) -> Option<&'a str> {
        let steps = error.schema_path().as_str().match_indices('/');
        let mut above =
            steps.filter_map(|(at, _)| self.checker.schema.pointer(error.schema_path().as_str().get(..at)?));
        if above.any(is_secret) { None } else { error.instance().as_str() }
    }

    /// A text of the wrong form.
    fn wrong_form(&self, at: &str, written: Option<&str>, schema: &Value) -> Diagnostic {
        let code = match schema.get("x-code").and_then(Value::as_str) {
            Some(text) => {
                Code::ALL.iter().copied().find(|code| code.as_str() == text).unwrap_or(Code::WrongValue)
            }
            None => Code::WrongValue,
        };
        let wanted = schema.get("patternErrorMessage").and_then(Value::as_str).unwrap_or("of another form");
        let message = match written {
            None => format!("{} must be {wanted}", name(at)),
            Some("") => format!("{} is empty, not {wanted}", name(at)),
            Some(written) => format!("{} is `{}`, not {wanted}", name(at), shown(written)),
        };
        self.tree.error(code, at, message)
    }

    /// Too much, too little, too often.
    fn wrong_amount(&self, at: &str, value: &Value, kind: &Kind) -> Diagnostic {
        let name = name(at);
        let (at, message) = match kind {
            Kind::MinLength { .. } | Kind::MinItems { .. } | Kind::MinProperties { .. } => {
                (at.to_owned(), format!("{name} is empty"))
            }
            Kind::MaxLength { limit } => (at.to_owned(), format!("{name} is longer than {limit} characters")),
            Kind::MaxItems { limit } => (at.to_owned(), format!("{name} has more than {limit} entries")),
            Kind::Minimum { limit } => {
                (at.to_owned(), format!("{name} is {value}; it must be at least {limit}"))
            }
            Kind::Maximum { limit } => {
                (at.to_owned(), format!("{name} is {value}; it must be at most {limit}"))
            }
            Kind::ExclusiveMinimum { limit } => {
                (at.to_owned(), format!("{name} is {value}; it must be more than {limit}"))
            }
            Kind::UniqueItems => {
                let again = repeated(value).unwrap_or(0);
                let entry = value.get(again).map(one_line).unwrap_or_default();
                (format!("{at}/{again}"), format!("{name} has `{entry}` twice"))
            }
            other => (at.to_owned(), format!("{name} breaks the rule `{}`", other.keyword())),
        };
        self.tree.error(Code::WrongValue, &at, message)
    }
}
