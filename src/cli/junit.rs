//! What came of tests, as JUnit XML: what build servers read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::transcript;
use crate::diag::{Diagnostic, Level};
use crate::rehearsal::{Played, Suite};

/// One `testsuite` for each file of tests; a file that was refused is a suite with an error.
pub(super) fn report(suite: &Suite, played: &[Played]) -> String {
    let mut files: BTreeMap<&str, Vec<&Played>> = BTreeMap::new();
    for one in played {
        files.entry(one.case.place.source.name.as_str()).or_default().push(one);
    }
    let mut refused: BTreeMap<&str, Vec<&Diagnostic>> = BTreeMap::new();
    for problem in suite.diagnostics.iter().filter(|problem| problem.level == Level::Error) {
        refused.entry(problem.span.source.name.as_str()).or_default().push(problem);
    }
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let failed = played.iter().filter(|one| !one.passed()).count();
    // Writing to a string cannot fail, here and below.
    let _infallible = writeln!(
        out,
        "<testsuites name=\"huntbook test\" tests=\"{}\" failures=\"{failed}\" errors=\"{}\" time=\"{}\">",
        played.len() + refused.len(),
        refused.len(),
        seconds(played.iter()),
    );
    for (file, tests) in &files {
        let failed = tests.iter().filter(|one| !one.passed()).count();
        let _infallible = writeln!(
            out,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\" time=\"{}\">",
            xml(file),
            tests.len(),
            seconds(tests.iter().copied()),
        );
        for one in tests {
            case(&mut out, one);
        }
        out.push_str("  </testsuite>\n");
    }
    for (file, problems) in &refused {
        let name = xml(file);
        let texts: Vec<String> = problems
            .iter()
            .map(|problem| format!("{}: {} {}", problem.span, problem.code, problem.message))
            .collect();
        let _infallible = writeln!(
            out,
            "  <testsuite name=\"{name}\" tests=\"1\" failures=\"0\" errors=\"1\" time=\"0\">\n    \
             <testcase classname=\"{name}\" name=\"the file is read\" time=\"0\">\n      \
             <error message=\"{}\">{}</error>\n    </testcase>\n  </testsuite>",
            xml(texts.first().map(String::as_str).unwrap_or_default()),
            xml(&texts.join("\n")),
        );
    }
    out.push_str("</testsuites>\n");
    out
}

fn case(out: &mut String, played: &Played) {
    let (line, _) = played.case.place.line_column();
    let _infallible = write!(
        out,
        "    <testcase classname=\"{}\" name=\"{}\" file=\"{}\" line=\"{line}\" time=\"{}\"",
        xml(&played.case.plan.about.name),
        xml(&played.case.name),
        xml(&played.case.place.source.name),
        seconds([played].into_iter()),
    );
    if played.passed() {
        out.push_str("/>\n");
        return;
    }
    let failures = played.scenes.iter().flat_map(|scene| &scene.failures);
    let first = failures.map(|failure| failure.message.as_str()).next().or(played.broken.as_deref());
    let _infallible = write!(
        out,
        ">\n      <failure message=\"{}\">{}</failure>\n    </testcase>\n",
        xml(first.unwrap_or_default()),
        xml(&transcript::failure(played)),
    );
}

fn seconds<'p>(played: impl Iterator<Item = &'p Played>) -> String {
    format!("{:.4}", played.map(|one| one.took.as_secs_f64()).sum::<f64>())
}

/// A text inside XML 1.0, in an attribute or between tags. What XML cannot hold is replaced.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(char),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            _ => out.push(char),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_cannot_break_out_of_xml() {
        assert_eq!(xml("a<b>\"&\u{1b}[2J\u{0}\n"), "a&lt;b&gt;&quot;&amp;\u{fffd}[2J\u{fffd}\n");
    }
}
