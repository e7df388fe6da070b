//! What could stand where something wrong stands: what was written in the right form where it can be told, else an example.
//!
//! Everything here is a guess, and each guess is tried: what the schema does not accept at the place is not offered. Who follows a
//! guess must not get a sandbox that is more open than what was written, so what could be several things is taken for none of them.

use serde_json::{Map, Value, json};

use crate::diagnostic::{Instead, nearest};
use crate::scalar::{
    Address, Endpoint, EtcPath, HostPath, Lexical, Memory, PortRange, Prefix, SandboxName, Size, SocketName,
    SystemCall, UnitName,
};
use crate::schema::{Schema, entries};

/// The longest text that is looked at, in bytes. What somebody mistook for the right form is a few words.
const LONGEST: usize = 400;

/// What could stand at `place` (a JSON pointer) instead of `written`.
pub(crate) fn of(schema: &Schema, place: &str, written: &Value) -> Option<Instead> {
    let part = schema.at(place)?;
    // What a whole policy was meant to be, nobody can tell.
    let meant = (!place.is_empty()).then(|| convert(schema, part, written)).flatten();
    meant.map(Instead::Meant).or_else(|| named(schema, part, written)).or_else(|| {
        // Where the words are few, the message has them all.
        schema.choices(place).is_empty().then(|| example(schema, part).map(Instead::Example)).flatten()
    })
}

/// An example of what stands at a part of the schema.
pub(crate) fn example(schema: &Schema, part: &Value) -> Option<Value> {
    let meant = schema.follow(part);
    let given = |part: &Value| part.get("examples").and_then(|examples| examples.get(0)).cloned();
    if let Some(given) = given(part).or_else(|| given(meant)) {
        return Some(given);
    }
    let first = |list: &str| meant.get(list).and_then(|list| list.get(0));
    if let Some(word) = first("enum").or_else(|| first("oneOf")?.get("const")) {
        return Some(word.clone());
    }
    let found = match meant.get("type").and_then(Value::as_str)? {
        "array" => json!([example(schema, meant.get("items")?)?]),
        "object" => Value::Object(match entries(meant) {
            Some(entry) => Map::from_iter([("name".to_owned(), example(schema, entry)?)]),
            None => required(schema, meant)?,
        }),
        "integer" => part.get("default").or_else(|| meant.get("minimum"))?.clone(),
        "boolean" => Value::Bool(!part.get("default").and_then(Value::as_bool).unwrap_or(false)),
        _ => return None,
    };
    schema.part_accepts(part, &found).then_some(found)
}

/// The fields that an object must have, or one of those that it may have.
fn required(schema: &Schema, meant: &Value) -> Option<Map<String, Value>> {
    let properties = meant.get("properties")?.as_object()?;
    let must: Vec<&str> = meant
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let fields = properties.iter().filter(|(name, _)| must.is_empty() || must.contains(&name.as_str()));
    let count = if must.is_empty() { 1 } else { must.len() };
    let fields = fields.filter_map(|(name, field)| Some((name.clone(), example(schema, field)?)));
    Some(fields.take(count).collect())
}

/// A list of names where an object is expected: the object with those fields, whose values have to be filled in.
fn named(schema: &Schema, part: &Value, written: &Value) -> Option<Instead> {
    let names: Vec<&str> = match written {
        Value::String(name) => vec![name],
        Value::Array(items) => items.iter().map(Value::as_str).collect::<Option<_>>()?,
        _ => return None,
    };
    let properties = schema.follow(part).get("properties")?.as_object()?;
    let field = |name: &str| {
        let name = nearest(name, properties.keys().map(String::as_str))?;
        let value = example(schema, properties.get(&name)?)?;
        Some((name, value))
    };
    let object: Map<String, Value> = names.into_iter().map(field).collect::<Option<_>>()?;
    (!object.is_empty()).then(|| Instead::Example(Value::Object(object)))
}

