//! The shipped policies for known services.

use std::sync::OnceLock;

use serde_json::Value;

use crate::json;

/// A shipped policy for a known service.
#[derive(Debug)]
pub struct Preset {
    /// Its name: that of its file.
    pub name: &'static str,
    /// Its text, as in `presets/`.
    pub text: &'static str,
    value: OnceLock<Value>,
}

macro_rules! presets {
    ($($name:literal),+ $(,)?) => {
        [$(Preset {
            name: $name,
            text: include_str!(concat!("../../../presets/", $name, ".json")),
            value: OnceLock::new(),
        }),+]
    };
}

/// All presets, by name.
pub static PRESETS: [Preset; 1] = presets!["synapse"];

impl Preset {
    /// The preset of this name.
    pub fn find(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// What it says.
    pub fn value(&self) -> &Value {
        self.value.get_or_init(|| {
            // A test reads every preset, so a text that cannot be read is never shipped.
            json::parse(self.text).map_or(Value::Null, |document| document.to_value(&mut Vec::new()))
        })
    }
}

/// What the preset says with what the policy says over it: objects are merged field by field, all else is replaced.
pub(crate) fn overlay(preset: &Value, policy: &Value) -> Value {
    match (preset, policy) {
        (Value::Object(below), Value::Object(above)) => {
            let mut merged = below.clone();
            for (key, value) in above {
                let value = below.get(key).map_or_else(|| value.clone(), |inner| overlay(inner, value));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        _ => policy.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_preset_is_valid_and_in_its_folder() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../presets");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap().replace(".json", ""))
            .collect();
        files.sort();
        assert_eq!(files, PRESETS.iter().map(|preset| preset.name).collect::<Vec<_>>());
        for preset in &PRESETS {
            let document = json::parse(preset.text).unwrap();
            assert_eq!(crate::check::by_schema(&document), [], "{}", preset.name);
            assert_eq!(preset.value()["name"], preset.name);
        }
    }
}
