//! Agreement with `rnix` on valid text, and recovery on text that is being typed.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::fmt::Write;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use rnix::ast;
use rowan::ast::AstNode;

use super::super::{Entry, Expr, ExprKind};

/// Every attribute path with the place of its value, one a line.
fn bindings(expr: &Expr<'_>, out: &mut String) {
    let entries = |entries: &[Entry<'_>], out: &mut String| {
        for entry in entries {
            match entry {
                Entry::Binding(binding) => {
                    for attr in &binding.path {
                        let _ = write!(out, ".{:?}", attr.span);
                    }
                    let _ = writeln!(out, " = {:?}", binding.value.span);
                    bindings(&binding.value, out);
                }
                Entry::Inherit(inherit) => {
                    let _ = writeln!(
                        out,
                        "inherit {:?}",
                        inherit.names.iter().map(|n| n.span.clone()).collect::<Vec<_>>()
                    );
                    if let Some(from) = &inherit.from {
                        bindings(from, out);
                    }
                }
            }
        }
    };
    match &expr.kind {
        ExprKind::Set(set) => entries(&set.entries, out),
        ExprKind::Let { entries: bound, body } => {
            entries(bound, out);
            bindings(body, out);
        }
        ExprKind::List(list) => list.items.iter().for_each(|item| bindings(item, out)),
        ExprKind::Apply { function, arguments } => {
            bindings(function, out);
            for argument in arguments {
                bindings(argument, out);
            }
        }
        ExprKind::Select { base, .. } => bindings(base, out),
        ExprKind::Lambda { body, .. } | ExprKind::Inside(body) => bindings(body, out),
        ExprKind::With { namespace, body } => {
            bindings(namespace, out);
            bindings(body, out);
        }
        ExprKind::If { branches: parts }
        | ExprKind::Update(parts)
        | ExprKind::Concat(parts)
        | ExprKind::Opaque(parts) => parts.iter().for_each(|part| bindings(part, out)),
        _ => {}
    }
}

fn range(node: &rnix::SyntaxNode) -> std::ops::Range<usize> {
    node.text_range().into()
}

/// The same from `rnix`'s tree, leaving out what our tree leaves out.
fn rnix_bindings(node: &rnix::SyntaxNode, out: &mut String) {
    use rnix::SyntaxKind::*;
    for child in node.children() {
        let parent = node.kind();
        let skipped = match child.kind() {
            NODE_INTERPOL | NODE_DYNAMIC | NODE_PATTERN | NODE_LEGACY_LET => true,
            _ if parent == NODE_IF_ELSE || parent == NODE_ASSERT => {
                node.children().next().as_ref() == Some(&child)
            }
            _ if parent == NODE_SELECT => node.children().nth(2).as_ref() == Some(&child),
            _ => false,
        };
        if skipped {
            continue;
        }
        if let Some(binding) = ast::AttrpathValue::cast(child.clone()) {
            for attr in binding.attrpath().unwrap().attrs() {
                let _ = write!(out, ".{:?}", range(attr.syntax()));
            }
            let _ = writeln!(out, " = {:?}", range(binding.value().unwrap().syntax()));
        }
        if let Some(inherit) = ast::Inherit::cast(child.clone()) {
            let names: Vec<_> = inherit.attrs().map(|attr| range(attr.syntax())).collect();
            let _ = writeln!(out, "inherit {names:?}");
        }
        rnix_bindings(&child, out);
    }
}

fn agrees(text: &str) {
    let ours = super::parse(text);
    let theirs = rnix::Root::parse(text);
    assert_eq!(theirs.errors(), &[], "{text}");
    assert_eq!(ours.errors, Vec::<super::super::Span>::new(), "{text}");
    let (mut left, mut right) = (String::new(), String::new());
    bindings(&ours.root, &mut left);
    rnix_bindings(&theirs.syntax(), &mut right);
    assert_eq!(left, right, "{text}");
}

