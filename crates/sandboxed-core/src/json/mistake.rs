//! What is wrong with a text that is not JSON, where, and what to change.

use std::ops::Range;

use jsonc_parser::common;
use jsonc_parser::errors::ParseErrorKind;

use crate::diagnostic::{Diagnostic, Kind};
use crate::language::Language;

/// What the shortest policy is.
const SHORTEST: &str = r#"{ "version": 1, "units": ["example.service"] }"#;

/// A text without a value.
pub(super) fn empty() -> Diagnostic {
    syntax("the file is empty", format!("the shortest policy is `{SHORTEST}`"), 0..0)
}

fn syntax(reason: impl Into<String>, help: impl Into<Option<String>>, span: Range<usize>) -> Diagnostic {
    Diagnostic::new(Kind::Syntax { reason: reason.into(), help: help.into() }, span)
}

/// What the parser stumbled over, and where.
pub(super) fn explain(text: &str, error: &ParseErrorKind, range: common::Range) -> Diagnostic {
    let span = on_characters(text, range.start, range.end);
    let there = text.get(span.start..).unwrap_or_default();
    // Where the text ends, or where what is there follows: behind the last thing that is no space.
    let behind = |end: usize| text.get(..end).unwrap_or(text).trim_end().len();
    let end = behind(text.len());
    let open = open_brackets(text, span.start);
    if text.starts_with('\u{feff}') {
        let help = "save it as UTF-8 without one".to_owned();
        return syntax("the file begins with a byte order mark (U+FEFF)", help, 0..'\u{feff}'.len_utf8());
    }
    match error {
        ParseErrorKind::UnterminatedObject | ParseErrorKind::UnterminatedArray => unclosed(text, end),
        ParseErrorKind::UnterminatedCommentBlock => {
            let span = span.start..span.start + 2.min(there.len());
            syntax("the comment is not closed", "end it with `*/`".to_owned(), span)
        }
        ParseErrorKind::UnexpectedCloseBrace | ParseErrorKind::UnexpectedCloseBracket
            if !open.is_empty() && there.starts_with(['}', ']']) =>
        {
            mismatched(&span, &open, there)
        }
        ParseErrorKind::ExpectedComma | ParseErrorKind::MultipleRootJsonValues => {
            if open.is_empty() {
                let help = "a file has one policy; take out what follows it".to_owned();
                return syntax("the policy has ended before this", help, first_character(there, span.start));
            }
            if there.starts_with(['}', ']']) {
                return mismatched(&first_character(there, span.start), &open, there);
            }
            syntax("a comma is missing", "put a `,` here".to_owned(), span.start..span.start)
        }
        ParseErrorKind::UnexpectedComma => {
            syntax("a value is missing before this comma", None, first_character(there, span.start))
        }
        ParseErrorKind::ExpectedObjectValue | ParseErrorKind::ExpectedColonAfterObjectKey
            if span.start >= end =>
        {
            unclosed(text, end)
        }
        ParseErrorKind::ExpectedObjectValue => syntax("the field has no value", None, span),
        ParseErrorKind::ExpectedColonAfterObjectKey => {
            let at = behind(span.start);
            syntax("a colon is missing between the field and its value", "put a `:` here".to_owned(), at..at)
        }
        ParseErrorKind::ExpectedStringObjectProperty => {
            let help =
                format!("write `{}`", Language::Json.quoted(text.get(span.clone()).unwrap_or_default()));
            syntax("the name of a field stands in double quotes", help, span)
        }
        ParseErrorKind::SingleQuotedStringsNotAllowed => {
            let line = there.lines().next().unwrap_or_default();
            let inside = line.get(1..).and_then(|rest| rest.split_once('\'')).map(|(inside, _)| inside);
            let help = inside.map(|inside| format!("write `{}`", Language::Json.quoted(inside)));
            let length = inside.map_or(1, |inside| inside.len() + 2);
            syntax("strings stand in double quotes", help, span.start..span.start + length)
        }
        ParseErrorKind::String(kind) => {
            let line = there.lines().next().unwrap_or_default().trim_end();
            if there.starts_with('"') && kind.to_string().starts_with("Unterminated") {
                let help = "end it with `\"` on the same line".to_owned();
                return syntax("the string is not closed", help, span.start..span.start + line.len());
            }
            syntax(lowercased(&kind.to_string()), None, first_character(there, span.start))
        }
        _ if there.starts_with('#') => {
            let help = "write `// …`".to_owned();
            syntax("a comment begins with `//`", help, first_character(there, span.start))
        }
        ParseErrorKind::UnexpectedWord if open.is_empty() => {
            let help = format!("policies are JSON: `{SHORTEST}`");
            syntax("a policy begins with `{`", help, span)
        }
        ParseErrorKind::UnexpectedWord => {
            let word = text.get(span.clone()).unwrap_or_default();
            let help = format!("strings stand in double quotes: `{}`", Language::Json.quoted(word));
            syntax(format!("`{word}` is no value"), help, span)
        }
        ParseErrorKind::UnexpectedToken if there.starts_with(['=', ';']) => {
            let right = if there.starts_with('=') { ':' } else { ',' };
            let help = format!("write `{right}`");
            syntax("this is no JSON", help, first_character(there, span.start))
        }
        ParseErrorKind::UnexpectedToken
            if there.starts_with(|c: char| c.is_alphanumeric() || "/.-".contains(c)) =>
        {
            let separates = |c: char| c.is_whitespace() || ",]}".contains(c);
            let word = there.split(separates).next().unwrap_or_default();
            let help = format!("write `{}`", Language::Json.quoted(word));
            syntax("strings stand in double quotes", help, span.start..span.start + word.len())
        }
        other => syntax(lowercased(&other.to_string()), None, first_character(there, span.start)),
    }
}

