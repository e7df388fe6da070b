//! `sandboxed explain`: what it says of what it was not given.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

const POLICY: &str = r#"{ "version": 1, "units": ["a.service"] }"#;
const UNIT: &str = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";

/// A file has the unit alone; a folder has all that is around it, and where it has no socket units there are none.
#[test]
fn socket_units_are_looked_for_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let units = folder.path().join("units");
    std::fs::create_dir(&units).unwrap();
    std::fs::write(units.join("a.service"), UNIT).unwrap();
    std::fs::write(folder.path().join("a.json"), POLICY).unwrap();
    let explained = |given: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxed"));
        command.current_dir(&folder).args(["explain", "--target", "debian-13", "a.json"]).args(given);
        let output = command.output().unwrap();
        // Lines are broken where they are long.
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap().split_whitespace().collect::<Vec<_>>().join(" ");
        (output.status.code(), text)
    };
    let unsought = "nobody looked for socket units of a.service";
    for given in [&[][..], &["--unit-text", "units/a.service"]] {
        let (code, text) = explained(given);
        assert!(code == Some(0) && text.contains(unsought), "{given:?}: {text}");
    }
    let (code, text) = explained(&["--unit-text", "units"]);
    assert!(code == Some(0) && !text.contains(unsought), "{text}");
    std::fs::write(units.join("b.socket"), "[Socket]\nListenStream=80\nService=a.service\n").unwrap();
    let (code, text) = explained(&["--unit-text", "units"]);
    assert!(code == Some(1) && text.contains("b.socket hands it sockets"), "{text}");
}
