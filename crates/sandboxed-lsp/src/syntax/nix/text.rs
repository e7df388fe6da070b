//! What a string literal evaluates to.
//!
//! Nix manual, "String literal" (language/string-literals) and "Indented string" there.

/// The value of the text between two double quotes.
pub(super) fn quoted(raw: &str) -> String {
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => value.extend(rest.next().map(escaped)),
            // Nix reads a carriage return in a string as a newline.
            '\r' => {
                if !rest.as_str().starts_with('\n') {
                    value.push('\n');
                }
            }
            c => value.push(c),
        }
    }
    value
}

/// The value of the text between two pairs of single quotes.
pub(super) fn indented(raw: &str) -> String {
    let raw = match raw.split_once('\n') {
        Some((first, rest)) if first.chars().all(|c| c == ' ') => rest,
        _ => raw,
    };
    let mut lines: Vec<&str> = raw.split('\n').collect();
    let indent = |line: &str| line.len() - line.trim_start_matches(' ').len();
    let common =
        lines.iter().filter(|line| !line.trim_start_matches(' ').is_empty()).map(|line| indent(line)).min();
    if lines.len() > 1
        && let Some(last) = lines.last_mut()
        && last.chars().all(|c| c == ' ')
    {
        *last = "";
    }
    let common = common.unwrap_or(usize::MAX);
    let stripped: Vec<&str> =
        lines.iter().map(|line| line.get(common.min(indent(line))..).unwrap_or_default()).collect();
    unescape_indented(&stripped.join("\n"))
}

fn unescape_indented(text: &str) -> String {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("''") {
        let (before, escape) = rest.split_at(at);
        value.push_str(before);
        let mut after = escape.get(2..).unwrap_or_default().chars();
        match after.next() {
            Some('\'') | None => value.push_str("''"),
            Some('$') => value.push('$'),
            Some('\\') => value.extend(after.next().map(escaped)),
            Some(c) => {
                value.push_str("''");
                value.push(c);
            }
        }
        rest = after.as_str();
    }
    value.push_str(rest);
    value
}

fn escaped(c: char) -> char {
    match c {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        c => c,
    }
}
