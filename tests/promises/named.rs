//! The names of the tests in a source: functions with `#[test]` or `#[tokio::test]`, and no others.

/// The tests of a source, in its order.
pub(crate) fn tests(source: &str) -> Vec<&str> {
    let (mut found, mut is_test, mut is_open) = (Vec::new(), false, false);
    for line in source.lines().map(str::trim) {
        let is_attribute = line.starts_with("#[");
        is_test |=
            line == "#[test]" || line.starts_with("#[tokio::test]") || line.starts_with("#[tokio::test(");
        if is_attribute || is_open {
            // An attribute over several lines ends with its bracket.
            is_open = !line.ends_with(']');
        } else if let Some(name) = function(line) {
            found.extend(is_test.then_some(name));
            is_test = false;
        } else if !line.is_empty() && !line.starts_with("//") {
            is_test = false;
        }
    }
    found
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let rest = ["pub(crate) ", "pub(super) ", "pub "].iter().find_map(|word| line.strip_prefix(word));
    let rest = rest.unwrap_or(line);
    let rest = rest.strip_prefix("async ").unwrap_or(rest).strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

#[test]
fn a_function_without_the_word_is_no_test() {
    let source = "
fn row_01_is_none() {}
#[test]
/// Words.
#[expect(
    clippy::panic,
    reason = \"x\"
)]
fn row_02_is_one() {}
    #[tokio::test(flavor = \"multi_thread\", worker_threads = 2)]
    async fn row_03_is_one(
    // async fn row_04_is_none() {}
#[test]
struct Odd;
fn row_05_is_none() {}
";
    assert_eq!(tests(source), ["row_02_is_one", "row_03_is_one"]);
}