/// A control character within a string, RFC 8259, section 7: the parser lets it pass.
pub(super) fn control_character(text: &str, string: &Range<usize>) -> Option<Diagnostic> {
    let written = text.get(string.clone())?;
    let (at, c) = written.char_indices().find(|(_, c)| *c < ' ')?;
    let (name, escaped) = if c == '\t' {
        ("a tabulator".to_owned(), "\\t".to_owned())
    } else {
        (format!("the control character U+{:04X}", u32::from(c)), format!("\\u{:04x}", u32::from(c)))
    };
    let at = string.start + at;
    let help = format!("write `{escaped}`, or leave it out");
    Some(syntax(format!("{name} cannot stand in a string as it is"), help, at..at + 1))
}

/// The text ends too early: the end is where something has to be done.
fn unclosed(text: &str, end: usize) -> Diagnostic {
    let open = open_brackets(text, text.len());
    let closing: String = open.iter().rev().map(|(_, bracket)| closing(*bracket)).collect();
    let finding = syntax("the file ends too early", format!("end it with `{closing}`"), end..end);
    match open.last() {
        Some((at, bracket)) => finding.related(*at..at + 1, format!("this `{bracket}` is not closed")),
        None => finding,
    }
}

/// A bracket is closed by one of the other kind.
fn mismatched(span: &Range<usize>, open: &[(usize, char)], there: &str) -> Diagnostic {
    let found = there.chars().next().unwrap_or_default();
    let Some((at, bracket)) = open.last() else {
        return syntax(format!("`{found}` closes nothing"), None, span.clone());
    };
    if closing(*bracket) == found {
        return syntax(format!("a value is missing before this `{found}`"), None, span.clone());
    }
    let wanted = closing(*bracket);
    let reason = format!("`{found}` does not close `{bracket}`");
    syntax(reason, format!("put a `{wanted}` before it"), span.clone())
        .related(*at..at + 1, format!("this `{bracket}` is not closed"))
}

fn closing(bracket: char) -> char {
    if bracket == '{' { '}' } else { ']' }
}

/// The parser's sentences begin with a capital; ours do not.
fn lowercased(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_lowercase().chain(chars).collect()).unwrap_or_default()
}

/// The first character of what is there.
fn first_character(there: &str, start: usize) -> Range<usize> {
    start..start + there.chars().next().map_or(0, char::len_utf8)
}

/// A range within the text, on character boundaries.
fn on_characters(text: &str, start: usize, end: usize) -> Range<usize> {
    let mut start = start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// The offset of the bracket that nests more than `most` deep, if one does.
pub(super) fn too_deep(text: &str, most: usize) -> Option<usize> {
    let mut depth = 0usize;
    brackets(text).find_map(|(at, bracket)| {
        if matches!(bracket, b'{' | b'[') {
            depth += 1;
            (depth > most).then_some(at)
        } else {
            depth = depth.saturating_sub(1);
            None
        }
    })
}

/// The brackets that are open at an offset, the innermost last.
fn open_brackets(text: &str, offset: usize) -> Vec<(usize, char)> {
    let mut open = Vec::new();
    for (at, bracket) in brackets(text).take_while(|(at, _)| *at < offset) {
        if matches!(bracket, b'{' | b'[') {
            open.push((at, char::from(bracket)));
        } else {
            open.pop();
        }
    }
    open
}

/// The brackets of a text. Strings and comments are skipped.
fn brackets(text: &str) -> impl Iterator<Item = (usize, u8)> + '_ {
    let mut bytes = text.bytes().enumerate().peekable();
    std::iter::from_fn(move || {
        while let Some((at, byte)) = bytes.next() {
            match byte {
                b'"' => {
                    while let Some((_, inner)) = bytes.next() {
                        match inner {
                            b'\\' => drop(bytes.next()),
                            b'"' => break,
                            _ => {}
                        }
                    }
                }
                b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                    while bytes.next_if(|(_, inner)| *inner != b'\n').is_some() {}
                }
                b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'*') => {
                    bytes.next();
                    let mut last = 0;
                    for (_, inner) in bytes.by_ref() {
                        if last == b'*' && inner == b'/' {
                            break;
                        }
                        last = inner;
                    }
                }
                b'{' | b'[' | b'}' | b']' => return Some((at, byte)),
                _ => {}
            }
        }
        None
    })
}

