//! What a compiled template reads, and what it may not do.

use std::ops::Range;

use handlebars::Path;
use handlebars::template::{HelperTemplate, Parameter, Template, TemplateElement};

use super::parts::{Start, block_names, path, text_of};
use super::vocabulary::{BLOCKS, HELPERS, Helper, LOCALS, SCOPES, dated};
use super::{Reference, Use, offset};
use crate::diag::{Code, Problem};

/// Deepest nesting of blocks.
const DEPTH_MAX: usize = 16;

/// Collects references and problems of a template.
pub(super) fn walk(source: &str, template: &Template) -> (Vec<Reference>, Vec<Problem>) {
    let mut walk = Walk {
        source,
        at: 0,
        frames: vec![Frame::default()],
        references: Vec::new(),
        problems: Vec::new(),
        used: Use::Told,
    };
    walk.template(template);
    (walk.references, walk.problems)
}

/// What names mean inside a block.
#[derive(Debug, Clone, Default)]
struct Frame {
    /// What `this` is.
    this: Vec<String>,
    /// Names given by `as |value key|`.
    names: Vec<(String, Meaning)>,
}

impl Frame {
    /// Whether a loop opened it.
    fn is_loop(&self) -> bool {
        self.this.last().is_some_and(|last| last == "[]")
    }
}

/// What a variable stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    /// A part of the data, by its path from the root.
    Data(Vec<String>),
    /// What the language itself provides: `@index`, `@first`, the second of `as |value key|`.
    Turn,
    /// Nothing: it leads out of everything.
    Nothing,
}

struct Walk<'a> {
    source: &'a str,
    /// Where the element being walked begins; names are looked for from here.
    at: usize,
    frames: Vec<Frame>,
    references: Vec<Reference>,
    problems: Vec<Problem>,
    /// What becomes of the parameter being walked.
    used: Use,
}

