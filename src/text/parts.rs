//! A template as it is rendered: what Handlebars parsed, with names and helpers resolved.

use handlebars::Path as Parsed;
use handlebars::template::{BlockParam, HelperTemplate, Parameter, Template, TemplateElement};
use serde_json::Value;

use super::vocabulary::Helper;

/// A piece of a template.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// Text as it is.
    Text(Box<str>),
    /// A value.
    Show(Operand),
    /// A block.
    Block(Box<Block>),
}

/// A block with its two bodies.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) kind: BlockKind,
    pub(super) subject: Operand,
    /// Names given by `as |value key|`.
    pub(super) names: Vec<Box<str>>,
    pub(super) body: Vec<Part>,
    pub(super) otherwise: Vec<Part>,
}

/// What a block does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    If,
    Unless,
    Each,
    With,
}

/// Something with a value.
#[derive(Debug, Clone)]
pub(super) enum Operand {
    Literal(Value),
    Path(Path),
    /// `@index` and its kin, `level` loops further out.
    Local {
        level: usize,
        local: Local,
    },
    Call(Helper, Vec<Self>, Vec<(Box<str>, Self)>),
}

/// What a loop knows of its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Local {
    Index,
    Key,
    First,
    Last,
}

impl Local {
    /// The name as it is written.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Index => "@index",
            Self::Key => "@key",
            Self::First => "@first",
            Self::Last => "@last",
        }
    }
}

/// Where a variable is.
#[derive(Debug, Clone)]
pub(super) struct Path {
    /// As it was written.
    pub(super) raw: Box<str>,
    pub(super) start: Start,
    pub(super) steps: Vec<Box<str>>,
}

/// Where a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Start {
    /// At all data.
    Root,
    /// At what the block that many levels further out opened; names of blocks count at level 0.
    Frame(usize),
}

/// Resolves a template that [`super::walk`] has accepted; `None` if something in it means nothing.
pub(super) fn parts(template: &Template) -> Option<Vec<Part>> {
    let shown = |element: &&TemplateElement| !matches!(element, TemplateElement::Comment(_));
    template.elements.iter().filter(shown).map(part).collect()
}

fn part(element: &TemplateElement) -> Option<Part> {
    match element {
        TemplateElement::RawString(text) => Some(Part::Text(text.as_str().into())),
        TemplateElement::Expression(helper) | TemplateElement::HtmlExpression(helper) => {
            expression(helper).map(Part::Show)
        }
        TemplateElement::HelperBlock(helper) => block(helper).map(|block| Part::Block(Box::new(block))),
        _ => None,
    }
}

fn expression(helper: &HelperTemplate) -> Option<Operand> {
    if helper.params.is_empty() && helper.hash.is_empty() {
        return operand(&helper.name);
    }
    let name = Helper::find(text_of(&helper.name)?)?;
    let arguments = helper.params.iter().map(operand).collect::<Option<_>>()?;
    let option = |(key, value): (&String, &Parameter)| Some((key.as_str().into(), operand(value)?));
    let mut named = helper.hash.iter().map(option).collect::<Option<Vec<(Box<str>, Operand)>>>()?;
    named.sort_by(|(left, _), (right, _)| left.cmp(right));
    Some(Operand::Call(name, arguments, named))
}

fn operand(parameter: &Parameter) -> Option<Operand> {
    match parameter {
        Parameter::Literal(value) => Some(Operand::Literal(value.clone())),
        Parameter::Path(Parsed::Local((level, name, _))) => {
            let local = match name.as_str() {
                "index" => Local::Index,
                "key" => Local::Key,
                "first" => Local::First,
                "last" => Local::Last,
                _ => return None,
            };
            Some(Operand::Local { level: *level, local })
        }
        Parameter::Path(Parsed::Relative((_, raw))) => Some(Operand::Path(path(raw))),
        Parameter::Name(raw) => Some(Operand::Path(path(raw))),
        Parameter::Subexpression(inner) => match inner.as_element() {
            TemplateElement::Expression(helper) => expression(helper),
            _ => None,
        },
        _ => None,
    }
}

fn block(helper: &HelperTemplate) -> Option<Block> {
    let kind = match text_of(&helper.name)? {
        "if" => BlockKind::If,
        "unless" => BlockKind::Unless,
        "each" => BlockKind::Each,
        "with" => BlockKind::With,
        _ => return None,
    };
    Some(Block {
        kind,
        subject: helper.params.first().and_then(operand)?,
        names: block_names(helper).into_iter().map(Into::into).collect(),
        body: helper.template.as_ref().map_or(Some(Vec::new()), parts)?,
        otherwise: helper.inverse.as_ref().map_or(Some(Vec::new()), parts)?,
    })
}

/// Names a block gives to what it opens.
pub(super) fn block_names(helper: &HelperTemplate) -> Vec<&str> {
    let names = match &helper.block_param {
        Some(BlockParam::Single(name)) => vec![name],
        Some(BlockParam::Pair((value, key))) => vec![value, key],
        _ => Vec::new(),
    };
    names.into_iter().filter_map(text_of).collect()
}

/// A name or a path as written; nothing else has a text.
pub(super) fn text_of(name: &Parameter) -> Option<&str> {
    match name {
        Parameter::Name(name) => Some(name),
        Parameter::Path(Parsed::Relative((_, raw)) | Parsed::Local((_, _, raw))) => Some(raw),
        _ => None,
    }
}

/// Takes a path apart: `../row.Name`, `this`, `@root.run.id`, `items.[0]`, `./x`.
pub(super) fn path(raw: &str) -> Path {
    let mut rest = raw.trim();
    let mut up = 0;
    loop {
        if let Some(shorter) = rest.strip_prefix("../").or_else(|| rest.strip_prefix("..")) {
            (rest, up) = (shorter, up + 1);
        } else if let Some(shorter) = rest.strip_prefix("./") {
            rest = shorter;
        } else {
            break;
        }
    }
    let (start, rest) = match rest.strip_prefix("@root") {
        Some(rest) => (Start::Root, rest),
        None => (Start::Frame(up), rest),
    };
    let mut steps = steps(rest);
    if steps.first().is_some_and(|first| &**first == "this") {
        steps.remove(0);
    }
    Path { raw: raw.into(), start, steps }
}

/// Splits at dots and slashes; what stands in brackets is one step, whatever it holds.
fn steps(raw: &str) -> Vec<Box<str>> {
    let mut steps = Vec::new();
    let mut rest = raw;
    while !rest.is_empty() {
        rest = rest.trim_start_matches(['.', '/']);
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, after) = inside.split_once(']').unwrap_or((inside, ""));
            steps.push(step.into());
            rest = after;
        } else {
            let end = rest.find(['.', '/', '[']).unwrap_or(rest.len());
            let (step, after) = rest.split_at(end);
            if !step.is_empty() {
                steps.push(step.into());
            }
            rest = after;
        }
    }
    steps
}
