//! Live response sessions as a step has them.
//!
//! A script's arguments are read by a shell on the device, and what is filled into them was written by whoever
//! wrote the row. So each argument is one word: what a shell would read as more is refused, never escaped.

use serde_json::Value;

use super::ActionError;
use super::step::render;
use crate::tenant::LiveCommand;
use crate::text::Template;

/// Most commands of a session. Source: the live response page.
pub const COMMANDS_MAX: usize = 10;

/// Longest argument or path, in characters: the longest path of Windows without its own prefix.
const WORD_CHARS_MAX: usize = 260;

/// Parameters of `runLiveResponse`, in the order the service wants.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LiveParams {
    /// Files of the library to put on the device.
    pub put_files: Vec<String>,
    /// Scripts of the library to run.
    pub scripts: Vec<ScriptParams>,
    /// Files to get, by path.
    pub get_files: Vec<Template>,
}

/// A script of the library.
#[derive(Debug, Clone, PartialEq)]
pub struct ScriptParams {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Vec<Template>,
}

impl LiveParams {
    pub(super) fn render(&self, texts: &Value) -> Result<Vec<LiveCommand>, ActionError> {
        let mut commands: Vec<LiveCommand> =
            self.put_files.iter().map(|name| LiveCommand::PutFile { name: name.clone() }).collect();
        for ScriptParams { name, args } in &self.scripts {
            let words = args.iter().map(|arg| argument(arg, texts)).collect::<Result<Vec<_>, _>>()?;
            let args = Some(words.join(" ")).filter(|args| !args.is_empty());
            commands.push(LiveCommand::RunScript { name: name.clone(), args });
        }
        for path in &self.get_files {
            let path = render("getFiles", path, texts)?.trim().to_owned();
            if path.is_empty() || path.chars().any(char::is_control) || WORD_CHARS_MAX < path.chars().count()
            {
                return Err(ActionError::Word { parameter: "getFiles" });
            }
            commands.push(LiveCommand::GetFile { path });
        }
        Ok(commands)
    }
}

/// One argument. What the author wrote out is theirs to answer for; with something filled in it has to be a word
/// to every shell.
fn argument(template: &Template, texts: &Value) -> Result<String, ActionError> {
    let text = render("args", template, texts)?;
    if template.references().is_empty() {
        return Ok(text);
    }
    let text = text.trim();
    let harmless = |c: char| c.is_ascii_alphanumeric() || "._:/\\@=,+- ".contains(c);
    let fits = !text.is_empty()
        && text.chars().all(harmless)
        && !text.starts_with(['-', '@'])
        && !text.ends_with('\\')
        && text.chars().count() <= WORD_CHARS_MAX;
    if !fits {
        return Err(ActionError::Word { parameter: "args" });
    }
    Ok(if text.contains(' ') { format!("\"{text}\"") } else { text.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(source: &str, value: &str, expect: Option<&str>) {
        let template = Template::compile(source).expect("a template");
        let found = argument(&template, &json!({"row": {"X": value}}));
        assert_eq!(found.ok().as_deref(), expect, "{source} {value}");
    }

    #[test]
    fn what_is_filled_in_is_one_word_to_every_shell() {
        check("{{row.X}}", "C:\\Temp\\a.exe", Some("C:\\Temp\\a.exe"));
        check("{{row.X}}", "C:\\Program Files\\a.exe", Some("\"C:\\Program Files\\a.exe\""));
        for hostile in [
            "a; rm", "$(x)", "`x`", "a|b", "a&b", "a\"b", "a'b", "a\nb", "%x%", "@x", "", "-Force", "C:\\",
            "(x)", "a>b", "\u{2019}",
        ] {
            check("{{row.X}}", hostile, None);
        }
        check("-Mode 'deep'", "", Some("-Mode 'deep'"));
    }
}