impl Walk<'_> {
    fn template(&mut self, template: &Template) {
        for (element, place) in template.elements.iter().zip(&template.mapping) {
            self.at = self.at.max(offset(self.source, place.0, place.1));
            self.element(element);
        }
        // An `else` chain is built without places.
        for element in template.elements.iter().skip(template.mapping.len()) {
            self.element(element);
        }
    }

    fn element(&mut self, element: &TemplateElement) {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => {}
            TemplateElement::HtmlExpression(helper) | TemplateElement::Expression(helper) => {
                self.expression(helper);
            }
            TemplateElement::HelperBlock(helper) => self.block(helper),
            TemplateElement::PartialExpression(_) | TemplateElement::PartialBlock(_) => {
                self.forbid("{{>", "partials are not allowed here");
            }
            TemplateElement::DecoratorExpression(_) | TemplateElement::DecoratorBlock(_) => {
                self.forbid("{{", "decorators are not allowed here");
            }
            _ => self.forbid("{{", "this is not allowed here"),
        }
    }

    fn forbid(&mut self, mark: &str, message: &str) {
        let start = self.find(mark).unwrap_or(self.at..self.at);
        self.problems.push(Problem::new(Code::ForbiddenTemplate, start, message));
    }

    /// Finds the next occurrence of a text from where the walk stands.
    fn find(&self, text: &str) -> Option<Range<usize>> {
        self.find_from(self.at, text)
    }

    fn find_from(&self, from: usize, text: &str) -> Option<Range<usize>> {
        let start = from + self.source.get(from..)?.find(text)?;
        Some(start..start + text.len())
    }

    fn expression(&mut self, helper: &HelperTemplate) {
        let name_only = helper.params.is_empty() && helper.hash.is_empty();
        match &helper.name {
            Parameter::Path(path) if name_only => self.reference(path),
            Parameter::Name(name) if name_only => self.named(name),
            Parameter::Subexpression(_) if name_only => self.parameter(&helper.name),
            name => self.call(name, helper),
        }
    }

    /// Walks a helper with its parameters.
    fn call(&mut self, name: &Parameter, helper: &HelperTemplate) {
        if let Some(name) = text_of(name) {
            self.helper_name(name);
            self.helper_use(name, helper);
        }
        let used = text_of(name).map_or(Use::Told, use_of);
        for param in &helper.params {
            self.used = used;
            self.parameter(param);
            self.used = Use::Told;
        }
        let mut hash: Vec<_> = helper.hash.iter().collect();
        hash.sort_by_key(|(key, _)| key.as_str());
        for (_, param) in hash {
            self.parameter(param);
        }
    }

    fn helper_name(&mut self, name: &str) {
        if HELPERS.contains(&name) || SCOPES.contains(&name) {
            return;
        }
        let range = self.find(name).unwrap_or(self.at..self.at);
        let problem = Problem::new(Code::UnknownHelper, range, format!("there is no helper `{name}`"));
        self.problems
            .push(problem.nearest(name, HELPERS).help(format!("helpers are: {}", HELPERS.join(", "))));
    }

    /// Checks how a helper is used: as a block or not, with how many values, with which options.
    fn helper_use(&mut self, name: &str, helper: &HelperTemplate) {
        let range = self.find(name).unwrap_or(self.at..self.at);
        let mut report = |message: String| {
            self.problems.push(Problem::new(Code::Template, range.clone(), message));
        };
        let is_block = BLOCKS.contains(&name);
        let ((least, most), options) = match Helper::find(name) {
            Some(known) => (known.arity(), known.options()),
            None if is_block => ((1, 1), [].as_slice()),
            None => return,
        };
        if is_block != helper.block {
            let form = if is_block { "a block: `{{#" } else { "no block: `{{" };
            report(format!("`{name}` is {form}{name} ..}}}}`"));
            return;
        }
        let given = helper.params.len();
        if given < least || given > most {
            let takes = if least == 1 { "one value" } else { "two values" };
            report(format!("`{name}` takes {takes}, not {given}"));
        }
        if let Some(other) = helper.hash.keys().filter(|key| !options.contains(&key.as_str())).min() {
            report(format!("`{name}` has no option `{other}`"));
        }
        if let Some(Err(reason)) = (name == "date").then(|| sample_date(helper)).flatten() {
            report(reason);
        }
    }

    fn parameter(&mut self, parameter: &Parameter) {
        match parameter {
            Parameter::Path(path) => self.reference(path),
            Parameter::Name(name) => self.named(name),
            Parameter::Subexpression(inner) => self.element(inner.as_element()),
            // Literals read nothing; other kinds do not exist in this version of the library.
            _ => {}
        }
    }

    fn block(&mut self, helper: &HelperTemplate) {
        let start = self.at;
        self.call(&helper.name, helper);
        let name = text_of(&helper.name).unwrap_or_default();
        let opened = match (name, helper.params.first()) {
            ("each" | "with", Some(subject)) => {
                let raw = text_of(subject).unwrap_or(name);
                let range = self.find_from(start, raw).unwrap_or(start..start);
                self.opened(helper, subject, range)
            }
            _ => None,
        };
        if self.frames.len() > DEPTH_MAX {
            self.forbid("{{", "blocks are nested too deep");
            return;
        }
        let is_opened = opened.is_some();
        self.frames.extend(opened);
        if let Some(template) = &helper.template {
            self.template(template);
        }
        if is_opened {
            self.frames.pop();
        }
        if let Some(inverse) = &helper.inverse {
            self.template(inverse);
        }
    }

    /// What names mean inside an `each` or `with`, whose subject stands at `range`.
    fn opened(&mut self, helper: &HelperTemplate, subject: &Parameter, range: Range<usize>) -> Option<Frame> {
        let is_loop = text_of(&helper.name) == Some("each");
        let Meaning::Data(mut this) = text_of(subject).map_or(Meaning::Turn, |raw| self.resolve(raw)) else {
            let message = "`each` and `with` open variables, not results";
            self.problems.push(Problem::new(Code::ForbiddenTemplate, range, message));
            return None;
        };
        if is_loop {
            self.nested_loop(&this, range);
            this.push("[]".to_owned());
        }
        // Only a loop has a key or an index to give a second name to.
        let meanings = [Meaning::Data(this.clone()), Meaning::Turn];
        let meanings = meanings.into_iter().take(if is_loop { 2 } else { 1 });
        Some(Frame {
            this,
            names: block_names(helper).into_iter().map(str::to_owned).zip(meanings).collect(),
        })
    }

    /// A loop in a loop must go over a part of what the outer one goes over: anything else multiplies.
    fn nested_loop(&mut self, path: &[String], range: Range<usize>) {
        let outer = self.frames.iter().rev().find(|frame| frame.is_loop());
        if outer.is_some_and(|outer| !path.starts_with(&outer.this)) {
            let message = "a loop inside a loop goes over a part of the outer one's item";
            self.problems.push(Problem::new(Code::ForbiddenTemplate, range, message));
        }
    }

    fn reference(&mut self, path: &Path) {
        match path {
            Path::Relative((_, raw)) => self.named(raw),
            Path::Local((level, name, raw)) => {
                let inside = self.frames.iter().rev().skip(*level).any(Frame::is_loop);
                if !LOCALS.contains(&name.as_str()) || !inside {
                    let known = LOCALS.map(|local| format!("@{local}"));
                    let problem = self.unknown(raw).nearest(raw, known.iter().map(String::as_str));
                    self.problems.push(problem.help("loops know `@index`, `@key`, `@first` and `@last`"));
                }
            }
        }
    }

    fn named(&mut self, raw: &str) {
        match self.resolve(raw) {
            Meaning::Data(path) => {
                let range = self.find(raw).unwrap_or(self.at..self.at);
                self.at = range.end.max(self.at);
                self.references.push(Reference { path, range, used: self.used });
            }
            Meaning::Turn => {}
            Meaning::Nothing => {
                let problem = self.unknown(raw);
                self.problems
                    .push(problem.help("`../` leads out of an `each` or `with`, and there is none left"));
            }
        }
    }

    fn unknown(&self, raw: &str) -> Problem {
        let range = self.find(raw).unwrap_or(self.at..self.at);
        Problem::new(Code::UnknownVariable, range, format!("there is no `{raw}` here"))
    }

    /// Says what a path as written means where the walk stands.
    fn resolve(&self, raw: &str) -> Meaning {
        let path = path(raw);
        let mut steps = path.steps.iter().map(ToString::to_string);
        let first = path.steps.first().map_or("", |first| first);
        if first.starts_with('@') {
            return Meaning::Turn;
        }
        let mut frames = self.frames.iter().rev();
        let mut base = match path.start {
            Start::Root => Vec::new(),
            Start::Frame(0) if let Some(meaning) = self.given(first) => {
                let Meaning::Data(path) = meaning else { return meaning.clone() };
                steps.next();
                path.clone()
            }
            Start::Frame(up) => match frames.nth(up) {
                Some(frame) => frame.this.clone(),
                None => return Meaning::Nothing,
            },
        };
        base.extend(steps);
        Meaning::Data(base)
    }

    /// What a name given by `as |value key|` stands for.
    fn given(&self, name: &str) -> Option<&Meaning> {
        let mut names = self.frames.iter().rev().flat_map(|frame| &frame.names);
        names.find(|(given, _)| given == name).map(|(_, meaning)| meaning)
    }
}

