//! What a compiled template reads, and what it may not do.

use std::ops::Range;

use handlebars::Path;
use handlebars::template::{BlockParam, HelperTemplate, Parameter, Template, TemplateElement};

use super::vocabulary::{HELPERS, SCOPES};
use super::{Reference, offset};
use crate::diag::{Code, Problem};

/// Deepest nesting of blocks.
const DEPTH_MAX: usize = 16;

/// Collects references and problems of a template.
pub(super) fn walk(source: &str, template: &Template) -> (Vec<Reference>, Vec<Problem>) {
    let mut walk =
        Walk { source, at: 0, frames: vec![Frame::default()], references: Vec::new(), problems: Vec::new() };
    walk.template(template);
    (walk.references, walk.problems)
}

/// What names mean inside a block.
#[derive(Debug, Clone, Default)]
struct Frame {
    /// What `this` is.
    this: Vec<String>,
    /// Names given by `as |name|`.
    names: Vec<(String, Vec<String>)>,
}

struct Walk<'a> {
    source: &'a str,
    /// Where the element being walked begins; names are looked for from here.
    at: usize,
    frames: Vec<Frame>,
    references: Vec<Reference>,
    problems: Vec<Problem>,
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
        let start = self.at + self.source.get(self.at..)?.find(text)?;
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
        }
        for param in &helper.params {
            self.parameter(param);
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
        self.call(&helper.name, helper);
        let name = text_of(&helper.name).unwrap_or_default();
        let subject = helper.params.first().and_then(|param| self.resolve_parameter(param));
        let frame = match (name, subject) {
            ("each", Some(mut path)) => {
                self.nested_loop(&path);
                path.push("[]".to_owned());
                Some(path)
            }
            ("with", Some(path)) => Some(path),
            _ => None,
        };
        if self.frames.len() > DEPTH_MAX {
            self.forbid("{{", "blocks are nested too deep");
            return;
        }
        if let Some(this) = &frame {
            let names = block_names(helper).into_iter().take(1).map(|name| (name, this.clone())).collect();
            self.frames.push(Frame { this: this.clone(), names });
        }
        if let Some(template) = &helper.template {
            self.template(template);
        }
        if frame.is_some() {
            self.frames.pop();
        }
        if let Some(inverse) = &helper.inverse {
            self.template(inverse);
        }
    }

    /// A loop in a loop must go over a part of what the outer one goes over: anything else multiplies.
    fn nested_loop(&mut self, path: &[String]) {
        let outer = self.frames.iter().rev().find(|frame| frame.this.last().is_some_and(|last| last == "[]"));
        if outer.is_some_and(|outer| !path.starts_with(&outer.this)) {
            self.forbid("{{", "a loop inside a loop goes over a part of the outer one's item");
        }
    }

    fn named(&mut self, name: &str) {
        if let Some(path) = self.resolve(name) {
            self.push(name, path);
        }
    }

    fn reference(&mut self, path: &Path) {
        let (Path::Relative((_, raw)) | Path::Local((_, _, raw))) = path;
        if let Some(path) = self.resolve(raw) {
            self.push(raw, path);
        }
    }

    fn push(&mut self, raw: &str, path: Vec<String>) {
        let range = self.find(raw).unwrap_or(self.at..self.at);
        self.at = range.end.max(self.at);
        if !path.is_empty() {
            self.references.push(Reference { path, range });
        }
    }

    fn resolve_parameter(&self, parameter: &Parameter) -> Option<Vec<String>> {
        match parameter {
            Parameter::Path(Path::Relative((_, raw)) | Path::Local((_, _, raw))) => self.resolve(raw),
            Parameter::Name(name) => self.resolve(name),
            _ => None,
        }
    }

    /// Resolves a path as written to one from the root; `None` for what the language itself provides
    /// (`@index`, `@first`, …).
    fn resolve(&self, raw: &str) -> Option<Vec<String>> {
        let mut rest = raw.trim();
        let mut up = 0;
        while let Some(shorter) = rest.strip_prefix("../") {
            (rest, up) = (shorter, up + 1);
        }
        if let Some(root) = rest.strip_prefix("@root") {
            return Some(parts(root));
        }
        if rest.starts_with('@') {
            return None;
        }
        let depth = self.frames.len().saturating_sub(1).saturating_sub(up);
        let frame = self.frames.get(depth)?;
        let mut inner = parts(rest);
        if inner.first().is_some_and(|first| first == "this") {
            inner.remove(0);
        }
        let named = inner.first().and_then(|first| {
            let frames = self.frames.iter().rev();
            frames.flat_map(|frame| &frame.names).find(|(name, _)| name == first)
        });
        let mut path = named.map_or_else(|| frame.this.clone(), |(_, path)| path.clone());
        path.extend(inner.into_iter().skip(usize::from(named.is_some())));
        Some(path)
    }
}

/// Splits a path at its dots, slashes and brackets.
fn parts(raw: &str) -> Vec<String> {
    raw.split(['.', '/', '[', ']']).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

fn text_of(name: &Parameter) -> Option<&str> {
    match name {
        Parameter::Name(name) => Some(name),
        Parameter::Path(Path::Relative((_, raw)) | Path::Local((_, _, raw))) => Some(raw),
        _ => None,
    }
}

/// Names a block gives to what it opens.
fn block_names(helper: &HelperTemplate) -> Vec<String> {
    let names = match &helper.block_param {
        None => Vec::new(),
        Some(BlockParam::Single(name)) => vec![name],
        Some(BlockParam::Pair((value, key))) => vec![value, key],
        Some(_) => Vec::new(),
    };
    names.into_iter().filter_map(text_of).map(str::to_owned).collect()
}
