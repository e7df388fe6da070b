/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A NUL character, which no string of a unit can hold.
    #[error("the text contains a NUL character")]
    Nul,
    /// A control character where there is no escape for it.
    #[error("the text contains the control character {}", .0.escape_default())]
    Control(char),
    /// A path that is not absolute.
    #[error("the path `{0}` is not absolute")]
    NotAbsolute(String),
    /// A path with a `..` component, which systemd refuses.
    #[error("the path `{0}` contains `..`")]
    Parent(String),
    /// Longer than the kernel or systemd take it.
    #[error("the text of {length} bytes is longer than the limit of {limit}")]
    TooLong {
        /// The length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// An empty text where systemd would take it for a reset, or refuse it.
    #[error("the text is empty")]
    Empty,
    /// Blanks at an end, which systemd would strip.
    #[error("the text `{0}` begins or ends with a blank")]
    OuterBlank(String),
    /// A backslash at the end of the line, which would continue it.
    #[error("the text `{0}` ends with a backslash")]
    FinalBackslash(String),
    /// A `%` in a directive where specifiers are not expanded, so that doubling it is wrong.
    #[error("the text `{0}` contains a `%`, which {1}= cannot express")]
    Percent(String, &'static str),
    /// Both kinds of quotes where only one can be quoted by the other.
    #[error("the text `{0}` contains both kinds of quotes")]
    BothQuotes(String),
    /// A character that has another meaning at this place.
    #[error("`{text}` contains {character:?}, which cannot be part of {what}")]
    Character {
        /// The whole text.
        text: String,
        /// The first such character.
        character: char,
        /// What the text stands for.
        what: &'static str,
    },
    /// None of the words that the directive takes.
    #[error("{directive}= takes one of {}, not `{text}`", .keywords.join(", "))]
    Keyword {
        /// The directive.
        directive: &'static str,
        /// The word.
        text: String,
        /// The words it takes.
        keywords: &'static [&'static str],
    },
    /// A type of value that the directive does not take.
    #[error("{0}= does not take a value of this type")]
    Type(&'static str),
    /// An empty list that systemd would read as no restriction at all.
    #[error("an empty list for {0}= would lift the restriction")]
    Lifts(&'static str),
}
