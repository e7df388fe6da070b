//! Each question, asked at a cursor (`$0`) in a fixture.

mod action;
mod completion;
mod findings;
mod hover;
mod robustness;
mod structure;

use sandboxed_core::target::Target;

use super::{Action, Analysis, Language};

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn trixie() -> Target {
    target("debian-13")
}

/// The analysis of a fixture, and its cursor.
fn at_cursor(language: Language, fixture: &str) -> (Analysis, usize) {
    let at = fixture.find("$0").expect("a fixture has a cursor");
    (Analysis::new(language, fixture.replacen("$0", "", 1)), at)
}

fn applied(text: &str, action: &Action) -> String {
    let mut text = text.to_owned();
    for edit in action.edits.iter().rev() {
        text.replace_range(edit.span.clone(), &edit.text);
    }
    text
}