/// What was written, in a form that the part of the schema accepts.
pub(crate) fn convert(schema: &Schema, part: &Value, written: &Value) -> Option<Value> {
    if !short(written) {
        return None;
    }
    let accepts = |value: Value| schema.part_accepts(part, &value).then_some(value);
    if let Some(value) = accepts(written.clone()) {
        return Some(value);
    }
    let meant = schema.follow(part);
    // One thing in a list, where the thing itself is expected.
    if let (Value::Array(items), false) = (written, meant.get("items").is_some()) {
        let [one] = items.as_slice() else { return None };
        return convert(schema, part, one);
    }
    let text = text(written);
    match meant.get("type").and_then(Value::as_str) {
        Some("array") => list(schema, part, meant.get("items")?, written),
        Some("object") => accepts(Value::Object(match entries(meant) {
            Some(_) => pairs(&text?)?,
            None => fields(schema, meant.get("properties")?.as_object()?, &words(written)?)?,
        })),
        Some("integer") => accepts(text?.trim().parse::<i64>().ok()?.into()),
        Some("boolean") => {
            // What systemd takes for one, systemd.syntax(7).
            let yes = ["1", "yes", "y", "true", "t", "on"];
            let no = ["0", "no", "n", "false", "f", "off"];
            let text = text?.to_lowercase();
            let word = |words: [&str; 6]| words.contains(&text.as_str());
            (word(yes) || word(no)).then(|| Value::Bool(word(yes)))
        }
        // A flag is no string: as a reason, say, it would be an empty one.
        _ if written.is_boolean() => None,
        _ => repairs(meant, &text?).into_iter().find_map(|repaired| accepts(Value::String(repaired))),
    }
}

/// A list of what was written: of it as it is, or of its words.
fn list(schema: &Schema, part: &Value, item: &Value, written: &Value) -> Option<Value> {
    let one = |value: &Value| convert(schema, item, value);
    let items = match written {
        Value::Array(items) => items.iter().map(one).collect::<Option<Vec<Value>>>()?,
        Value::String(text) => {
            let words = text.split([' ', ',']).filter(|word| !word.is_empty());
            let words = || words.clone().map(|word| one(&word.into())).collect::<Option<Vec<Value>>>();
            let several = text.contains(',').then(words).flatten();
            several.or_else(|| one(written).map(|one| vec![one])).or_else(words)?
        }
        other => vec![one(other)?],
    };
    let found = Value::Array(items);
    schema.part_accepts(part, &found).then_some(found)
}

/// `name:value`, as systemd's own settings have it.
fn pairs(text: &str) -> Option<Map<String, Value>> {
    let (name, value) = text.split_once([':', '='])?;
    Some(Map::from_iter([(name.to_owned(), Value::from(value))]))
}

/// The words of what somebody wrote for an object: `tcp 80`, `80/tcp`, `{ "deny": "10.0.0.0/8" }`.
fn words(written: &Value) -> Option<Vec<String>> {
    let mut found = Vec::new();
    match written {
        Value::Object(members) => {
            for (key, value) in members {
                found.push(key.clone());
                found.push(text(match value {
                    Value::Array(items) if items.len() == 1 => items.first()?,
                    other => other,
                })?);
            }
        }
        // That something is wanted or not says nothing of what.
        Value::Bool(_) => return None,
        other => {
            let text = text(other)?;
            found.extend(text.split([' ', ',', ':']).filter(|word| !word.is_empty()).map(str::to_owned));
            if let [one] = found.as_slice()
                && one.matches('/').count() == 1
                && one.starts_with(|c: char| c.is_ascii_digit())
                && !one.contains('.')
            {
                found = one.split('/').map(str::to_owned).collect();
            }
        }
    }
    Some(found)
}

