//! `huntbook actions`: the catalogue, and a page for each action, taken from where each fact is written down once.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::Output;
use super::exit::Exit;
use super::output::{fold, show, width};
use super::{Misuse, tables};
use crate::action::{ActionKind, Impact, text_limit};
use crate::diag::nearest;
use crate::playbook;
use crate::tenant::{Group, Permission};

/// Width of the words at the left of a page.
const MARGIN: usize = 14;

/// Lists the actions, or explains one.
pub(super) fn run(name: Option<&str>, format: Output) -> anyhow::Result<Exit> {
    let Some(name) = name else {
        let all: Vec<_> = ActionKind::ALL.iter().map(|kind| line_of(*kind)).collect();
        show(format, &all, |all| list(all))?;
        return Ok(Exit::Fine);
    };
    let Some(kind) = ActionKind::ALL.iter().find(|kind| kind.as_str() == name) else {
        let near = nearest(name, ActionKind::ALL.iter().map(|kind| kind.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        return Err(Misuse(format!("there is no action `{}`{hint}", name.escape_debug())).into());
    };
    show(format, &page_of(*kind), page)?;
    Ok(Exit::Fine)
}

/// What the list says of an action.
fn line_of(kind: ActionKind) -> Value {
    let spec = kind.spec();
    json!({
        "name": kind.as_str(),
        "summary": spec.summary,
        "api": kind.audience().portal_name(),
        "endpoint": spec.endpoint,
        "roles": kind.permissions().map(Permission::least).collect::<Vec<_>>(),
        "target": format!("{:?}", spec.target).to_lowercase(),
        "disruptive": kind.impact() == Impact::Disruptive,
        "needsApproval": kind.needs_approval(),
        "repeatable": kind.is_repeatable(),
        "undo": spec.undo.map(ActionKind::as_str),
    })
}

/// Everything about an action.
fn page_of(kind: ActionKind) -> Value {
    let manual = kind.manual();
    let group = Group::of(kind.audience(), kind.as_str(), kind.permission().least());
    let access: Vec<Value> = kind
        .permissions()
        .map(|permission| {
            json!({
                "api": permission.audience.portal_name(),
                "application": permission.roles,
                "applicationWider": permission.wider,
                "delegated": permission.scopes().collect::<Vec<_>>(),
            })
        })
        .collect();
    let mut page = line_of(kind);
    let more = json!({
        "presupposes": manual.presupposes,
        "access": access,
        "person": manual.person,
        "quota": {"group": group.name, "limit": group.quota.to_string(), "source": group.quota.source},
        "risk": manual.risk,
        "takenBack": manual.taken_back,
        "readBack": manual.read_back,
        "ends": manual.ends,
        "trouble": manual.trouble,
        "parameters": parameters(kind),
        "example": kind.example(),
    });
    if let (Some(page), Value::Object(more)) = (page.as_object_mut(), more) {
        page.extend(more);
    }
    page
}

/// The parameters, from the schema that playbooks are checked against.
fn parameters(kind: ActionKind) -> Vec<Value> {
    let schema = playbook::schema();
    let at = format!("/properties/actions/items/properties/{kind}");
    let mut found = Vec::new();
    if let Some(schema) = schema.pointer(&at) {
        collect("", schema, &mut found);
    }
    found
}

/// Adds the members of an object, and what is in them.
fn collect(prefix: &str, object: &Value, found: &mut Vec<Value>) {
    let required: Vec<&str> = list_of(object, "required").iter().filter_map(Value::as_str).collect();
    for (name, schema) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{prefix}{name}");
        found.push(json!({
            "name": path,
            "required": required.contains(&name.as_str()),
            "description": schema.get("description"),
            "type": type_of(schema),
            "limits": limits(&path, schema),
            "values": values(schema),
            "default": schema.get("default").filter(|default| !default.as_array().is_some_and(Vec::is_empty)),
            "example": list_of(schema, "examples").first(),
        }));
        collect(&format!("{path}."), schema, found);
        if let Some(items) = schema.get("items") {
            collect(&format!("{path}[]."), items, found);
        }
    }
}

fn list_of<'a>(schema: &'a Value, key: &str) -> &'a [Value] {
    schema.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// The type in a word.
fn type_of(schema: &Value) -> String {
    let word = schema.get("type").and_then(Value::as_str);
    if word == Some("array") {
        return format!("list of {}", schema.get("items").map_or_else(|| "anything".to_owned(), type_of));
    }
    if !list_of(schema, "oneOf").is_empty() {
        return "one of".to_owned();
    }
    let is_length_of_time = schema.get("x-code").and_then(Value::as_str) == Some("HB0201");
    match word {
        Some("string") if is_length_of_time => "length of time".to_owned(),
        Some("string") => "text".to_owned(),
        Some(word) => word.to_owned(),
        None => "anything".to_owned(),
    }
}

/// The words that are allowed, if they are counted.
fn values(schema: &Value) -> Vec<Value> {
    let word = |one: &Value| json!({"value": one.get("const"), "means": one.get("description")});
    list_of(schema, "oneOf").iter().map(word).collect()
}

