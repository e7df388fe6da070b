//! Positions as the protocol counts them (lines, and UTF-16 units within a line) and byte offsets.

use lsp_types::{Position, Range};
use sandboxed_core::document::Span;
use sandboxed_core::lines;

/// Where the lines of a text start, and how many units there are.
#[derive(Debug)]
pub(super) struct Lines(lines::Lines);

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        Self(lines::Lines::in_utf16(text))
    }

    /// The byte offset; the nearest one before where the position does not exist.
    pub(super) fn offset(&self, text: &str, position: Position) -> usize {
        let line = usize::try_from(position.line).unwrap_or(usize::MAX);
        let Some(start) = self.0.start(line) else { return text.len() };
        let end = self.0.start(line.saturating_add(1)).unwrap_or(text.len());
        let mut units = position.character;
        let mut offset = start;
        for c in text.get(start..end).unwrap_or_default().chars() {
            let width = u32::try_from(c.len_utf16()).unwrap_or(1);
            if c == '\n' || units < width {
                break;
            }
            units -= width;
            offset += c.len_utf8();
        }
        offset
    }

    pub(super) fn position(&self, text: &str, offset: usize) -> Position {
        let (line, units) = self.0.place(text, offset);
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Position::new(number(line), number(units))
    }

    pub(super) fn range(&self, text: &str, span: &Span) -> Range {
        Range::new(self.position(text, span.start), self.position(text, span.end))
    }

    pub(super) fn span(&self, text: &str, range: Range) -> Span {
        let start = self.offset(text, range.start);
        start..self.offset(text, range.end).max(start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn utf16_units() {
        let text = "a😀b\nÄ\n";
        let lines = Lines::new(text);
        assert_eq!(lines.offset(text, Position::new(0, 3)), 5);
        // Inside of a surrogate pair: before the character.
        assert_eq!(lines.offset(text, Position::new(0, 2)), 1);
        assert_eq!(lines.offset(text, Position::new(0, 99)), 6);
        assert_eq!(lines.offset(text, Position::new(9, 0)), text.len());
        assert_eq!(lines.position(text, 9), Position::new(1, 1));
    }

    #[test]
    fn long_lines() {
        let text = format!("x\n{}y", "a😀ä€".repeat(1000));
        let lines = Lines::new(&text);
        for (offset, _) in text.char_indices().skip(2) {
            let units: usize = text[2..offset].chars().map(char::len_utf16).sum();
            assert_eq!(lines.position(&text, offset), Position::new(1, u32::try_from(units).unwrap()));
        }
    }

    proptest! {
        #[test]
        fn positions_and_offsets_are_inverse(text in "[a😀ä\n\r]{0,20}", at in 0usize..40) {
            let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            let lines = Lines::new(&text);
            prop_assert_eq!(lines.offset(&text, lines.position(&text, at)), at);
        }
    }
}
