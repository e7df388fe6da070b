//! Where a preset is defined.

use sandboxed_core::document::Span;
use sandboxed_core::preset::Preset;

use super::Analysis;
use crate::sandboxes::context::ContextKind;
use crate::sandboxes::{PlaceKind, Step};

pub(super) fn preset_at(analysis: &Analysis, offset: usize) -> Option<(&'static Preset, Span)> {
    let context = analysis.document.context(offset)?;
    let word = analysis.slice(&context.replaces).trim_matches('"');
    let names = match (context.path.as_slice(), context.kind) {
        ([_], ContextKind::Key) => true,
        ([_, _, Step::Key(field)], ContextKind::Value { .. }) => field == "preset",
        _ => false,
    };
    let preset = Preset::find(word).filter(|_| names)?;
    // A sandbox that names another preset does not take its own name's.
    let renamed = matches!(context.kind, ContextKind::Key)
        && analysis.document.places.iter().any(|place| {
            place.path == [Step::Key("sandboxed".to_owned()), Step::Key(word.to_owned())]
                && place.kind == PlaceKind::Key("preset".to_owned())
        });
    (!renamed).then_some((preset, context.replaces))
}
