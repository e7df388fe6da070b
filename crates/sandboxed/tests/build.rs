//! `sandboxed build`: what it does to a folder that is there already.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// Builds the sandbox `s` around a unit, and returns the exit code and what was said.
fn build(folder: &Path, unit: &str) -> (Option<i32>, String) {
    let policy = format!(r#"{{ "version": 1, "name": "s", "units": ["{unit}.service"] }}"#);
    fs::write(folder.join("s.json"), policy).unwrap();
    fs::write(folder.join("unit"), "[Service]\nUser=a\nExecStart=/usr/bin/a\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxed"));
    command.current_dir(folder).args(["build", "s.json", "--target", "debian-13", "--unit-text", "unit"]);
    let output = command.args(["--out", "st"]).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

fn drop_in(folder: &Path, unit: &str) -> std::path::PathBuf {
    folder.join(format!("st/systemd/system/{unit}.service.d/zz-sandboxed.conf"))
}

#[test]
fn what_only_the_plan_of_before_has_is_taken_away() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let (code, text) = build(at, "foo");
    assert!(code == Some(0) && !text.contains("took away"), "{text}");
    let others = drop_in(at, "foo").with_file_name("theirs.conf");
    fs::write(&others, "").unwrap();
    let (code, text) = build(at, "bar");
    assert!(code == Some(0), "{text}");
    assert!(text.ends_with("took away\n  st/systemd/system/foo.service.d/zz-sandboxed.conf\n"), "{text}");
    assert!(!drop_in(at, "foo").exists() && drop_in(at, "bar").exists() && others.exists());
    // Where nothing else is inside, the folder goes too; what is the same stays.
    let (_, text) = build(at, "foo");
    assert!(text.contains("took away\n") && !drop_in(at, "bar").parent().unwrap().exists(), "{text}");
    let (code, text) = build(at, "foo");
    assert!(code == Some(0) && !text.contains("took away"), "{text}");
}

#[test]
fn what_no_plan_lists_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    build(at, "foo");
    let before = fs::read(at.join("st/nftables/sandboxed-s.nft")).unwrap();
    let plan = fs::read_to_string(at.join("st/plan.json")).unwrap();
    for (left, reason) in [
        (None, "no plan.json accounts for"),
        (Some("{}"), "its plan.json does not list"),
        (Some("{"), "is damaged"),
        (Some(&*plan.replace("/foo.service.d/", "/fool.service.d/")), "its plan.json does not list"),
    ] {
        match left {
            None => fs::remove_file(at.join("st/plan.json")).unwrap(),
            Some(text) => fs::write(at.join("st/plan.json"), text).unwrap(),
        }
        let (code, text) = build(at, "bar");
        assert!(code == Some(2) && text.contains(reason), "{text}");
        assert!(text.contains("nothing was written to st"), "{text}");
        assert!(drop_in(at, "foo").exists() && !drop_in(at, "bar").exists());
    }
    assert_eq!(fs::read(at.join("st/nftables/sandboxed-s.nft")).unwrap(), before);
}

#[test]
fn what_is_listed_and_not_ours_stays() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    build(at, "foo");
    let plan = fs::read_to_string(at.join("st/plan.json")).unwrap();
    let outside = at.join("sandboxed-kept");
    let units = at.join("st/systemd/system");
    fs::write(&outside, "").unwrap();
    fs::write(units.join("theirs.service"), "").unwrap();
    let more = "\"files\": [\n    \"systemd/system/theirs.service\",\n    \"nftables/../../sandboxed-kept\",\n    \"../sandboxed-kept\",\n    \"tmpfiles.d/..\",";
    fs::write(at.join("st/plan.json"), plan.replace("\"files\": [", more)).unwrap();
    let (code, text) = build(at, "bar");
    assert!(code == Some(0) && text.contains("took away"), "{text}");
    assert!(outside.exists() && units.join("theirs.service").exists());
    // A folder that is a link leads out.
    let elsewhere = at.join("elsewhere");
    fs::rename(drop_in(at, "bar").parent().unwrap(), &elsewhere).unwrap();
    symlink(&elsewhere, drop_in(at, "bar").parent().unwrap()).unwrap();
    let (code, text) = build(at, "foo");
    assert!(code == Some(2) && text.contains("links are not followed"), "{text}");
    assert!(elsewhere.join("zz-sandboxed.conf").exists() && !drop_in(at, "foo").exists());
}

#[test]
fn where_a_file_cannot_be_written_none_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for taken in ["st/plan.json", "st/systemd/system/sandboxed-s.slice"] {
        fs::create_dir_all(at.join(taken)).unwrap();
        let (code, text) = build(at, "foo");
        assert!(code == Some(2) && text.contains("nothing was written to st"), "{text}");
        assert!(!at.join("st/nftables").exists() && !drop_in(at, "foo").parent().unwrap().exists());
        fs::remove_dir_all(at.join("st")).unwrap();
    }
}