#[cfg(test)]
mod tests {
    use crate::json::parse;
    use crate::language::Language;
    use expect_test::{Expect, expect};

    /// Where it is, what is there, what is wrong, what helps and what belongs to it.
    fn wrong(texts: &[&str], expected: &Expect) {
        let errors =
            texts.iter().flat_map(|text| parse(text).unwrap_err().into_iter().map(move |e| (text, e)));
        let shown: Vec<String> = errors
            .map(|(text, error)| {
                let span = error.span.clone();
                let help = error.kind.help(Language::Json).unwrap_or_default();
                let message = error.kind.message(Language::Json);
                let related: Vec<&str> = error.related.iter().map(|(_, remark)| remark.as_str()).collect();
                let there = &text[span.clone()];
                format!("{span:?} {there:?}: {message} [{help}] {}\n", related.join("; "))
            })
            .collect();
        expected.assert_eq(&shown.concat());
    }

    #[test]
    fn what_is_unfinished_is_shown_where_it_ends() {
        wrong(
            &[
                "{ \"version\": 1, \"name\": \"x\"\n",
                "{\n  \"units\": [\"x.service\"\n}\n",
                "{ \"network\": { \"listen\": [",
                "{ \"name\":\n",
                "{ \"name\"\n",
                "{ \"name\": \"x\n}\n",
                "{ /* \"name\": \"x\" }",
            ],
            &expect![[r#"
                27..27 "": the file ends too early [end it with `}`] this `{` is not closed
                26..27 "}": `}` does not close `[` [put a `]` before it] this `[` is not closed
                26..26 "": the file ends too early [end it with `]}}`] this `[` is not closed
                9..9 "": the file ends too early [end it with `}`] this `{` is not closed
                8..8 "": the file ends too early [end it with `}`] this `{` is not closed
                10..12 "\"x": the string is not closed [end it with `"` on the same line] 
                2..4 "/*": the comment is not closed [end it with `*/`] 
            "#]],
        );
    }

    #[test]
    fn what_other_languages_allow_is_shown_with_the_right_form() {
        wrong(
            &[
                "",
                " \n",
                "\u{feff}{}",
                "version: 1\nunits: []",
                "{ version: 1 }",
                "{ 'version': 1 }",
                "{ \"units\": ['x.service'] }",
                "{ \"units\": [x.service] }",
                "{ # note\n}",
                "{ \"version\" = 1 }",
                "{ \"version\": 1; }",
                "{ \"version\": 1 \"name\": \"x\" }",
                "{ \"version\": 1 } }",
                "{} {}",
                "{ \"version\": }",
                "{ \"version\": ,}",
                "{ \"a\": 0x10 }",
                "{ \"a\": +1 }",
                "{ \"a\": \"\\q\" }",
                "{\"a\":1,\"a\":2}",
                "{\"a\tb\": \"c\u{1}\"} // \t",
                "]",
            ],
            &expect![[r##"
                0..0 "": the file is empty [the shortest policy is `{ "version": 1, "units": ["example.service"] }`] 
                0..0 "": the file is empty [the shortest policy is `{ "version": 1, "units": ["example.service"] }`] 
                0..3 "\u{feff}": the file begins with a byte order mark (U+FEFF) [save it as UTF-8 without one] 
                0..7 "version": a policy begins with `{` [policies are JSON: `{ "version": 1, "units": ["example.service"] }`] 
                2..9 "version": the name of a field stands in double quotes [write `"version"`] 
                2..11 "'version'": strings stand in double quotes [write `"version"`] 
                12..23 "'x.service'": strings stand in double quotes [write `"x.service"`] 
                12..21 "x.service": strings stand in double quotes [write `"x.service"`] 
                2..3 "#": a comment begins with `//` [write `// …`] 
                12..13 "=": this is no JSON [write `:`] 
                14..15 ";": this is no JSON [write `,`] 
                14..14 "": a comma is missing [put a `,` here] 
                17..18 "}": the policy has ended before this [a file has one policy; take out what follows it] 
                3..4 "{": the policy has ended before this [a file has one policy; take out what follows it] 
                13..14 "}": a value is missing before this `}` [] 
                13..14 ",": a value is missing before this comma [] 
                7..8 "0": hexadecimal numbers are not allowed [] 
                7..8 "+": unary plus on numbers is not allowed [] 
                8..9 "\\": invalid escape [] 
                7..10 "\"a\"": `a` is given twice [keep one of them] first given here
                3..4 "\t": a tabulator cannot stand in a string as it is [write `\t`, or leave it out] 
                10..11 "\u{1}": the control character U+0001 cannot stand in a string as it is [write `\u0001`, or leave it out] 
                0..1 "]": unexpected close bracket [] 
            "##]],
        );
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
