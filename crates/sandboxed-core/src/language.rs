//! The languages that policies are written in, and how values are written in each.

use serde_json::Value;

/// What a policy is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// JSON, comments and trailing commas allowed.
    Json,
    /// A file of a NixOS configuration.
    Nix,
}

impl Language {
    /// The language of a file, by its name: a NixOS configuration ends in `.nix`.
    pub fn of_file(name: &str) -> Self {
        let extension = std::path::Path::new(name).extension();
        if extension.is_some_and(|extension| extension == "nix") { Self::Nix } else { Self::Json }
    }

    /// A value on one line.
    pub fn value(self, value: &Value) -> String {
        match (value, self) {
            (Value::String(text), _) => self.quoted(text),
            (Value::Array(items), Self::Json) => {
                let items: Vec<String> = items.iter().map(|item| self.value(item)).collect();
                format!("[{}]", items.join(", "))
            }
            (Value::Array(items), Self::Nix) => {
                // A minus between two items would be a subtraction.
                let item = |item: &Value| match item {
                    Value::Number(number) if number.to_string().starts_with('-') => format!("({number})"),
                    other => self.value(other),
                };
                items.iter().map(item).fold("[ ".to_owned(), |list, item| list + &item + " ") + "]"
            }
            (Value::Object(members), _) if members.is_empty() => {
                if self == Self::Nix { "{ }" } else { "{}" }.to_owned()
            }
            (Value::Object(members), _) => {
                let members: Vec<String> =
                    members.iter().map(|(key, value)| self.member(key, value)).collect();
                let separator = if self == Self::Nix { " " } else { ", " };
                format!("{{ {} }}", members.join(separator))
            }
            (scalar, _) => scalar.to_string(),
        }
    }

    /// A field with its value, without what separates it from the next: `"port": 80`, `port = 80;`.
    pub fn member(self, key: &str, value: &Value) -> String {
        match self {
            Self::Json => format!("{}: {}", self.quoted(key), self.value(value)),
            Self::Nix => format!("{} = {};", self.key(key), self.value(value)),
        }
    }

    /// A string with its quotes.
    pub fn quoted(self, text: &str) -> String {
        if self == Self::Json {
            return Value::from(text).to_string();
        }
        let mut quoted = String::from("\"");
        for c in text.chars() {
            match c {
                '"' | '\\' => quoted.extend(['\\', c]),
                '\n' => quoted.push_str("\\n"),
                '\r' => quoted.push_str("\\r"),
                '\t' => quoted.push_str("\\t"),
                c => quoted.push(c),
            }
        }
        quoted.push('"');
        // `${` would interpolate.
        quoted.replace("${", "\\${")
    }

    /// A key, with quotes if it needs them.
    pub fn key(self, name: &str) -> String {
        if self == Self::Nix && is_identifier(name) { name.to_owned() } else { self.quoted(name) }
    }

    /// What the language calls an object, with its article.
    pub fn object(self) -> &'static str {
        match self {
            Self::Json => "an object",
            Self::Nix => "an attribute set",
        }
    }
}

/// Nix manual, "Identifiers"; keywords are none.
fn is_identifier(name: &str) -> bool {
    const KEYWORDS: [&str; 9] = ["assert", "else", "if", "in", "inherit", "let", "rec", "then", "with"];
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '\'' | '-'))
        && !KEYWORDS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_written_in_either_language() {
        let value = json!({ "listen": [{ "port": 80 }], "in": [-1, "a${b}\""], "none": [], "empty": {} });
        assert_eq!(
            Language::Json.value(&value),
            r#"{ "listen": [{ "port": 80 }], "in": [-1, "a${b}\""], "none": [], "empty": {} }"#
        );
        assert_eq!(
            Language::Nix.value(&value),
            r#"{ listen = [ { port = 80; } ]; "in" = [ (-1) "a\${b}\"" ]; none = [ ]; empty = { }; }"#
        );
        assert_eq!(Language::of_file("/etc/nixos/configuration.nix"), Language::Nix);
        assert_eq!(Language::of_file("nix.json"), Language::Json);
    }
}
