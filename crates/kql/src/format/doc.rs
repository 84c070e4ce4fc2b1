//! Text with places where a line may end, and the printer that decides which of them do.

use super::WIDTH;

/// Columns by which a level is indented.
const INDENT: usize = 4;

/// A piece of layout.
pub(super) struct Doc<'a> {
    kind: Kind<'a>,
    /// Whether a line must end inside, so that no group around it can stay on one line.
    breaks: bool,
    /// Whether it ends with a comment, so that what follows must begin a line.
    ends_with_comment: bool,
}

enum Kind<'a> {
    Text(&'a str),
    /// A comment that is written at the end of its line.
    Suffix(&'a str),
    Space,
    Line(Line),
    Concat(Vec<Doc<'a>>),
    Indent(Box<Doc<'a>>),
    Group(Box<Doc<'a>>),
}

/// A place where a line may end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// Nothing, or a line end.
    Soft,
    /// A blank, or a line end.
    Open,
    /// A line end.
    Hard,
    /// A line end, unless one has just been.
    Fresh,
    /// A line end and an empty line, unless they have just been.
    Blank,
}

impl<'a> Doc<'a> {
    fn new(kind: Kind<'a>) -> Self {
        Self { kind, breaks: false, ends_with_comment: false }
    }

    pub(super) fn text(text: &'a str) -> Self {
        Self::new(Kind::Text(text))
    }

    pub(super) fn suffix(comment: &'a str) -> Self {
        Self { ends_with_comment: true, ..Self::new(Kind::Suffix(comment)) }
    }

    pub(super) fn space() -> Self {
        Self::new(Kind::Space)
    }

    pub(super) fn line(line: Line) -> Self {
        Self { breaks: matches!(line, Line::Hard | Line::Fresh | Line::Blank), ..Self::new(Kind::Line(line)) }
    }

    pub(super) fn concat(mut docs: Vec<Self>) -> Self {
        docs.retain(|doc| !doc.is_nothing());
        let ends_with_comment = docs.last().is_some_and(|doc| doc.ends_with_comment);
        let before_last = docs.len().saturating_sub(1);
        let breaks = docs.iter().any(|doc| doc.breaks)
            || docs.iter().take(before_last).any(|doc| doc.ends_with_comment);
        Self { kind: Kind::Concat(docs), breaks, ends_with_comment }
    }

    pub(super) fn nothing() -> Self {
        Self::concat(Vec::new())
    }

    fn is_nothing(&self) -> bool {
        matches!(&self.kind, Kind::Concat(docs) if docs.is_empty())
    }

    pub(super) fn indent(self) -> Self {
        self.wrapped(Kind::Indent)
    }

    /// Keeps the piece on one line if it fits.
    pub(super) fn group(self) -> Self {
        self.wrapped(Kind::Group)
    }

    fn wrapped(self, kind: impl FnOnce(Box<Self>) -> Kind<'a>) -> Self {
        if self.is_nothing() {
            return self;
        }
        let (breaks, ends_with_comment) = (self.breaks, self.ends_with_comment);
        Self { kind: kind(Box::new(self)), breaks, ends_with_comment }
    }

    /// Makes every group around the piece end its lines.
    pub(super) fn broken(self) -> Self {
        Self { breaks: true, ..self }
    }
}

/// How the lines of the innermost group around a piece end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Flat,
    Broken,
}

type Task<'d, 'a> = (usize, Mode, &'d Doc<'a>);

/// Prints a piece of layout. The result ends with a line end, unless it is empty.
pub(super) fn print(doc: &Doc<'_>) -> String {
    let mut printer =
        Printer { out: String::new(), column: 0, is_line_empty: true, space: false, suffix: String::new() };
    let mut tasks = vec![(0, Mode::Broken, doc)];
    while let Some((indent, mode, doc)) = tasks.pop() {
        match &doc.kind {
            Kind::Text(text) => printer.text(text, indent),
            Kind::Suffix(comment) => printer.suffix(comment, indent),
            Kind::Space => printer.space = true,
            Kind::Line(Line::Soft) if mode == Mode::Flat => {}
            Kind::Line(Line::Open) if mode == Mode::Flat => printer.space = true,
            Kind::Line(line) => printer.line(*line),
            Kind::Concat(docs) => tasks.extend(docs.iter().rev().map(|doc| (indent, mode, doc))),
            Kind::Indent(inner) => tasks.push((indent + INDENT, mode, inner)),
            Kind::Group(inner) => {
                let room = WIDTH.saturating_sub(printer.column.max(indent) + usize::from(printer.space));
                let flat = !inner.breaks && fits(inner, &tasks, room);
                tasks.push((indent, if flat { Mode::Flat } else { Mode::Broken }, inner));
            }
        }
    }
    printer.end()
}

/// Tells whether `doc` on one line, and what follows it up to the next line end, fits the room.
fn fits(doc: &Doc<'_>, after: &[Task<'_, '_>], room: usize) -> bool {
    let mut room = room;
    let mut own = vec![doc];
    let mut rest = after.iter().rev();
    let mut mode = Mode::Flat;
    loop {
        let next = own.pop().or_else(|| {
            let (_, outer, doc) = rest.next()?;
            mode = *outer;
            Some(*doc)
        });
        let Some(next) = next else { return true };
        let width = match &next.kind {
            Kind::Text(text) => {
                let line = text.lines().next().unwrap_or_default();
                let width = line.chars().count();
                if line.len() < text.len() {
                    return width <= room;
                }
                width
            }
            Kind::Suffix(_) => 0,
            Kind::Space => 1,
            Kind::Line(Line::Soft) if mode == Mode::Flat => 0,
            Kind::Line(Line::Open) if mode == Mode::Flat => 1,
            Kind::Line(_) => return true,
            Kind::Concat(docs) => {
                own.extend(docs.iter().rev());
                0
            }
            // A group that follows in a broken one may end its first line early.
            Kind::Indent(inner) | Kind::Group(inner) => {
                own.push(inner);
                0
            }
        };
        match room.checked_sub(width) {
            Some(left) => room = left,
            None => return false,
        }
    }
}

struct Printer {
    out: String,
    column: usize,
    is_line_empty: bool,
    space: bool,
    suffix: String,
}

impl Printer {
    fn text(&mut self, text: &str, indent: usize) {
        if self.is_line_empty {
            self.out.extend(std::iter::repeat_n(' ', indent));
            self.column = indent;
            self.is_line_empty = false;
        } else if self.space {
            self.out.push(' ');
            self.column += 1;
        }
        self.space = false;
        self.out.push_str(text);
        match text.rsplit_once('\n') {
            Some((_, last)) => self.column = last.chars().count(),
            None => self.column += text.chars().count(),
        }
    }

    fn suffix(&mut self, comment: &str, indent: usize) {
        if self.suffix.is_empty() {
            self.suffix.push(' ');
        } else {
            self.suffix.push('\n');
            self.suffix.extend(std::iter::repeat_n(' ', indent));
        }
        self.suffix.push_str(comment);
    }

    fn line(&mut self, line: Line) {
        let is_fresh = self.is_line_empty && self.suffix.is_empty();
        if !is_fresh || !matches!(line, Line::Fresh | Line::Blank) {
            self.end_line();
        }
        if line == Line::Blank && !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.end_line();
        }
    }

    fn end_line(&mut self) {
        self.out.push_str(&std::mem::take(&mut self.suffix));
        self.out.push('\n');
        self.column = 0;
        self.is_line_empty = true;
        self.space = false;
    }

    fn end(mut self) -> String {
        if !self.is_line_empty || !self.suffix.is_empty() {
            self.end_line();
        }
        self.out
    }
}
