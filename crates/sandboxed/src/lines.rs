//! Places in a text as people are told them, and what is shown of a line.

use std::ops::Range;

use sandboxed_core::lines;

/// The most characters that are shown on either side of a place.
const AROUND: usize = 200;

/// A text and the places in it, in characters.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    lines: lines::Lines,
}

/// Part of a line, around a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Excerpt {
    /// The text, with `…` where some is left out.
    pub(crate) text: String,
    /// The place in it.
    pub(crate) span: Range<usize>,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The column of the place in the whole line, from 1.
    pub(crate) column: usize,
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, lines: lines::Lines::in_characters(text) }
    }

    /// The text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// Line and column (in characters) of an offset, from 1.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let (line, before) = self.lines.place(self.text, offset);
        (line + 1, before + 1)
    }

    /// Whether all of the text can be shown to a renderer, which reads it anew for each place: it is short, and so are its lines.
    pub(crate) fn are_few(&self) -> bool {
        let starts = self.lines.starts();
        let ends = starts.iter().skip(1).copied().chain([self.text.len()]);
        self.text.len() <= 16 << 10 && starts.iter().zip(ends).all(|(start, end)| end - start <= 2 * AROUND)
    }

    /// What is around a place, which is within the text: of its first line, so many characters on either side.
    pub(crate) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let (line, column) = self.position(span.start);
        let start = self.lines.start(line - 1).unwrap_or_default();
        let end = self.lines.start(line).map_or(self.text.len(), |next| next - 1);
        let part = |range: Range<usize>| self.text.get(range).unwrap_or_default();
        let before = part(start..span.start);
        let after = part(span.start..end.max(span.start));
        let from = before.char_indices().rev().nth(AROUND).map_or(0, |(at, c)| at + c.len_utf8());
        let to = after.char_indices().nth(AROUND).map_or(after.len(), |(at, _)| at);
        let mut text = if from > 0 { "…".to_owned() } else { String::new() };
        text.push_str(before.get(from..).unwrap_or_default());
        let place = text.len();
        text.push_str(after.get(..to).unwrap_or_default());
        let length = (span.end - span.start).min(text.len() - place);
        if to < after.len() {
            text.push('…');
        }
        Excerpt { text, span: place..place + length, line, column }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_is_shown_around_the_place() {
        let text = format!("x\n{}here{}\nx", "ß".repeat(1000), "€".repeat(1000));
        let at = text.find("here").unwrap_or_default();
        let excerpt = Lines::new(&text).excerpt(&(at..at + 4));
        assert_eq!((excerpt.line, excerpt.column), (2, 1001));
        assert_eq!(&excerpt.text[excerpt.span.clone()], "here");
        assert_eq!(excerpt.text, format!("…{}here{}…", "ß".repeat(200), "€".repeat(196)));
        let short = Lines::new("a\nbc\nd").excerpt(&(3..6));
        assert_eq!(short, Excerpt { text: "bc".to_owned(), span: 1..2, line: 2, column: 2 });
    }
}