/// Every limit, each in some words.
fn limits(path: &str, schema: &Value) -> Vec<String> {
    let words = [
        ("minLength", "at least", "characters"),
        ("maxLength", "at most", "characters"),
        ("minItems", "at least", "entries"),
        ("maxItems", "at most", "entries"),
        ("minProperties", "at least", "of them"),
        ("minimum", "at least", ""),
        ("maximum", "at most", ""),
    ];
    let number = |key: &str, schema: &Value| schema.get(key).and_then(Value::as_u64);
    let mut found: Vec<String> = words
        .iter()
        .filter_map(|(key, side, of)| {
            Some(match (*key, number(key, schema)?) {
                ("minLength" | "minItems", 1) => "not empty".to_owned(),
                (_, count) => format!("{side} {count} {of}").trim_end().to_owned(),
            })
        })
        .collect();
    if let Some(most) = schema.get("items").and_then(|items| number("maxLength", items)) {
        found.push(format!("each at most {most} characters"));
    }
    let is_text = matches!(type_of(schema).as_str(), "text" | "list of text");
    found.extend(text_limit(path).filter(|_limit| is_text));
    found
}

/// The catalogue, for people.
fn list(actions: &[Value]) -> String {
    let mut table = tables::table(&["action", "what it does", "needs", "disruptive"]);
    for action in actions {
        let roles = format!("{}: {}", text_of(action, "api"), words_of(action, "roles", ", "));
        let disruptive = if action.get("disruptive") == Some(&true.into()) { "yes" } else { "no" };
        table.add_row([text_of(action, "name"), text_of(action, "summary"), roles, disruptive.to_owned()]);
    }
    table.to_string()
}

/// A page, for people.
fn page(action: &Value) -> String {
    let mut text = String::new();
    let mut line = |word: &str, rest: &str| {
        let _infallible =
            writeln!(text, "{}", fold(format!("{word:<MARGIN$}{rest}").trim_end(), width(), MARGIN));
    };
    line("action", &text_of(action, "name"));
    line("", &text_of(action, "summary"));
    line("aimed at", &text_of(action, "target"));
    line("presupposes", &text_of(action, "presupposes"));
    line("API", &format!("{} ({})", text_of(action, "api"), text_of(action, "endpoint")));
    for (nth, one) in list_of(action, "access").iter().enumerate() {
        let wider = words_of(one, "applicationWider", ", ");
        let wider = if wider.is_empty() { wider } else { format!("; {wider} include it") };
        line(
            if nth == 0 { "application" } else { "and" },
            &format!("{} of {}{wider}", words_of(one, "application", " or "), text_of(one, "api")),
        );
    }
    for (nth, one) in list_of(action, "access").iter().enumerate() {
        let word = if nth == 0 { "a person" } else { "and" };
        line(word, &format!("{} of {} (delegated)", words_of(one, "delegated", " or "), text_of(one, "api")));
    }
    line("", &format!("and {}", text_of(action, "person")));
    line("a partner", "the same as an application, consented to in each customer's tenant");
    let quota = action.get("quota").unwrap_or(&Value::Null);
    line(
        "quota",
        &format!("{} ({}; {})", text_of(quota, "limit"), text_of(quota, "group"), text_of(quota, "source")),
    );
    line("risk", &text_of(action, "risk"));
    let undo = action.get("undo").and_then(Value::as_str).map(|undo| format!("by `{undo}`"));
    let back: Vec<String> = undo.into_iter().chain(some(action, "takenBack")).collect();
    line("taken back", &back.join("; "));
    line("read back", &text_of(action, "readBack"));
    line("ends", &text_of(action, "ends"));
    for (nth, one) in list_of(action, "trouble").iter().filter_map(Value::as_str).enumerate() {
        line(if nth == 0 { "trouble" } else { "" }, one);
    }
    text.push_str("\nparameters\n");
    for parameter in list_of(action, "parameters") {
        text.push_str(&parameter_lines(parameter));
    }
    let _infallible = write!(text, "\nexample\n\n{}", text_of(action, "example"));
    text
}

/// A parameter, for people.
fn parameter_lines(parameter: &Value) -> String {
    let is_required = parameter.get("required") == Some(&true.into());
    let mut about = vec![text_of(parameter, "type")];
    about.extend(is_required.then(|| "required".to_owned()));
    about.extend(list_of(parameter, "limits").iter().filter_map(Value::as_str).map(str::to_owned));
    about
        .extend(parameter.get("default").filter(|one| !one.is_null()).map(|one| format!("{one} by default")));
    let mut text = format!("  {} ({})\n", text_of(parameter, "name"), about.join(", "));
    let _infallible =
        writeln!(text, "{}", fold(&format!("    {}", text_of(parameter, "description")), width(), 4));
    for value in list_of(parameter, "values") {
        let line = format!("      {}: {}", text_of(value, "value"), text_of(value, "means"));
        let _infallible = writeln!(text, "{}", fold(&line, width(), 8));
    }
    text
}

/// A text, if it is there and says something.
fn some(value: &Value, key: &str) -> Option<String> {
    value.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn text_of(value: &Value, key: &str) -> String {
    some(value, key).unwrap_or_else(|| "–".to_owned())
}

fn words_of(value: &Value, key: &str, between: &str) -> String {
    list_of(value, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(between)
}
