//! Where the lines of a text are, and how many units it has before any place: characters for people, UTF-16 for editors. A policy
//! comes from anywhere: a hundred thousand mistakes on one line are placed in time that grows with their number.

/// How many bytes lie between two places at which units are counted.
const STEP: usize = 256;

/// The lines and the units of a text, counted once. The text itself is given with each question.
#[derive(Clone, Debug)]
pub struct Lines {
    starts: Vec<usize>,
    /// How many units begin before each step.
    counts: Vec<usize>,
    units: fn(&[u8]) -> usize,
}

/// How many characters begin in these bytes.
fn characters(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xc0 != 0x80).count()
}

/// How many UTF-16 units do: two for each character outside of the first plane, which has four bytes.
fn utf16(bytes: &[u8]) -> usize {
    characters(bytes) + bytes.iter().filter(|byte| **byte >= 0xf0).count()
}

impl Lines {
    /// Lines whose columns are characters.
    pub fn in_characters(text: &str) -> Self {
        Self::new(text, characters)
    }

    /// Lines whose columns are UTF-16 units, as the Language Server Protocol has them.
    pub fn in_utf16(text: &str) -> Self {
        Self::new(text, utf16)
    }

    fn new(text: &str, units: fn(&[u8]) -> usize) -> Self {
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let counts = text.as_bytes().chunks(STEP).scan(0, |count, chunk| {
            let before = *count;
            *count += units(chunk);
            Some(before)
        });
        Self { starts: std::iter::once(0).chain(breaks).collect(), counts: counts.collect(), units }
    }

    /// How many units begin before an offset.
    fn count(&self, text: &str, offset: usize) -> usize {
        let step = (offset / STEP).min(self.counts.len().saturating_sub(1));
        let rest = text.as_bytes().get(step * STEP..offset).unwrap_or_default();
        self.counts.get(step).copied().unwrap_or_default() + (self.units)(rest)
    }

    /// Where a line starts, counted from 0; `None` where there are not so many.
    pub fn start(&self, line: usize) -> Option<usize> {
        self.starts.get(line).copied()
    }

    /// Where each line starts.
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The line of an offset and the units before it in that line, from 0. What is beyond the text is its end.
    pub fn place(&self, text: &str, offset: usize) -> (usize, usize) {
        let offset = offset.min(text.len());
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.start(line).unwrap_or_default();
        (line, self.count(text, offset) - self.count(text, start))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_units() {
        let text = format!("a\n{}x\n\n€", "ß€😀".repeat(1000));
        let (characters, utf16) = (Lines::in_characters(&text), Lines::in_utf16(&text));
        for (offset, _) in text.char_indices().chain([(text.len(), ' ')]) {
            let before = &text[..offset];
            let (line, own) = (before.matches('\n').count(), before.rsplit('\n').next().unwrap_or_default());
            assert_eq!(characters.place(&text, offset), (line, own.chars().count()));
            assert_eq!(utf16.place(&text, offset), (line, own.encode_utf16().count()));
        }
        assert_eq!(Lines::in_characters("").place("", 7), (0, 0));
    }
}
