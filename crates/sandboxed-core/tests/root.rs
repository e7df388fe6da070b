//! What a root of its own has by links and by an empty tree, and what is bound where these do not do.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use sandboxed_core::emit::{Artifacts, artifacts};
use sandboxed_core::json;
use sandboxed_core::language::Language;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::target::Target;

const SKELETON: &str = "tmpfiles.d/sandboxed-one.conf";

fn emitted(target: &str, more: &str) -> Artifacts {
    let policy = format!(r#"{{ "version": 1, "name": "one", "units": ["one.service"]{more} }}"#);
    let target: Target = target.parse().unwrap();
    let resolved = resolve(&json::parse(&policy).unwrap()).unwrap();
    let (plan, _) = resolved.plan(&target, Surroundings::default()).unwrap();
    artifacts(&[plan]).unwrap()
}

/// The words of a directive of the service.
fn words<'a>(files: &'a Artifacts, directive: &str) -> Vec<&'a str> {
    files["systemd/system/one.service.d/zz-sandboxed.conf"]
        .lines()
        .filter_map(|line| line.strip_prefix(directive)?.strip_prefix('='))
        .flat_map(str::split_whitespace)
        .collect()
}

#[test]
fn what_leads_into_usr_is_a_link_where_it_is_one_on_the_machine() {
    let merged = emitted("debian-13", "");
    assert!(merged[SKELETON].contains("L+ /run/sandboxed/root/one/bin - - - - usr/bin\n"), "{merged:#?}");
    assert_eq!(words(&merged, "ExecPaths"), ["-+/usr"]);
    assert!(!words(&merged, "BindReadOnlyPaths").contains(&"-/bin"));

    let apart = emitted("systemd=257,kernel=6.12", "");
    assert!(!apart[SKELETON].contains("L+"), "{apart:#?}");
    assert!(words(&apart, "BindReadOnlyPaths").contains(&"-/bin"));
    assert!(words(&apart, "ExecPaths").contains(&"-+/bin"));
}

#[test]
fn sysfs_is_empty_but_for_what_programs_need() {
    let own = emitted("debian-13", "");
    let sys = |files: &Artifacts| -> Vec<String> {
        words(files, "BindReadOnlyPaths")
            .into_iter()
            .filter(|word| word.contains("/sys"))
            .map(str::to_owned)
            .collect()
    };
    let empty = "/run/sandboxed/root/one/sys:/sys";
    let kept = ["-/sys/devices/system/cpu", "-/sys/kernel/mm/transparent_hugepage"];
    assert_eq!(sys(&own), [&[empty], &kept[..]].concat());
    for path in sys(&own).iter().skip(1) {
        let point = path.trim_start_matches('-');
        assert!(own[SKELETON].contains(&format!("d /run/sandboxed/root/one{point} 0755")), "{point}");
    }
    // Before systemd gives the service control groups of its own, they are the machine's.
    let older = [&[empty], &kept[..], &["-/sys/fs/cgroup"]].concat();
    assert_eq!(sys(&emitted("debian-12", "")), older);
    for more in [
        r#", "processes": { "sys": "all" }"#,
        r#", "filesystem": { "devices": ["/dev/fuse"] }"#,
        r#", "accept": { "host-hidden": "the service measures the machine" }"#,
    ] {
        let files = emitted("debian-13", more);
        assert_eq!(sys(&files), [""; 0], "{more}");
        assert!(!files[SKELETON].contains("/sys"), "{more}");
    }
    // In the machine's own tree it is what tells that is taken away.
    let host = emitted("debian-13", r#", "filesystem": { "root": "host" }"#);
    assert!(words(&host, "InaccessiblePaths").contains(&"-/sys/kernel/security"));
    assert_eq!(sys(&host), ["-/sys/devices/system/cpu"]);
}

#[test]
fn a_path_that_is_shown_and_hidden_is_said_to_be_so() {
    let said = |hidden: &str| {
        let policy = format!(
            r#"{{ "version": 1, "units": ["one.service"], "filesystem": {{ "state": ["/var/lib/one"], "hidden": ["{hidden}"] }} }}"#
        );
        let target: Target = "debian-13".parse().unwrap();
        let resolved = resolve(&json::parse(&policy).unwrap()).unwrap();
        let findings = resolved.plan(&target, Surroundings::default()).unwrap_err();
        findings.iter().map(|one| one.kind.message(Language::Json)).collect::<String>()
    };
    assert_eq!(said("/var/lib/one"), "`/var/lib/one` is shown and hidden");
    assert_eq!(said("/var/lib"), "`/var/lib/one` lies below `/var/lib`, which is hidden");
}
