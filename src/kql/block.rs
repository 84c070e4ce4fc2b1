//! Queries inside files: the whole of a `.kql` file, or the fenced blocks of a Markdown file.

use std::ops::Range;

/// The words behind a fence that say that a query follows.
const LANGUAGES: &[&str] = &["kql", "kusto", "csl", "kusto-query-language"];

/// Shortest fence of Markdown.
const FENCE_MIN: usize = 3;

/// One query of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The query, without what indents it in the file.
    pub text: String,
    /// Where it stands in the file, indentation included, line ends included.
    pub range: Range<usize>,
    /// Each line: its start in `text`, its start in the file.
    lines: Vec<(usize, usize)>,
    /// What stands in front of each line in the file.
    indent: String,
}

impl Block {
    /// A file that is one query.
    #[must_use]
    pub fn whole(text: &str) -> Self {
        Self { text: text.to_owned(), range: 0..text.len(), lines: vec![(0, 0)], indent: String::new() }
    }

    /// Says where a byte range of the query lies in the file.
    #[must_use]
    pub fn place(&self, range: Range<usize>) -> Range<usize> {
        let start = self.offset(range.start);
        start..self.offset(range.end).max(start)
    }

    fn offset(&self, at: usize) -> usize {
        let line = self.lines.partition_point(|(start, _)| *start <= at).saturating_sub(1);
        self.lines.get(line).map_or(self.range.end, |(start, place)| place + (at - start))
    }

    /// Writes another query as it has to stand in the file in place of this one.
    #[must_use]
    pub fn indented(&self, query: &str) -> String {
        if self.indent.is_empty() {
            return query.to_owned();
        }
        let lines = query.split_inclusive('\n').map(|line| match line.trim_end_matches(['\r', '\n']) {
            "" => line.to_owned(),
            _ => format!("{}{line}", self.indent),
        });
        lines.collect()
    }
}

/// Finds the fenced queries of a Markdown text: blocks of three or more backticks or tildes that say
/// `kql` or `kusto`. A block without an end goes to the end of the text, as in Markdown.
#[must_use]
pub fn blocks(text: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut open: Option<Fence<'_>> = None;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        match &mut open {
            None => open = Fence::open(line, at + line.len()),
            Some(fence) if fence.is_closed_by(line) => found.extend(open.take().and_then(Fence::close)),
            Some(fence) => fence.push(line, at),
        }
        at += line.len();
    }
    found.extend(open.and_then(Fence::close));
    found
}

/// A block that has begun.
struct Fence<'a> {
    /// The sign it is made of, and how many.
    sign: char,
    length: usize,
    /// What stands in front of it.
    indent: &'a str,
    is_query: bool,
    block: Block,
}

impl<'a> Fence<'a> {
    /// Reads a line that may open a block; `next` is where the line behind it begins.
    fn open(line: &'a str, next: usize) -> Option<Self> {
        let fence = line.trim_start_matches([' ', '\t', '>']);
        let indent = line.get(..line.len() - fence.len())?;
        let sign = fence.chars().next().filter(|sign| matches!(sign, '`' | '~'))?;
        let info = fence.trim_start_matches(sign);
        let length = fence.len() - info.len();
        let word =
            info.split([' ', '\t', '{', ',', '\r', '\n']).find(|word| !word.is_empty()).unwrap_or_default();
        let language = word.trim_matches(['.', '}']).to_ascii_lowercase();
        let block =
            Block { text: String::new(), range: next..next, lines: Vec::new(), indent: indent.to_owned() };
        let is_query = LANGUAGES.contains(&language.as_str());
        (length >= FENCE_MIN).then_some(Self { sign, length, indent, is_query, block })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let fence = line.trim_start_matches([' ', '\t', '>']).trim_end();
        fence.len() >= self.length && fence.chars().all(|sign| sign == self.sign)
    }

    /// Takes a line; as much of the fence's indentation as it has is not part of the query.
    fn push(&mut self, line: &str, at: usize) {
        let same = |(a, b): &(u8, u8)| a == b;
        let cut = line.bytes().zip(self.indent.bytes()).take_while(same).count();
        self.block.lines.push((self.block.text.len(), at + cut));
        self.block.text.push_str(line.get(cut..).unwrap_or_default());
        self.block.range.end = at + line.len();
    }

    fn close(self) -> Option<Block> {
        self.is_query.then_some(self.block)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(markdown: &str) -> Vec<String> {
        blocks(markdown).into_iter().map(|block| block.text).collect()
    }

    #[test]
    fn fenced_queries_are_found_and_other_blocks_are_not() {
        assert_eq!(texts("a\n```kql\nT\n| take 1\n```\nb\n```KUSTO x\nU\n```\n"), ["T\n| take 1\n", "U\n"]);
        assert_eq!(texts("```json\n{}\n```\n```\nT\n```\n"), [""; 0]);
        assert_eq!(texts("~~~~ kql\n```\nT\n~~~\n~~~~\n"), ["```\nT\n~~~\n"]);
        assert_eq!(texts("```{.kql}\nT\n```"), ["T\n"]);
        assert_eq!(texts("```kql\nT"), ["T"]);
        assert_eq!(texts("```md\n```kql\nT\n```\n```\n"), [""; 0]);
    }

    #[test]
    fn places_count_the_indentation_of_the_file() {
        let markdown = "1. x\n   ```kql\n   T\n   | take 1\n\n   ```\n";
        let [block] = blocks(markdown).try_into().expect("one block");
        assert_eq!(block.text, "T\n| take 1\n\n");
        let place = block.place(4..8);
        assert_eq!(markdown.get(place), Some("take"));
        assert_eq!(block.indented("U\n\n| take 2\n"), "   U\n\n   | take 2\n");
        assert_eq!(markdown.get(block.range), Some("   T\n   | take 1\n\n"));
    }

    #[test]
    fn a_whole_file_is_one_query() {
        let block = Block::whole("T\n| take 1");
        assert_eq!((block.place(4..8), block.indented("x\n")), (4..8, "x\n".to_owned()));
    }
}