/// Random valid expressions.
fn expression() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["a", "lib", "services", "or", "x-y", "x'"]);
    let leaf = prop_oneof![
        name.clone().prop_map(|name| if name == "or" { "a".to_owned() } else { name.to_owned() }),
        Just("1".to_owned()),
        Just("-2.5".to_owned()),
        Just("\"s ${a} t\"".to_owned()),
        Just("''\n  x\n   y ''${z} ''' \n''".to_owned()),
        Just("./p/q".to_owned()),
        Just("/var/${a}/b".to_owned()),
        Just("<nixpkgs>".to_owned()),
        Just("https://example.org/x".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 5, move |inner| {
        let key = prop_oneof![
            name.clone().prop_map(str::to_owned),
            Just("\"quoted key\"".to_owned()),
            Just("${a}".to_owned()),
        ];
        let path = prop::collection::vec(key, 1..4).prop_map(|keys| keys.join("."));
        let binding = (path.clone(), inner.clone()).prop_map(|(path, value)| format!("{path} = {value};\n"));
        let entry = prop_oneof![
            4 => binding,
            1 => Just("inherit a b;".to_owned()),
            1 => inner.clone().prop_map(|from| format!("inherit ({from}) a \"b\";")),
        ];
        let entries = prop::collection::vec(entry, 0..4).prop_map(|entries| entries.join(" "));
        prop_oneof![
            4 => entries.clone().prop_map(|entries| format!("{{ {entries} }}")),
            1 => entries.clone().prop_map(|entries| format!("rec {{ {entries} }}")),
            2 => prop::collection::vec(inner.clone(), 0..4).prop_map(|items| {
                format!("[ {} ]", items.iter().map(|item| format!("({item})")).collect::<Vec<_>>().join(" "))
            }),
            1 => (entries, inner.clone()).prop_map(|(entries, body)| format!("(let {entries} in {body})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(lib.mkIf ({a}) ({b}))")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(({a}) // ({b}))")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(({a}) == ({b}) -> !({b} ? a.b))")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(if {a} then {b} else {a})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(with {a}; {b})")),
            1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("(assert {a}; {b})")),
            1 => inner.clone().prop_map(|body| format!("({{ lib, a ? 1, ... }}@args: {body})")),
            1 => inner.clone().prop_map(|body| format!("(x: {body})")),
            1 => (inner.clone(), path).prop_map(|(base, path)| format!("(({base}).{path} or ({base}))")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn valid_text_is_read_as_rnix_reads_it(text in expression()) {
        agrees(&text);
    }

    #[test]
    fn any_text_is_read(text in any::<String>()) {
        super::parse(&text);
    }

    #[test]
    fn truncated_and_damaged_text_is_read(text in expression(), cut in 0usize..=100, noise in "[]{}()\"'$;=.,@:\n ]{0,6}") {
        let at = text.len() * cut / 100;
        let at = (0..=at).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        super::parse(&text[..at]);
        super::parse(&format!("{}{noise}{}", &text[..at], &text[at..]));
    }

    #[test]
    fn strings_evaluate_as_rnix_says(lines in prop::collection::vec("( ){0,3}[a-z$\\\\]{0,4}", 0..5), indented: bool) {
        let body = lines.join("\n");
        let text = if indented { format!("''{body}''") } else { format!("\"{body}x\"") };
        let theirs = rnix::Root::parse(&text);
        prop_assume!(theirs.errors().is_empty());
        let Some(ast::Expr::Str(string)) = theirs.tree().expr() else { return Ok(()) };
        let expected: String = string.normalized_parts().into_iter().map(|part| match part {
            ast::InterpolPart::Literal(text) => text,
            ast::InterpolPart::Interpolation(_) => String::new(),
        }).collect();
        let ours = super::parse(&text);
        let ExprKind::Str(ours) = ours.root.kind else { panic!("{text}") };
        prop_assert_eq!(ours.value, Some(expected));
    }
}

/// The keys and kinds of values that are read, indented by nesting.
fn outline(text: &str, expected: &Expect) {
    fn set(entries: &[Entry<'_>], depth: usize, out: &mut String) {
        for entry in entries {
            let Entry::Binding(binding) = entry else { continue };
            let path: Vec<_> = binding.path.iter().map(|attr| attr.name().unwrap_or("${}")).collect();
            let _ = write!(out, "{}{}", "  ".repeat(depth), path.join("."));
            match &binding.value.kind {
                ExprKind::Set(inner) => {
                    out.push('\n');
                    set(&inner.entries, depth + 1, out);
                }
                ExprKind::List(list) => _ = writeln!(out, " = list of {}", list.items.len()),
                ExprKind::Str(string) => _ = writeln!(out, " = {:?}", string.value),
                ExprKind::Missing => out.push_str(" = ?\n"),
                ExprKind::Ident(name) => _ = writeln!(out, " = {name}"),
                _ => out.push_str(" = …\n"),
            }
        }
    }
    let parsed = super::parse(text);
    let mut out = String::new();
    match &parsed.root.kind {
        ExprKind::Set(root) => set(&root.entries, 0, &mut out),
        other => out = format!("{other:?}"),
    }
    expected.assert_eq(&out);
}

#[test]
fn a_path_that_is_being_typed_takes_nothing_from_the_next_line() {
    outline(
        "{\n  s = {\n    network.\n    filesystem.state = [ ];\n  };\n  x = true;\n}",
        &expect![[r#"
            s
              network. = ?
              filesystem.state = list of 0
            x = true
        "#]],
    );
    outline(
        "{ s = { network. }; x = true; }",
        &expect![[r#"
        s
          network. = ?
        x = true
    "#]],
    );
}

#[test]
fn a_key_that_is_being_typed_is_not_a_pattern() {
    outline(
        "{ s = { en }; x = true; }",
        &expect![[r#"
        s
          en = ?
        x = true
    "#]],
    );
    outline(
        "{\n  s = {\n    en\n    root = \"own\";\n  };\n  x = true;\n}",
        &expect![[r#"
        s
          en = ?
          root = Some("own")
        x = true
    "#]],
    );
}

#[test]
fn a_missing_value_takes_nothing_from_the_next_line() {
    outline(
        "{\n  a.mode = \n  x.y = true;\n  b = ;\n  c = [ \"x\"\n  d = { }\n  e = true;\n}",
        &expect![[r#"
        a.mode = ?
        x.y = true
        b = ?
        c = list of 1
        d
        e = true
    "#]],
    );
}

#[test]
fn an_open_brace_ends_where_indentation_says() {
    outline(
        "{\n  s = {\n    network = {\n      mode = \"none\";\n    filesystem.root = \"own\";\n  };\n  x = true;\n}",
        &expect![[r#"
            s
              network
                mode = Some("none")
              filesystem.root = Some("own")
            x = true
        "#]],
    );
    outline(
        "{\n  s = {\n    network = {\n  };\n  x = true;\n}",
        &expect![[r#"
            s
              network
            x = true
        "#]],
    );
}

#[test]
fn an_open_quote_ends_with_its_line() {
    outline(
        "{\n  s = {\n    mode = \"no\n    root = \"own\";\n  };\n  x = \"y\";\n}",
        &expect![[r#"
            s
              mode = Some("no")
              root = Some("own")
            x = Some("y")
        "#]],
    );
    outline(
        "{\n  s = {\n    mode = \";\n    root = \"own\";\n  };\n}",
        &expect![[r#"
            s
              mode = Some("")
              root = Some("own")
        "#]],
    );
}

#[test]
fn layout_never_changes_a_valid_document() {
    outline(
        "{\n    a = {\n  b = [ \"\n\" ];\n c = true;\n};\n}",
        &expect![[r#"
        a
          b = list of 1
          c = true
    "#]],
    );
}
