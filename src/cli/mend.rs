//! `--fix`: the changes of queries that are safe to make, made in their files.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use super::output::{counted, tell};
use super::{args, diff};
use crate::diag::{Code, Diagnostic, Suggestion};

/// Makes the safe changes among problems, or shows them. Only those of queries are: what a query means stays.
/// Everything else in the files stays byte for byte. Of changes that overlap only the first is made. Gives
/// whether files were changed.
pub(super) fn apply(problems: &[Diagnostic], fix: &args::Fix) -> anyhow::Result<bool> {
    let mut files: BTreeMap<&str, Vec<(&str, &Suggestion)>> = BTreeMap::new();
    for problem in problems.iter().filter(|problem| matches!(problem.code, Code::Kql(_))) {
        let Some(change) = &problem.suggestion else { continue };
        let source = &problem.span.source;
        files.entry(&source.name).or_default().push((&source.text, change));
    }
    let (mut made, mut left, mut changed) = (0, 0, 0);
    for (name, mut changes) in files {
        changes.sort_by_key(|(_, change)| (change.range.start, change.range.end));
        let Some((text, _)) = changes.first().copied() else { continue };
        let path = Path::new(name);
        let reading = || format!("reading `{name}`");
        // Standard input has no file; one that has become another in the meantime has other places.
        if !path.is_file() || fs::read(path).with_context(reading)? != text.as_bytes() {
            left += changes.len();
            continue;
        }
        let (after, count) = changed_text(text, &changes);
        made += count;
        left += changes.len() - count;
        changed += 1;
        if fix.dry_run {
            tell(diff::unified(name, text, &after).trim_end());
        } else {
            replace(path, &after)?;
        }
    }
    let word = if fix.dry_run { "would be made" } else { "made" };
    let rest = match left {
        0 => String::new(),
        left => format!("; {left} left: they overlap, or have no file. Run it again"),
    };
    tell(&format!("{} {word} in {}{rest}", counted((made, "change")), counted((changed, "file"))));
    Ok(changed > 0 && !fix.dry_run)
}

/// The text with changes, in the order of their places, and how many of them were made.
fn changed_text(text: &str, changes: &[(&str, &Suggestion)]) -> (String, usize) {
    let (mut after, mut end, mut made) = (String::new(), 0, 0);
    for (_, change) in changes {
        let overlaps = change.range.start < end || (made > 0 && change.range.start == end);
        let Some(between) = text.get(end..change.range.start).filter(|_| !overlaps) else { continue };
        after.push_str(between);
        after.push_str(&change.replacement);
        end = change.range.end;
        made += 1;
    }
    after.push_str(text.get(end..).unwrap_or_default());
    (after, made)
}

/// Writes a file. It is written beside itself and then moved, so that nothing of it is lost if that fails.
pub(super) fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let name = || format!("writing `{}`", path.display());
    let mut beside = path.to_owned().into_os_string();
    beside.push(".new");
    let permissions = fs::metadata(path).with_context(name)?.permissions();
    fs::write(&beside, text).with_context(name)?;
    fs::set_permissions(&beside, permissions).with_context(name)?;
    fs::rename(&beside, path).with_context(name)
}
