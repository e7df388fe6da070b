//! Numbers as JSON has them: `80` and `80.0` are the same, for the schema and so for serde.

use serde::{Deserialize, Deserializer};
use serde_json::Number;

/// Reads an integer between `min` and `max`, written with or without a fraction of zero.
///
/// # Errors
/// If it is not a number, has a fraction, or lies outside.
pub(crate) fn integer<'de, D: Deserializer<'de>>(
    deserializer: D,
    min: u64,
    max: u64,
) -> Result<u64, D::Error> {
    let number = Number::deserialize(deserializer)?;
    whole(&number)
        .filter(|n| (min..=max).contains(n))
        .ok_or_else(|| serde::de::Error::custom(format!("expected a whole number from {min} to {max}")))
}

/// The number as an unsigned integer, if it is one.
fn whole(number: &Number) -> Option<u64> {
    number.as_u64().or_else(|| {
        let float = number.as_f64()?;
        // Up to 2^53 every whole float is exact; no option is larger.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked right here")]
        ((0.0..=9_007_199_254_740_992.0).contains(&float) && float.fract() == 0.0).then_some(float as u64)
    })
}

#[cfg(test)]
mod tests {
    use crate::check::by_schema;
    use crate::json;
    use crate::language::Language;

    #[test]
    fn a_number_is_quoted_as_it_is_written_or_not_at_all() {
        let message = |tasks: &str| {
            let text =
                format!(r#"{{ "version": 1, "units": ["a.service"], "resources": {{ "tasks": {tasks} }} }}"#);
            let found = by_schema(&json::parse(&text).unwrap());
            found.iter().map(|one| one.kind.message(Language::Json)).collect::<Vec<_>>()
        };
        assert_eq!(message("1.5"), ["expected a whole number, found a number with a fraction"]);
        let [large] = message("99999999999999999999").try_into().unwrap();
        assert!(large.starts_with("this number is not from "), "{large}");
        let [small] = message("0").try_into().unwrap();
        assert!(small.starts_with("`0` is not from "), "{small}");
    }
}
