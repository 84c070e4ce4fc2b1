//! What changes between two texts, as `diff -u` shows it.

use std::fmt::Write as _;

/// Unchanged lines around a change.
const CONTEXT: usize = 3;

/// Most lines of a changed stretch that are compared one by one. A longer one is shown as taken out
/// and put in whole, because the comparison takes the product of both lengths.
const COMPARED_MAX: usize = 2_000;

/// One line of the comparison.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit<'a> {
    Same(&'a str),
    Out(&'a str),
    In(&'a str),
}

/// Writes the changes; nothing when there are none.
pub(super) fn unified(name: &str, before: &str, after: &str) -> String {
    let old: Vec<&str> = before.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let edits = compare(&old, &new);
    let mut out = format!("--- {name}\n+++ {name}\n");
    let (mut old_line, mut new_line, mut at) = (1, 1, 0);
    for (start, end) in hunks(&edits) {
        for edit in edits.get(at..start).unwrap_or_default() {
            step(*edit, &mut old_line, &mut new_line);
        }
        let hunk = edits.get(start..end).unwrap_or_default();
        let count = |skip: fn(&Edit<'_>) -> bool| hunk.iter().filter(|edit| !skip(edit)).count();
        let old_count = count(|edit| matches!(edit, Edit::In(_)));
        let new_count = count(|edit| matches!(edit, Edit::Out(_)));
        let _infallible = writeln!(out, "@@ -{old_line},{old_count} +{new_line},{new_count} @@");
        for edit in hunk {
            let (sign, line) = match *edit {
                Edit::Same(line) => (' ', line),
                Edit::Out(line) => ('-', line),
                Edit::In(line) => ('+', line),
            };
            let _infallible = writeln!(out, "{sign}{}", line.trim_end_matches('\n'));
            if !line.ends_with('\n') {
                out.push_str("\\ No newline at end of file\n");
            }
            step(*edit, &mut old_line, &mut new_line);
        }
        at = end;
    }
    if at == 0 { String::new() } else { out }
}

fn step(edit: Edit<'_>, old_line: &mut usize, new_line: &mut usize) {
    *old_line += usize::from(!matches!(edit, Edit::In(_)));
    *new_line += usize::from(!matches!(edit, Edit::Out(_)));
}

/// Finds the stretches to show: each change with its context, those that touch as one.
fn hunks(edits: &[Edit<'_>]) -> Vec<(usize, usize)> {
    let mut hunks: Vec<(usize, usize)> = Vec::new();
    let changes = edits.iter().enumerate().filter(|(_, edit)| !matches!(edit, Edit::Same(_)));
    for (at, _) in changes {
        let (start, end) = (at.saturating_sub(CONTEXT), (at + 1 + CONTEXT).min(edits.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.1 => last.1 = end,
            _ => hunks.push((start, end)),
        }
    }
    hunks
}

/// Compares line by line what lies between the common beginning and the common end.
fn compare<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let same = |(a, b): &(&&str, &&str)| a == b;
    let head = old.iter().zip(new).take_while(same).count();
    let (old_rest, new_rest) = (old.get(head..).unwrap_or_default(), new.get(head..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(same).count();
    let (old_middle, old_tail) = old_rest.split_at(old_rest.len() - tail);
    let (new_middle, _) = new_rest.split_at(new_rest.len() - tail);
    let mut edits: Vec<Edit<'a>> = old.iter().take(head).map(|line| Edit::Same(line)).collect();
    if old_middle.len().max(new_middle.len()) > COMPARED_MAX {
        edits.extend(old_middle.iter().map(|line| Edit::Out(line)));
        edits.extend(new_middle.iter().map(|line| Edit::In(line)));
    } else {
        edits.append(&mut longest_common(old_middle, new_middle));
    }
    edits.extend(old_tail.iter().map(|line| Edit::Same(line)));
    edits
}

/// Keeps the longest common row of lines.
fn longest_common<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<Edit<'a>> {
    let width = new.len() + 1;
    let mut lengths = vec![0_u16; (old.len() + 1) * width];
    let length = |lengths: &[u16], row: usize, column: usize| {
        lengths.get(row * width + column).copied().unwrap_or_default()
    };
    for (row, a) in old.iter().enumerate().rev() {
        for (column, b) in new.iter().enumerate().rev() {
            let value = if a == b {
                length(&lengths, row + 1, column + 1) + 1
            } else {
                length(&lengths, row + 1, column).max(length(&lengths, row, column + 1))
            };
            if let Some(cell) = lengths.get_mut(row * width + column) {
                *cell = value;
            }
        }
    }
    let (mut row, mut column) = (0, 0);
    let mut edits = Vec::new();
    loop {
        match (old.get(row), new.get(column)) {
            (Some(a), Some(b)) if a == b => {
                edits.push(Edit::Same(a));
                (row, column) = (row + 1, column + 1);
            }
            (Some(a), b)
                if b.is_none() || length(&lengths, row + 1, column) >= length(&lengths, row, column + 1) =>
            {
                edits.push(Edit::Out(a));
                row += 1;
            }
            (_, Some(b)) => {
                edits.push(Edit::In(b));
                column += 1;
            }
            (_, None) => return edits,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::unified;

    #[test]
    fn changes_are_shown_with_three_lines_around_them() {
        let before = "1\n2\n3\n4\n5\n6\n7\n8\n9\n";
        let after = "1\n2\n3\n4\nfive\n6\n7\n8\n9\n10";
        let expected = "--- a\n+++ a\n@@ -2,8 +2,9 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n 9\n+10\n\
                        \\ No newline at end of file\n";
        assert_eq!(unified("a", before, after), expected);
    }

    #[test]
    fn far_changes_are_apart() {
        let lines: Vec<String> = (0..30).map(|n: u32| n.to_string()).collect();
        let before = lines.join("\n") + "\n";
        let after = before.replace("\n5\n", "\nx\n").replace("\n25\n", "\ny\n");
        let shown = unified("a", &before, &after);
        assert_eq!(shown.matches("@@ -").count(), 2);
        assert!(shown.contains("@@ -23,7 +23,7 @@"), "{shown}");
    }

    #[test]
    fn no_change_is_nothing() {
        assert_eq!(unified("a", "x\n", "x\n"), "");
    }
}