/// What a helper makes of its parameters.
fn use_of(helper: &str) -> Use {
    match Helper::find(helper) {
        Some(
            Helper::And
            | Helper::Or
            | Helper::Not
            | Helper::Eq
            | Helper::Ne
            | Helper::Gt
            | Helper::Gte
            | Helper::Lt
            | Helper::Lte
            | Helper::Len,
        ) => Use::Asked,
        Some(
            Helper::Date
            | Helper::Default
            | Helper::Join
            | Helper::Json
            | Helper::Lower
            | Helper::Truncate
            | Helper::Upper,
        ) => Use::Told,
        None if matches!(helper, "if" | "unless") => Use::Asked,
        None if matches!(helper, "each" | "with") => Use::Opened,
        None => Use::Told,
    }
}

/// Tries a `date` whose form and zone are written out on some instant.
fn sample_date(helper: &HelperTemplate) -> Option<Result<String, String>> {
    let literal = |parameter: &Parameter| match parameter {
        Parameter::Literal(serde_json::Value::String(text)) => Some(text.clone()),
        _ => None,
    };
    let format = helper.params.get(1).and_then(literal)?;
    let timezone = helper.hash.get("timezone").map_or(Some("UTC".to_owned()), literal)?;
    Some(dated("2026-01-31T08:00:00Z", &format, &timezone))
}
