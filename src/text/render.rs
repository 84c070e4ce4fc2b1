//! Renders a template on borrowed data.
//!
//! Handlebars' own renderer copies all data first and walks from the root for every variable; here a
//! thousand rows are looked at where they lie. The output is compared with Handlebars' in a test.

use std::borrow::Cow;

use serde_json::Value;

use super::parts::{Block, BlockKind, Local, Operand, Part, Path, Start};
use super::vocabulary::{Helper, call};
use super::{OUTPUT_BYTES_MAX, TextError};

/// What a block has opened.
#[derive(Debug, Clone, Copy)]
struct Frame<'a> {
    this: &'a Value,
    turn: Option<Turn<'a>>,
    names: &'a [Box<str>],
}

/// Where a loop stands.
#[derive(Debug, Clone, Copy)]
struct Turn<'a> {
    index: usize,
    count: usize,
    key: Option<&'a str>,
}

/// Renders into one string.
#[derive(Debug)]
pub(super) struct Renderer<'a> {
    root: &'a Value,
    frames: Vec<Frame<'a>>,
    out: String,
}

/// A value that is borrowed, made, or not there under the name given.
enum Found<'a> {
    Value(Cow<'a, Value>),
    Missing(&'a str),
}

impl<'a> Found<'a> {
    fn value(self) -> Result<Cow<'a, Value>, TextError> {
        match self {
            Self::Value(value) => Ok(value),
            Self::Missing(name) => Err(TextError::Missing { name: name.to_owned() }),
        }
    }
}

impl<'a> Renderer<'a> {
    /// Renders `parts` on `data`.
    pub(super) fn render(parts: &'a [Part], data: &'a Value) -> Result<String, TextError> {
        let frames = vec![Frame { this: data, turn: None, names: &[] }];
        let mut renderer = Self { root: data, frames, out: String::new() };
        renderer.parts(parts)?;
        Ok(renderer.out)
    }

    fn parts(&mut self, parts: &'a [Part]) -> Result<(), TextError> {
        for part in parts {
            match part {
                Part::Text(text) => self.push(text)?,
                Part::Show(operand) => {
                    let value = self.find(operand)?.value()?;
                    self.show(&value)?;
                }
                Part::Block(block) => self.block(block)?,
            }
        }
        Ok(())
    }

    fn push(&mut self, text: &str) -> Result<(), TextError> {
        if self.out.len() + text.len() > OUTPUT_BYTES_MAX {
            return Err(TextError::TooLong);
        }
        self.out.push_str(text);
        Ok(())
    }

    /// Shows a value: a string as it is, null as nothing, the rest as JSON.
    fn show(&mut self, value: &Value) -> Result<(), TextError> {
        match value {
            Value::Null => Ok(()),
            Value::String(text) => self.push(text),
            Value::Bool(value) => self.push(if *value { "true" } else { "false" }),
            other => self.push(&other.to_string()),
        }
    }

    fn block(&mut self, block: &'a Block) -> Result<(), TextError> {
        let subject = self.find(&block.subject)?.value()?;
        let otherwise = &block.otherwise;
        match block.kind {
            BlockKind::If if is_true(&subject) => self.parts(&block.body),
            BlockKind::Unless if !is_true(&subject) => self.parts(&block.body),
            BlockKind::With if is_true(&subject) => self.open(block, borrowed(&subject)?, None),
            BlockKind::If | BlockKind::Unless | BlockKind::With => self.parts(otherwise),
            BlockKind::Each => match borrowed(&subject)? {
                Value::Array(items) if !items.is_empty() => {
                    for (index, item) in items.iter().enumerate() {
                        self.open(block, item, Some(Turn { index, count: items.len(), key: None }))?;
                    }
                    Ok(())
                }
                Value::Object(map) if !map.is_empty() => {
                    for (index, (key, item)) in map.iter().enumerate() {
                        let turn = Turn { index, count: map.len(), key: Some(key) };
                        self.open(block, item, Some(turn))?;
                    }
                    Ok(())
                }
                Value::Array(_) | Value::Object(_) | Value::Null => self.parts(otherwise),
                other => {
                    let kind = match other {
                        Value::String(_) => "a text",
                        Value::Number(_) => "a number",
                        _ => "a truth value",
                    };
                    Err(TextError::Helper { reason: format!("`each` needs a list, not {kind}") })
                }
            },
        }
    }

