//! Lines that fit a terminal: broken between words, with what follows set in. Where nobody has a terminal they stay whole, since what
//! reads them then counts on lines.

use std::io::IsTerminal;

use unicode_width::UnicodeWidthChar;

/// How many columns there are; without a terminal as many as a line needs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns(Option<usize>);

impl Columns {
    /// Those of standard output.
    pub(crate) fn of_output() -> Self {
        let output = std::io::stdout();
        let size = Some(())
            .filter(|()| output.is_terminal())
            .and_then(|()| terminal_size::terminal_size_of(&output));
        Self(size.map(|(width, _)| usize::from(width.0)))
    }

    /// A line that begins after `first` spaces, and whose further lines begin after `further`.
    pub(crate) fn line(self, first: usize, further: usize, text: &str) -> String {
        let mut line = " ".repeat(first);
        let Some(columns) = self.0 else { return line + text + "\n" };
        let (mut column, mut begun) = (first, false);
        for word in text.split_inclusive(' ') {
            // A word that is longer than a line is left to the terminal: broken, it could not be copied.
            if begun && column + width(word.trim_end_matches(' ')) > columns {
                line.truncate(line.trim_end_matches(' ').len());
                line.push('\n');
                line.push_str(&" ".repeat(further));
                column = further;
            }
            line.push_str(word);
            column += width(word);
            begun = true;
        }
        line.push('\n');
        line
    }
}

/// How many columns a text takes, without what switches colours.
fn width(text: &str) -> usize {
    let mut columns = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(|c| *c == 'm');
        } else {
            columns += c.width().unwrap_or_default();
        }
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_set_in() {
        let text = "SystemCallFilter=@system-service ~@privileged ~@resources";
        let broken = Columns(Some(36)).line(2, 4, text);
        assert_eq!(broken, "  SystemCallFilter=@system-service\n    ~@privileged ~@resources\n");
        assert_eq!(Columns(None).line(2, 4, text), format!("  {text}\n"));
        // Neither colours nor marks take room; wide signs take two columns.
        assert_eq!(
            Columns(Some(6)).line(0, 1, "\u{1b}[1mab\u{1b}[0m cde f"),
            "\u{1b}[1mab\u{1b}[0m cde\n f\n"
        );
        assert_eq!(Columns(Some(6)).line(0, 1, "漢字 cd e"), "漢字\n cd e\n");
        // What fits nowhere stays whole.
        assert_eq!(Columns(Some(4)).line(0, 1, "abcdefgh ij"), "abcdefgh\n ij\n");
        assert_eq!(Columns(Some(1)).line(9, 11, "a b"), "         a\n           b\n");
    }
}
