//! Where the lines of a text are, and what is shown of one. A policy comes from anywhere: a hundred thousand mistakes on one line are
//! placed in time that grows with their number.

use std::ops::Range;

/// How many bytes lie between two places at which characters are counted.
const STEP: usize = 256;

/// The most characters that are shown on either side of a place.
const AROUND: usize = 200;

/// The lines and characters of a text, counted once.
#[derive(Debug)]
pub(crate) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// How many characters begin before each step.
    counts: Vec<usize>,
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

fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

impl<'a> Lines<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let counts = text.as_bytes().chunks(STEP).scan(0, |count, chunk| {
            let before = *count;
            *count += characters(chunk);
            Some(before)
        });
        Self { text, starts: std::iter::once(0).chain(breaks).collect(), counts: counts.collect() }
    }

    /// The text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    /// How many characters begin before an offset.
    fn count(&self, offset: usize) -> usize {
        let step = (offset / STEP).min(self.counts.len().saturating_sub(1));
        let rest = self.text.as_bytes().get(step * STEP..offset).unwrap_or_default();
        self.counts.get(step).copied().unwrap_or_default() + characters(rest)
    }

    /// Where the line of an offset is in the list, and where it starts.
    fn line(&self, offset: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        (line, self.starts.get(line).copied().unwrap_or_default())
    }

    /// Line and column (in characters) of an offset, from 1.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let offset = offset.min(self.text.len());
        let (line, start) = self.line(offset);
        (line + 1, self.count(offset) - self.count(start) + 1)
    }

    /// Whether all of the text can be shown to a renderer, which reads it anew for each place: it is short, and so are its lines.
    pub(crate) fn are_few(&self) -> bool {
        let ends = self.starts.iter().skip(1).copied().chain([self.text.len()]);
        self.text.len() <= 16 << 10
            && self.starts.iter().zip(ends).all(|(start, end)| end - start <= 2 * AROUND)
    }

    /// What is around a place, which is within the text: of its first line, so many characters on either side.
    pub(crate) fn excerpt(&self, span: &Range<usize>) -> Excerpt {
        let (line, column) = self.position(span.start);
        let (index, start) = self.line(span.start);
        let end = self.starts.get(index + 1).map_or(self.text.len(), |next| next - 1);
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
    fn places_are_counted_in_characters() {
        let text = format!("a\n{}x\n\n€", "ß€".repeat(1000));
        let lines = Lines::new(&text);
        for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let before = &text[..offset];
            let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
            assert_eq!(lines.position(offset), (before.matches('\n').count() + 1, column));
        }
        assert_eq!(Lines::new("").position(7), (1, 1));
    }

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