    /// Renders a block's body with `this` opened.
    fn open(&mut self, block: &'a Block, this: &'a Value, turn: Option<Turn<'a>>) -> Result<(), TextError> {
        self.frames.push(Frame { this, turn, names: &block.names });
        let rendered = self.parts(&block.body);
        self.frames.pop();
        rendered
    }

    fn find(&self, operand: &'a Operand) -> Result<Found<'a>, TextError> {
        Ok(match operand {
            Operand::Literal(value) => Found::Value(Cow::Borrowed(value)),
            Operand::Path(path) => self.path(path),
            Operand::Local { level, local } => {
                // A `with` inside a loop has no turn of its own; the loop's is meant.
                match self.frames.iter().rev().skip(*level).find_map(|frame| frame.turn) {
                    Some(turn) => Found::Value(Cow::Owned(turn.local(*local))),
                    None => Found::Missing(local.as_str()),
                }
            }
            Operand::Call(helper, arguments, named) => Found::Value(self.call(*helper, arguments, named)?),
        })
    }

    fn path(&self, path: &'a Path) -> Found<'a> {
        let mut steps = path.steps.iter();
        let mut value = match path.start {
            Start::Root => Some(self.root),
            Start::Frame(up) => {
                let named = path.steps.first().filter(|_| up == 0).and_then(|name| self.named(name));
                match named {
                    Some(found @ Found::Value(Cow::Owned(_))) if path.steps.len() == 1 => return found,
                    Some(Found::Value(Cow::Borrowed(value))) => {
                        steps.next();
                        Some(value)
                    }
                    _ => self.frames.iter().rev().nth(up).map(|frame| frame.this),
                }
            }
        };
        for step in steps {
            value = match value {
                Some(Value::Object(map)) => map.get(&**step),
                Some(Value::Array(items)) => step.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
        }
        value.map_or(Found::Missing(&path.raw), |value| Found::Value(Cow::Borrowed(value)))
    }

    /// What a name given by `as |value key|` stands for.
    fn named(&self, name: &str) -> Option<Found<'a>> {
        self.frames.iter().rev().find_map(|frame| {
            let place = frame.names.iter().position(|known| **known == *name)?;
            let value = match (place, frame.turn) {
                (0, _) => Cow::Borrowed(frame.this),
                (_, Some(turn)) => {
                    Cow::Owned(turn.local(if turn.key.is_some() { Local::Key } else { Local::Index }))
                }
                (_, None) => return None,
            };
            Some(Found::Value(value))
        })
    }

    fn call(
        &self,
        helper: Helper,
        arguments: &'a [Operand],
        named: &'a [(Box<str>, Operand)],
    ) -> Result<Cow<'a, Value>, TextError> {
        let mut values = Vec::with_capacity(arguments.len());
        for argument in arguments {
            values.push(match self.find(argument)? {
                // `default` is there for what may be missing.
                Found::Missing(_) if helper == Helper::Default => Cow::Owned(Value::Null),
                found => found.value()?,
            });
        }
        let mut options = Vec::with_capacity(named.len());
        for (key, operand) in named {
            options.push((&**key, self.find(operand)?.value()?));
        }
        call(helper, values, &options).map_err(|reason| TextError::Helper { reason })
    }
}

/// A block opens what lies in the data, not what a helper made.
fn borrowed<'a>(value: &Cow<'a, Value>) -> Result<&'a Value, TextError> {
    match *value {
        Cow::Borrowed(value) => Ok(value),
        Cow::Owned(_) => {
            Err(TextError::Helper { reason: "`each` and `with` open variables, not results".to_owned() })
        }
    }
}

impl Turn<'_> {
    fn local(self, local: Local) -> Value {
        match local {
            Local::Index => self.index.into(),
            Local::Key => self.key.map_or(Value::Null, Value::from),
            Local::First => (self.index == 0).into(),
            Local::Last => (self.index + 1 == self.count).into(),
        }
    }
}

/// What `if` takes for true, as Handlebars does: not false, null, 0, nor anything empty.
pub(super) fn is_true(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(value) => *value,
        Value::Number(number) => number.as_f64().is_none_or(|number| number != 0.0 && !number.is_nan()),
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}
