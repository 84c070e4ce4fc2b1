//! The stable codes, one for each kind of problem.

use std::borrow::Cow;
use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $text:literal, $title:literal);+ $(;)?) => {
        /// A kind of problem. The text (`HB0101`) never changes its meaning and is never used again.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
            /// A problem inside a hunting query, by the number that the query library gives it.
            Kql(u16),
        }

        impl Code {
            /// Every code of our own, ascending.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The code as it is printed.
            #[must_use]
            pub fn as_str(self) -> Cow<'static, str> {
                match self {
                    $(Self::$variant => Cow::Borrowed($text),)+
                    Self::Kql(number) => Cow::Owned(format!("KQL{number:03}")),
                }
            }

            /// Finds a code by its text, whatever its case.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                let own = Self::ALL.iter().copied().find(|code| code.as_str().eq_ignore_ascii_case(text));
                own.or_else(|| {
                    let (prefix, number) = text.split_at_checked(3)?;
                    let known = prefix.eq_ignore_ascii_case("KQL") && number.len() == 3;
                    number.parse().ok().filter(|_| known).map(Self::Kql)
                })
            }

            /// What it means, in a sentence or two.
            #[must_use]
            pub const fn about(self) -> &'static str {
                match self {
                    $(Self::$variant => concat!($($doc),+),)+
                    Self::Kql(_) => " A problem inside a hunting query.",
                }
            }

            /// What the kind is called.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self {
                    $(Self::$variant => $title,)+
                    Self::Kql(_) => "a problem in a hunting query",
                }
            }
        }
    };
}

codes! {
    /// The bytes are not an acceptable text: encoding, control characters, size.
    Text = "HB0001", "the file is not acceptable text";
    /// YAML does not parse.
    Yaml = "HB0002", "the YAML does not parse";
    /// A key comes twice in one map.
    DuplicateKey = "HB0003", "a key comes twice";
    /// A YAML feature that is not allowed here (tags, second document, too many aliases, depth).
    YamlFeature = "HB0004", "a YAML feature that is not allowed";
    /// A limit on the size of the document.
    YamlLimit = "HB0005", "the document is too large";
    /// A file or folder that is not there or may not be read.
    Unreadable = "HB0006", "a file that cannot be read";
    /// A key that does not exist.
    UnknownKey = "HB0101", "an unknown key";
    /// A required key is missing.
    MissingKey = "HB0102", "a required key is missing";
    /// A value of the wrong type.
    WrongType = "HB0103", "a value of the wrong type";
    /// A value outside the allowed set or range.
    WrongValue = "HB0104", "a value that is not allowed";
    /// Keys that exclude or need each other.
    KeyCombination = "HB0105", "keys that do not go together";
    /// Two files carry the same playbook id.
    DuplicateId = "HB0106", "two playbooks with the same id";
    /// Two files carry the same playbook name.
    DuplicateName = "HB0107", "two playbooks with the same name";
    /// A duration that cannot be read.
    Duration = "HB0201", "a duration that cannot be read";
    /// A cron expression that cannot be read or never fires.
    Cron = "HB0202", "a cron expression that cannot be used";
    /// A time zone that does not exist.
    TimeZone = "HB0203", "an unknown time zone";
    /// A Rhai expression that does not compile.
    Expression = "HB0301", "an expression that does not compile";
    /// A name in an expression that does not exist.
    UnknownName = "HB0302", "an unknown name in an expression";
    /// A function in an expression that does not exist.
    UnknownFunction = "HB0303", "an unknown function in an expression";
    /// Types in an expression that do not fit.
    ExpressionType = "HB0304", "types that do not fit in an expression";
    /// A template that does not compile.
    Template = "HB0401", "a template that does not compile";
    /// A variable in a template that does not exist.
    UnknownVariable = "HB0402", "an unknown variable in a template";
    /// A helper in a template that does not exist.
    UnknownHelper = "HB0403", "an unknown helper in a template";
    /// Interpolation where none may be.
    ForbiddenTemplate = "HB0404", "a template where none is allowed";
    /// A column that chats are not told.
    ChatColumn = "HB0405", "a column that chats are not told";
    /// A list, channel, tenant or file that does not exist.
    UnknownReference = "HB0501", "a name that refers to nothing";
    /// A list file that cannot be read.
    List = "HB0502", "a list that cannot be read";
    /// A file of the schema folder, which says what tables, functions and watchlists the tenants have, cannot be
    /// read. Such a file is JSON: `{"format": 1, "tables": [{"name": "Mine_CL", "columns": [["Timestamp",
    /// "datetime"], ["Size", "long"]]}], "stored": {"Doubled": "(n: long) { n * 2 }"}, "watchlists": {"vip":
    /// [["Upn", "string"]]}}`. `"extends": true` in a table adds its columns to those that are known.
    Schema = "HB0503", "a schema file that cannot be read";
    /// A query that cannot be used.
    Query = "HB0601", "a hunting query that cannot be used";
    /// An action whose parameters do not fit.
    Action = "HB0701", "an action that cannot be used";
    /// A guard looser than the settings allow.
    Guard = "HB0702", "a guard looser than the settings allow";
    /// A playbook that asks for approval and does not say whose it is.
    Author = "HB0703", "an approval that its playbook's author could give";
    /// A secret written in the clear.
    SecretInClear = "HB0801", "a secret written in the clear";
    /// An endpoint that is not allowed.
    Endpoint = "HB0802", "an endpoint that is not allowed";
    /// A secret that others can read, or a file or folder of which others decide what is in it.
    Exposed = "HB0803", "a file or folder that is open to others";
    /// Something of a service that ends on a day that its maker has told.
    Ending = "HB0804", "something that ends on a known day";
    /// A playbook or list without a signature of a key that the settings name.
    Unsigned = "HB0805", "a file without a valid signature";
    /// A fixture of a test that is not there, cannot be read or does not fit.
    Fixture = "HB0901", "a fixture that cannot be used";
    /// A test that can never be played or never pass as it stands.
    Test = "HB0902", "a test that cannot be meant";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_ascend_and_are_found_by_their_text() {
        assert!(Code::ALL.is_sorted_by(|a, b| a.as_str() < b.as_str()));
        for code in Code::ALL {
            assert_eq!(Code::parse(&code.as_str().to_lowercase()), Some(*code));
            assert!(code.about().trim().ends_with('.'), "{code}");
        }
        assert_eq!(Code::parse("HB9999"), None);
        assert_eq!(Code::parse("kql013"), Some(Code::Kql(13)));
        assert_eq!(Code::Kql(13).to_string(), "KQL013");
        for text in ["KQL", "KQL13", "KQL0013", "KQL-13", "é"] {
            assert_eq!(Code::parse(text), None, "{text}");
        }
    }
}