/// Each word as the value of the first field that takes it, a field's own name before it left out. `None` if a word fits none.
fn fields(schema: &Schema, properties: &Map<String, Value>, words: &[String]) -> Option<Map<String, Value>> {
    let mut found = Map::new();
    let mut wanted: Option<&String> = None;
    for word in words {
        if let Some((name, _)) = properties.get_key_value(word).filter(|_| wanted.is_none()) {
            wanted = Some(name);
            continue;
        }
        let free = properties.iter().filter(|(name, _)| !found.contains_key(*name));
        let mut fitting = free.filter(|(name, _)| wanted.is_none_or(|wanted| wanted == *name)).filter_map(
            |(name, field)| {
                let kind = schema.follow(field).get("type").and_then(Value::as_str);
                let told = wanted.is_some() || tells(schema, field, word);
                let value = told.then(|| convert(schema, field, &Value::from(word.as_str()))).flatten();
                Some((name.clone(), value.filter(|_| kind != Some("string"))?, kind))
            },
        );
        let (name, value, kind) = fitting.next()?;
        // A number says nothing where there are several to set.
        if kind == Some("integer") && fitting.any(|(_, _, other)| other == kind) {
            return None;
        }
        wanted = None;
        found.insert(name, value);
    }
    // In the order in which the schema has them.
    let ordered = properties.keys().filter_map(|name| found.remove_entry(name)).collect::<Map<_, _>>();
    (wanted.is_none() && !ordered.is_empty()).then_some(ordered)
}

/// Whether a word says by itself that it is for this field: numbers, addresses and words of a list do. Nearly any word is a name, and
/// would open something as one.
fn tells(schema: &Schema, field: &Value, word: &str) -> bool {
    let meant = schema.follow(field);
    let one = meant.get("items").map_or(meant, |item| schema.follow(item));
    let form = pattern(one);
    let telling = [Endpoint::PATTERN, Address::PATTERN, Prefix::PATTERN, PortRange::PATTERN];
    let listed = one.get("enum").is_some() || one.get("oneOf").is_some();
    let number = one.get("type").and_then(Value::as_str) == Some("integer");
    let here = Value::from(word.to_lowercase());
    number || form.is_some_and(|form| telling.contains(&form)) || (listed && schema.part_accepts(one, &here))
}

fn pattern(meant: &Value) -> Option<&str> {
    meant.get("pattern").and_then(Value::as_str)
}

/// What somebody may have meant by a string where this is expected, the likelier first: each form has its own mistakes.
fn repairs(meant: &Value, text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() {
        return Vec::new();
    }
    let mut found = vec![text.to_owned()];
    let dashed = || text.split_whitespace().collect::<Vec<_>>().join("-");
    match pattern(meant).unwrap_or_default() {
        HostPath::PATTERN => found.extend(absolute(text)),
        EtcPath::PATTERN => found.push(text.trim_start_matches("/etc/").trim_end_matches('/').to_owned()),
        UnitName::PATTERN => found.push(format!("{text}.service")),
        SocketName::PATTERN => found.push(format!("{text}.socket")),
        Endpoint::PATTERN => {
            let local = text.replace("localhost", "127.0.0.1");
            found.extend([
                local.clone(),
                format!("tcp {local}"),
                local.replacen("://", " ", 1),
                local.replacen(':', " ", 1),
            ]);
        }
        Memory::PATTERN | Size::PATTERN => {
            let bytes = text.trim_end_matches("ytes").trim_end_matches(['b', 'B']).trim_end_matches('i');
            found.push(bytes.to_uppercase().split_whitespace().collect());
            found.push(text.to_lowercase());
        }
        SandboxName::PATTERN => found.push(dashed()),
        SystemCall::PATTERN => found.push(text.to_lowercase()),
        // One of several words.
        "" => found.extend([dashed(), text.to_lowercase(), text.to_uppercase()]),
        _ => {}
    }
    found
}

/// A path made absolute, without `.` and doubled slashes. What `..`, `~` and variables mean is known to its author alone.
fn absolute(text: &str) -> Option<String> {
    let (optional, path) = text.strip_prefix('-').map_or(("", text), |path| ("-", path));
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    let relative = !path.starts_with('/');
    let unclear =
        relative && (!path.contains('/') || parts.is_empty() || path.starts_with(['.', '~', '$', '%']));
    (!unclear).then(|| format!("{optional}/{}", parts.join("/")))
}

/// A scalar as text.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

fn short(value: &Value) -> bool {
    match value {
        Value::String(text) => text.len() <= LONGEST,
        Value::Array(items) => items.len() <= 16 && items.iter().all(short),
        Value::Object(members) => members.len() <= 16 && members.values().all(short),
        _ => true,
    }
}
