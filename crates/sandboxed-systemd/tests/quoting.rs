//! What is written is read back as it was, whatever the text, or refused; and it never becomes more than the one
//! assignment that it was meant to be.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

use proptest::prelude::*;
use proptest::sample::select;
use sandboxed_systemd::directive::Section::{self, Service, Socket, Unit};
use sandboxed_systemd::unit::{ExecCommand, ParsedUnit, UnitText, WriteError, parts, resolve_percent};
use sandboxed_systemd::value::{
    AbsPath, Argument, Bind, Directory, ExecLine, PathSpec, Prefixes, TmpFs, Value, ValueError,
};

/// Text made of what has a meaning somewhere in a unit file.
fn hostile() -> impl Strategy<Value = String> {
    let special =
        select("\\\"'%$;:~#=[]-+@!|,*? \t\n\r\u{1}\u{7f}abnsx0u/.é🦀\u{feff}".chars().collect::<Vec<_>>());
    let piece = prop_oneof![
        6 => special.prop_map(String::from),
        1 => any::<char>().prop_map(String::from),
        1 => select(vec!["\\x41", "\\n", "%%", "$$", "${A}", "\\;", "\nExecStart=/bin/false", "]\n[Service]", "..", "#\\"])
            .prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn hostile_path() -> impl Strategy<Value = AbsPath> {
    hostile().prop_filter_map("no path", |text| AbsPath::new(&format!("/{text}")).ok())
}

/// Writes the value and reads the unit.
fn read_back(section: Section, name: &str, value: Value) -> Result<ParsedUnit, WriteError> {
    let mut unit = UnitText::new();
    unit.set(section, name, value)?;

    let assignments = unit.assignments().count();
    let parsed = ParsedUnit::parse(&unit.to_string()).unwrap();
    assert_eq!(parsed.problems(), [], "{unit}");
    assert_eq!(parsed.assignments().len(), assignments, "{unit}");
    Ok(parsed)
}

fn unescaped(items: &[String]) -> Vec<String> {
    items.iter().map(|item| resolve_percent(item).unwrap()).collect()
}

/// Whether the error is one that such a text may have.
fn acceptable(error: WriteError, text: &str) -> bool {
    let WriteError::Value { error, .. } = error else { return false };
    match error {
        ValueError::Nul => text.contains('\0'),
        ValueError::Control(character) => character.is_ascii_control() && text.contains(character),
        ValueError::Empty => text.is_empty(),
        ValueError::OuterBlank(_) => text.trim() != text,
        ValueError::FinalBackslash(_) => text.ends_with('\\'),
        ValueError::BothQuotes(_) => text.contains('"') && text.contains('\''),
        ValueError::Percent(..) => text.contains('%'),
        ValueError::Character { character, .. } => text.contains(character),
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn words_of_every_syntax((section, name) in select(vec![
        (Service, "Environment"),          // with C's escapes
        (Service, "UnsetEnvironment"),
        (Unit, "Documentation"),           // raw
        (Service, "SupplementaryGroups"),  // bare
        (Service, "PassEnvironment"),      // quoted only
        (Service, "SystemCallArchitectures"),
        (Unit, "Description"),             // the line
        (Service, "NFTSet"),
        (Service, "IPAddressDeny"),
        (Socket, "ListenStream"),
    ]), text in hostile()) {
        match read_back(section, name, Value::words([text.clone()])) {
            Err(error) => prop_assert!(acceptable(error.clone(), &text), "{error}"),
            Ok(unit) => {
                let read = if name == "Description" { unit.effective(section, name) } else { unit.list(section, name) };
                let expands = sandboxed_systemd::directive::lookup(section, name).unwrap().expands_specifiers();
                prop_assert_eq!(if expands { unescaped(&read) } else { read }, vec![text]);
            }
        }
    }

    #[test]
    fn lists_of_words(texts in prop::collection::vec(hostile(), 1..5)) {
        for name in ["UnsetEnvironment", "PassEnvironment", "SupplementaryGroups"] {
            match read_back(Service, name, Value::words(texts.clone())) {
                Err(error) => prop_assert!(texts.iter().any(|text| acceptable(error.clone(), text)), "{error}"),
                Ok(unit) => prop_assert_eq!(&unescaped(&unit.list(Service, name)), &texts),
            }
        }
    }

    #[test]
    fn paths(paths in prop::collection::vec((hostile_path(), any::<bool>(), any::<bool>()), 1..5)) {
        let specs = paths.iter().map(|(path, optional, in_root)| {
            PathSpec { path: path.clone(), optional: *optional, in_root: *in_root }
        });
        let unit = read_back(Service, "ReadWritePaths", Value::Paths(specs.collect())).unwrap();
        let expected = paths.iter().map(|(path, optional, in_root)| {
            format!("{}{}{path}", if *optional { "-" } else { "" }, if *in_root { "+" } else { "" })
        });
        prop_assert_eq!(unescaped(&unit.list(Service, "ReadWritePaths")), expected.collect::<Vec<_>>());
    }

    #[test]
    fn a_path_on_its_line(path in hostile_path()) {
        for name in ["RootDirectory", "NetworkNamespacePath", "EnvironmentFile"] {
            match read_back(Service, name, Value::Path(path.clone())) {
                Err(error) => prop_assert!(acceptable(error.clone(), path.as_str()), "{error}"),
                Ok(unit) => prop_assert_eq!(unescaped(&unit.effective(Service, name)), vec![path.to_string()]),
            }
        }
    }

    #[test]
    fn paths_between_colons(paths in prop::collection::vec(hostile_path(), 1..4)) {
        let specs = paths.iter().cloned().map(PathSpec::new).collect();
        match read_back(Service, "ExecSearchPath", Value::Paths(specs)) {
            Err(error) => prop_assert!(paths.iter().any(|path| acceptable(error.clone(), path.as_str())), "{error}"),
            Ok(unit) => {
                let expected: Vec<_> = paths.iter().map(ToString::to_string).collect();
                prop_assert_eq!(unescaped(&unit.list(Service, "ExecSearchPath")), expected);
            }
        }
    }

    #[test]
    fn binds(binds in prop::collection::vec(
        (hostile_path(), prop::option::of(hostile_path()), any::<bool>(), any::<bool>()), 1..4,
    )) {
        let value = binds.iter().cloned().map(|(source, destination, optional, recursive)| {
            Bind { optional, source, destination, recursive }
        });
        let unit = read_back(Service, "BindPaths", Value::Binds(value.collect())).unwrap();
        let read: Vec<Vec<String>> =
            unit.list(Service, "BindPaths").iter().map(|item| unescaped(&parts(item))).collect();
        let expected: Vec<Vec<String>> = binds.iter().map(|(source, destination, optional, recursive)| {
            let mut parts = vec![format!("{}{source}", if *optional { "-" } else { "" })];
            parts.extend(destination.as_ref().or((!recursive).then_some(source)).map(ToString::to_string));
            parts.extend((!recursive).then(|| "norbind".to_owned()));
            parts
        }).collect();
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn temporary_file_systems(path in hostile_path(), read_only in any::<bool>()) {
        let options = if read_only { vec!["ro".to_owned(), "mode=0755".to_owned()] } else { vec![] };
        let mounts = vec![TmpFs { path: path.clone(), options }];
        let unit = read_back(Service, "TemporaryFileSystem", Value::TmpFs(mounts)).unwrap();
        let items = unit.list(Service, "TemporaryFileSystem");
        prop_assert_eq!(items.len(), 1);
        let mut expected = vec![path.to_string()];
        expected.extend(read_only.then(|| "ro,mode=0755".to_owned()));
        prop_assert_eq!(unescaped(&parts(&items[0])), expected);
    }

    #[test]
    fn directories(names in prop::collection::vec(hostile(), 1..4)) {
        let Ok(value) = names.iter().map(|name| Directory::new(name)).collect::<Result<Vec<_>, _>>() else {
            return Ok(());
        };
        let unit = read_back(Service, "StateDirectory", Value::Directories(value.clone())).unwrap();
        let read: Vec<Vec<String>> =
            unit.list(Service, "StateDirectory").iter().map(|item| unescaped(&parts(item))).collect();
        prop_assert_eq!(read, value.iter().map(|name| vec![name.as_str().to_owned()]).collect::<Vec<_>>());
    }

    #[test]
    fn commands(arguments in prop::collection::vec(hostile(), 0..5), no_variables in any::<bool>()) {
        let line = ExecLine::new(AbsPath::new("/bin/a b").unwrap(), arguments.clone())
            .with_prefixes(Prefixes { no_variables, ..Prefixes::default() });
        match read_back(Service, "ExecStart", Value::Exec(vec![line])) {
            Err(error) => prop_assert!(arguments.iter().any(|text| acceptable(error.clone(), text)), "{error}"),
            Ok(unit) => {
                let commands = unit.commands(Service, "ExecStart").unwrap();
                prop_assert_eq!(commands.len(), 1);
                prop_assert_eq!(&commands[0].program, "/bin/a b");
                // Every `$` must be doubled for systemd to take it as it stands.
                let read = commands[0].arguments.iter().map(|argument| {
                    let argument = resolve_percent(argument).unwrap();
                    if no_variables { argument } else {
                        assert!(!argument.replace("$$", "").contains('$'));
                        argument.replace("$$", "$")
                    }
                });
                prop_assert_eq!(read.collect::<Vec<_>>(), arguments);
            }
        }
    }

    #[test]
    fn commands_survive_being_read_and_written(line in hostile()) {
        let Ok(commands) = ExecCommand::parse(&line) else { return Ok(()) };
        for command in commands {
            let wrapped = ExecLine {
                prefixes: Prefixes::default(),
                program: AbsPath::new("/bin/launch").unwrap(),
                arguments: command.arguments.iter().cloned().map(Argument::Expanded).collect(),
            };
            match read_back(Service, "ExecStart", Value::Exec(vec![wrapped])) {
                Err(error) => prop_assert!(acceptable(error.clone(), "\0"), "{error}"),
                Ok(unit) => prop_assert_eq!(
                    &unit.commands(Service, "ExecStart").unwrap()[0].arguments, &command.arguments
                ),
            }
        }
    }

    #[test]
    fn a_path_is_normal_or_refused(text in hostile()) {
        match AbsPath::new(&text) {
            Ok(path) => {
                let path = path.as_str();
                prop_assert!(path == "/" || path.split('/').skip(1).all(|name| !matches!(name, "" | "." | "..")));
                prop_assert!(!path.contains(|c: char| c.is_ascii_control()));
                prop_assert_eq!(AbsPath::new(path).unwrap().to_string(), path);
            }
            Err(ValueError::NotAbsolute(_)) => prop_assert!(!text.starts_with('/')),
            Err(ValueError::Parent(_)) => prop_assert!(text.split('/').any(|name| name == "..")),
            Err(ValueError::Nul | ValueError::Control(_)) => {
                prop_assert!(text.contains(|c: char| c.is_ascii_control()));
            }
            Err(error) => prop_assert!(false, "{error}"),
        }
    }
}

#[test]
fn a_line_of_a_mebibyte_is_refused_and_a_shorter_one_is_not() {
    let long = |length| Value::words(["x".repeat(length)]);
    let limit = 1024 * 1024;
    let unit = read_back(Service, "PassEnvironment", long(limit - 100)).unwrap();
    assert_eq!(unit.list(Service, "PassEnvironment")[0].len(), limit - 100);
    for length in [limit, limit + 1, 4 * limit] {
        let error = read_back(Service, "PassEnvironment", long(length)).unwrap_err();
        assert!(matches!(error, WriteError::Value { error: ValueError::TooLong { .. }, .. }), "{error}");
    }
    // Escapes count as they are written.
    let error =
        read_back(Service, "UnsetEnvironment", Value::words(["\n".repeat(limit * 3 / 4)])).unwrap_err();
    assert!(matches!(error, WriteError::Value { error: ValueError::TooLong { .. }, .. }), "{error}");
    assert!(matches!(AbsPath::new(&format!("/{}", "x/".repeat(limit))), Err(ValueError::TooLong { .. })));
    assert!(matches!(AbsPath::new(&format!("/{}", "x".repeat(256))), Err(ValueError::TooLong { .. })));
}

#[test]
fn names_of_variables_and_credentials_are_checked() {
    let variable = |name: &str| Value::Environment(vec![(name.to_owned(), "v".to_owned())]);
    assert!(read_back(Service, "Environment", variable("A_1")).is_ok());
    for name in ["", "1A", "A=B", "A B", "Ä", "A\n"] {
        assert!(read_back(Service, "Environment", variable(name)).is_err(), "{name:?}");
    }
    let credential =
        |name: &str| Value::Credentials(vec![(name.to_owned(), AbsPath::new("/run/a b%").unwrap())]);
    let unit = read_back(Service, "LoadCredential", credential("key.pem")).unwrap();
    assert_eq!(unit.list(Service, "LoadCredential"), ["key.pem:/run/a b%%"]);
    assert!(read_back(Service, "User", Value::Credentials(vec![])).is_err());
    for name in ["", ".", "..", "a:b", "a/b", "a b", "a\n"] {
        assert!(read_back(Service, "LoadCredential", credential(name)).is_err(), "{name:?}");
    }
}

#[test]
fn a_mark_of_denial_cannot_be_smuggled_in() {
    for name in ["SystemCallFilter", "RestrictAddressFamilies", "CapabilityBoundingSet", "RestrictNamespaces"]
    {
        assert!(read_back(Service, name, Value::allow(["~x"])).is_err(), "{name}");
        assert!(read_back(Service, name, Value::words(["~x"])).is_err(), "{name}");
        assert!(read_back(Service, name, Value::deny(["~x"])).is_err(), "{name}");
    }
}
