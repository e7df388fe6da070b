//! What is said of mistakes.

use super::*;
use crate::language::Language;
use expect_test::{Expect, expect};

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&shown(text));
}

fn shown(text: &str) -> String {
    let document = crate::json::parse(text).unwrap();
    let shown: Vec<String> = by_schema(&document)
        .iter()
        .map(|d| {
            let help = d.kind.help(Language::Json).unwrap_or_default();
            let message = d.kind.message(Language::Json);
            format!("{:?} {}: {message} [{help}]\n", &text[d.span.clone()], d.kind.code())
        })
        .collect();
    shown.concat()
}

#[test]
fn all_errors_at_once_with_place_and_suggestion() {
    check(
        r#"{"version": 1, "filesytem": {}, "network": {"mode": "filterd", "listen": [{"port": 0, "protocol": 7}]},
               "filesystem": {"state": "/var", "readable": ["/a/../b"]}, "accept": {"no-write-execut": "x", "no-realtime": " "}}"#,
        &expect![[r#"
                "\"filesytem\"" unknown-field: unknown field `filesytem` [did you mean `filesystem`?]
                "\"filterd\"" wrong-value: `filterd` is not `filtered`, `private`, `joined` or `none` [did you mean `filtered`?]
                "0" wrong-value: `0` is not from 1 to 65535 []
                "7" wrong-value: `7` is not `tcp` or `udp` [`tcp`: TCP, tcp(7).
                `udp`: UDP, udp(7).]
                "\"/var\"" wrong-type: expected a list, found a string [did you mean `["/var"]`?]
                "\"/a/../b\"" wrong-value: `/a/../b` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "\"no-write-execut\"" unknown-field: unknown field `no-write-execut` [did you mean `no-write-execute`?]
                "\" \"" wrong-value: ` ` is not a reason in one line [for example: `"why the service cannot do with it"`]
            "#]],
    );
}

#[test]
fn a_policy_for_a_later_release_is_not_taken_for_this_one() {
    check(
        r#"{"version": 2, "units": ["a.service"]}"#,
        &expect![[r#"
                "2" wrong-value: `2` is not version 1, the only one that this release of sandboxed reads []
            "#]],
    );
}

/// The errors of a policy with this in it.
fn within(fields: &[&str], expected: &Expect) {
    let texts = fields.iter().map(|fields| format!("{{\"version\": 1, {fields}}}"));
    let shown: Vec<String> = texts.map(|text| shown(&text)).collect();
    expected.assert_eq(&shown.concat());
}

#[test]
fn what_was_meant_is_offered_in_the_right_form() {
    within(
        &[
            r#""unit": "x.service""#,
            r#""units": "x.service""#,
            r#""units": ["x"]"#,
            r#""sockets": "a.socket, b.socket""#,
            r#""network": "none""#,
            r#""network": {"listen": 80}"#,
            r#""network": {"listen": ["tcp 80", "443/udp", "anywhere 8008", {"port": "80"}, {"prt": "80"}]}"#,
            r#""network": {"listen": ["port: 80 from: anywhere", {"udp": 53}]}"#,
            r#""network": {"egressRules": ["deny 10.0.0.0/8", {"deny": ["10.0.0.0/8"]}, "allow tcp 443"]}"#,
            r#""network": {"allow": ["127.0.0.1:5432", "tcp localhost:1", "tcp:127.0.0.1:1", "udp://[::1]:53"]}"#,
            r#""network": {"mode": ["none"], "egress": "NONE"}"#,
            r#""filesystem": {"state": "/var/lib/x", "readable": ["srv//x/", "/etc/./x"], "etc": ["/etc/ssl"]}"#,
            r#""resources": {"memory": "2 GiB", "tasks": "64", "coreDumps": "no", "disk": 1024}"#,
            r#""secrets": {"credentials": "token:/etc/x/token"}"#,
            r#""privileges": {"capabilities": "cap_net_raw"}"#,
        ],
        &expect![[r#"
                "\"unit\"" unknown-field: unknown field `unit` [did you mean `"units": ["x.service"]`?]
                "\"x.service\"" wrong-type: expected a list, found a string [did you mean `["x.service"]`?]
                "\"x\"" wrong-value: `x` is not the name of a service unit, ending in `.service` [did you mean `x.service`?]
                "\"a.socket, b.socket\"" wrong-type: expected a list, found a string [did you mean `["a.socket", "b.socket"]`?]
                "\"none\"" wrong-type: expected an object, found a string [did you mean `{ "mode": "none" }`?]
                "80" wrong-type: expected a list, found a number [did you mean `[{ "port": 80 }]`?]
                "\"tcp 80\"" wrong-type: expected an object, found a string [did you mean `{ "port": 80, "protocol": "tcp" }`?]
                "\"443/udp\"" wrong-type: expected an object, found a string [did you mean `{ "port": 443, "protocol": "udp" }`?]
                "\"anywhere 8008\"" wrong-type: expected an object, found a string [did you mean `{ "port": 8008, "from": "anywhere" }`?]
                "\"80\"" wrong-type: expected a whole number, found a string [did you mean `80`?]
                "{" missing-field: the field `port` is missing [write `"port": 8008,` after this `{`]
                "\"prt\"" unknown-field: unknown field `prt` [did you mean `"port": 80`?]
                "\"port: 80 from: anywhere\"" wrong-type: expected an object, found a string [did you mean `{ "port": 80, "from": "anywhere" }`?]
                "{" missing-field: the field `port` is missing [write `"port": 8008,` after this `{`]
                "\"udp\"" unknown-field: unknown field `udp` [did you mean `{ "port": 53, "protocol": "udp" }`?]
                "\"deny 10.0.0.0/8\"" wrong-type: expected an object, found a string [did you mean `{ "action": "deny", "to": ["10.0.0.0/8"] }`?]
                "\"deny\"" unknown-field: unknown field `deny` [did you mean `{ "action": "deny", "to": ["10.0.0.0/8"] }`?]
                "\"allow tcp 443\"" wrong-type: expected an object, found a string [did you mean `{ "action": "allow", "protocol": "tcp", "ports": ["443"] }`?]
                "\"127.0.0.1:5432\"" wrong-value: `127.0.0.1:5432` is not a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53` [did you mean `tcp 127.0.0.1:5432`?]
                "\"tcp localhost:1\"" wrong-value: `tcp localhost:1` is not a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53` [did you mean `tcp 127.0.0.1:1`?]
                "\"tcp:127.0.0.1:1\"" wrong-value: `tcp:127.0.0.1:1` is not a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53` [did you mean `tcp 127.0.0.1:1`?]
                "\"udp://[::1]:53\"" wrong-value: `udp://[::1]:53` is not a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53` [did you mean `udp [::1]:53`?]
                "[\"none\"]" wrong-value: `["none"]` is not `filtered`, `private`, `joined` or `none` [did you mean `none`?]
                "\"NONE\"" wrong-value: `NONE` is not `any`, `internet` or `none` [did you mean `none`?]
                "\"/var/lib/x\"" wrong-type: expected a list, found a string [did you mean `["/var/lib/x"]`?]
                "\"srv//x/\"" wrong-value: `srv//x/` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [did you mean `/srv/x`?]
                "\"/etc/./x\"" wrong-value: `/etc/./x` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [did you mean `/etc/x`?]
                "\"/etc/ssl\"" wrong-value: `/etc/ssl` is not a path below /etc, without `/etc/` in front [did you mean `ssl`?]
                "\"2 GiB\"" wrong-value: `2 GiB` is not bytes with K, M, G or T (`2G`), a percentage of the machine's memory (`50%`), or `infinity` [did you mean `2G`?]
                "\"64\"" wrong-type: expected a whole number, found a string [did you mean `64`?]
                "\"no\"" wrong-type: expected a boolean (true or false), found a string [did you mean `false`?]
                "1024" wrong-type: expected a string, found a number [did you mean `"1024"`?]
                "\"token:/etc/x/token\"" wrong-type: expected an object, found a string [did you mean `{ "token": "/etc/x/token" }`?]
                "\"cap_net_raw\"" wrong-type: expected a list, found a string [did you mean `["CAP_NET_RAW"]`?]
            "#]],
    );
}

/// Who follows what is offered must not get a sandbox that is more open than what was written.
#[test]
fn what_could_be_anything_is_taken_for_nothing() {
    within(
        &[
            r#""$shema": "x", "x": 1"#,
            r#""network": true, "ipc": true, "privileges": "yes", "processes": 1"#,
            r#""network": "eth0", "filesystem": "/var/lib/x", "syscalls": "mlock", "resources": "2G""#,
            r#""network": {"x": true}, "filesystem": {"etc": ["../shadow", "/etc/"], "readable": ["./", "~/x", "-/a//b", "x"]}"#,
            r#""name": "a\tb", "description": 1"#,
            r#""privileges": {"capabilities": ["CAP_NET_BIND", "NET_RAW", "sys_admin", "CAP_SYS", "CAP_NET_XYZ", "CAP_KILLL"]}"#,
            r#""units": ["a.service", "b.service", "a.service"], "sockets": ["a.socket", "a.socket"]"#,
            r#""memory": "2G", "interfaces": ["a"], "network": {"units": [], "state": []}"#,
        ],
        &expect![[r#"
                "\"$shema\"" unknown-field: unknown field `$shema` [did you mean `$schema`?]
                "\"x\"" unknown-field: unknown field `x` [known here: `version`, `preset`, `name`, `description`, `units`, `sockets`, `filesystem`, `network`, `processes`, `ipc`, `privileges`, `syscalls`, `resources`, `secrets`, `verify` or `accept`]
                "true" wrong-type: expected an object, found a boolean (true or false) [for example: `{ "mode": "filtered" }`]
                "true" wrong-type: expected an object, found a boolean (true or false) [for example: `{ "sockets": ["/run/postgresql/.s.PGSQL.5432"] }`]
                "\"yes\"" wrong-type: expected an object, found a string [for example: `{ "capabilities": ["CAP_NET_BIND_SERVICE"] }`]
                "1" wrong-type: expected an object, found a number [for example: `{ "namespace": false }`]
                "\"eth0\"" wrong-type: expected an object, found a string [for example: `{ "mode": "filtered" }`]
                "\"/var/lib/x\"" wrong-type: expected an object, found a string [for example: `{ "root": "own" }`]
                "\"mlock\"" wrong-type: expected an object, found a string [for example: `{ "allow": ["@system-service"] }`]
                "\"2G\"" wrong-type: expected an object, found a string [for example: `{ "memory": "2G" }`]
                "\"x\"" unknown-field: unknown field `x` [known here: `mode`, `listen`, `otherUdpPorts`, `openSockets`, `allow`, `hostAddresses`, `uplinks`, `interfaces`, `egress`, `egressRules`, `dns`, `limits`, `resolver`, `nameServers`, `prefixes`, `namespace`, `namespaceUnit`, `addressFamilies` or `protocols`]
                "\"../shadow\"" wrong-value: `../shadow` is not a path below /etc, without `/etc/` in front [for example: `"ssl/certs"`]
                "\"/etc/\"" wrong-value: `/etc/` is not a path below /etc, without `/etc/` in front [for example: `"ssl/certs"`]
                "\"./\"" wrong-value: `./` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "\"~/x\"" wrong-value: `~/x` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "\"-/a//b\"" wrong-value: `-/a//b` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [did you mean `-/a/b`?]
                "\"x\"" wrong-value: `x` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "\"a\\tb\"" wrong-value: `a\tb` is not letters, digits, `_`, `.` and `-`, at most 64, the first a letter or digit [did you mean `a-b`?]
                "1" wrong-type: expected a string, found a number [did you mean `"1"`?]
                "\"CAP_NET_BIND\"" wrong-value: `CAP_NET_BIND` is not known here [did you mean `CAP_NET_BIND_SERVICE`?]
                "\"NET_RAW\"" wrong-value: `NET_RAW` is not known here [did you mean `CAP_NET_RAW`?]
                "\"sys_admin\"" wrong-value: `sys_admin` is not known here [did you mean `CAP_SYS_ADMIN`?]
                "\"CAP_SYS\"" wrong-value: `CAP_SYS` is not known here []
                "\"CAP_NET_XYZ\"" wrong-value: `CAP_NET_XYZ` is not known here []
                "\"CAP_KILLL\"" wrong-value: `CAP_KILLL` is not known here [did you mean `CAP_KILL`?]
                "\"a.service\"" duplicate: `a.service` is named twice [keep one of them]
                "\"a.socket\"" duplicate: `a.socket` is named twice [keep one of them]
                "\"memory\"" unknown-field: unknown field `memory` [it belongs elsewhere: `resources.memory`]
                "\"interfaces\"" unknown-field: unknown field `interfaces` [it belongs elsewhere: `network.interfaces`, `network.listen[].interfaces` or `network.egressRules[].interfaces`]
                "\"units\"" unknown-field: unknown field `units` [it belongs at the top of the policy: `units`]
                "\"state\"" unknown-field: unknown field `state` [it belongs elsewhere: `filesystem.state`]
            "#]],
    );
}

#[test]
fn where_it_cannot_be_told_an_example_shows_the_form() {
    within(
        &[
            r#""accept": ["no-such"]"#,
            r#""accept": ["no-realtime", "no-write-execut"]"#,
            r#""accept": "no-realtime""#,
            r#""accept": {"no-such": "x", "no-realtime": true}"#,
            r#""network": {"listen": [{}, "http", true], "mode": "host", "egress": ["lan"]}"#,
            r#""network": {"listen": [{"port": 80, "from": "lan"}], "limits": 5}"#,
            r#""verify": "monthly", "preset": "synaps", "name": "-""#,
            r#""network": null, "filesystem": {"state": {}, "readable": ["/a/../b", 3]}"#,
            r#""secrets": {"credentials": ["a"]}"#,
            r#""privileges": {"capabilities": ["CAP_EVERYTHING"]}"#,
        ],
        &expect![[r#"
                "[\"no-such\"]" wrong-type: expected an object, found a list [for example: `{ "no-write-execute": "pyOpenSSL's callbacks need memory that is writable and executable" }`]
                "[\"no-realtime\", \"no-write-execut\"]" wrong-type: expected an object, found a list [for example: `{ "no-realtime": "why the service cannot do with it", "no-write-execute": "why the service cannot do with it" }`]
                "\"no-realtime\"" wrong-type: expected an object, found a string [for example: `{ "no-realtime": "why the service cannot do with it" }`]
                "\"no-such\"" unknown-field: unknown field `no-such` [known here are `mounts-enforced`, `host-files-unwritable`, `host-files-unreadable` and 50 others: `sandboxed schema --markdown` has all]
                "true" wrong-type: expected a string, found a boolean (true or false) [for example: `"why the service cannot do with it"`]
                "{" missing-field: the field `port` is missing [write `"port": 8008,` after this `{`]
                "\"http\"" wrong-type: expected an object, found a string [for example: `{ "port": 8008 }`]
                "true" wrong-type: expected an object, found a boolean (true or false) [for example: `{ "port": 8008 }`]
                "\"host\"" wrong-value: `host` is not `filtered`, `private`, `joined` or `none` [`filtered`: It uses the machine's network, and a filter closes whatever a separate machine could not reach.
                `private`: It has a network of its own, with a virtual cable to the machine. Other machines are reached with the machine's address, and the machine itself is not. Connections are tracked for it, and the machine passes its packets on.
                `joined`: It is in a network that something else has made, such as a VPN, and is as open as that is.
                `none`: It has no network. Sockets reach it by activation only.]
                "[\"lan\"]" wrong-value: `["lan"]` is not `any`, `internet` or `none` [`any`: To every other machine.
                `internet`: To the internet: to no address that is private (RFC 1918, RFC 4193), of a carrier (RFC 6598), link-local, a group's, or of a cloud's metadata service.
                `none`: To no other machine, but in answer to those who called it.]
                "\"lan\"" wrong-value: `lan` is not `localhost`, `anywhere` or `named` [`localhost`: Processes of this machine only, such as a reverse proxy.
                `anywhere`: Everybody whom the machine's own firewall lets through.
                `named`: Other machines that come by one of `interfaces` and from one of `networks`, and that the machine's own firewall lets through.]
                "5" wrong-type: expected an object, found a number [for example: `{ "connectionsPerSecond": 50 }`]
                "\"monthly\"" wrong-value: `monthly` is not `hourly`, `daily` or `weekly` [`hourly`: Every hour.
                `daily`: Every day.
                `weekly`: Every week.]
                "\"-\"" wrong-value: `-` is not letters, digits, `_`, `.` and `-`, at most 64, the first a letter or digit [for example: `"synapse"`]
                "null" wrong-type: expected an object, found null [for example: `{ "mode": "filtered" }`]
                "{}" wrong-type: expected a list, found an object [for example: `["/var/lib/matrix-synapse"]`]
                "\"/a/../b\"" wrong-value: `/a/../b` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "3" wrong-type: expected a string, found a number [for example: `"/var/lib/matrix-synapse"`]
                "[\"a\"]" wrong-type: expected an object, found a list [for example: `{ "registration.yaml": "/etc/matrix-synapse/registration.yaml" }`]
                "\"CAP_EVERYTHING\"" wrong-value: `CAP_EVERYTHING` is not known here []
            "#]],
    );
    check(
        "[1]",
        &expect![[r#"
            "[" wrong-type: expected an object, found a list [for example: `{ "version": 1, "units": ["example.service"] }`]
        "#]],
    );
    check(
        r#"{"version": "1"}"#,
        &expect![[r#"
            "\"1\"" wrong-type: expected a whole number, found a string [did you mean `1`?]
        "#]],
    );
    check(
        "{}",
        &expect![[r#"
            "{" missing-field: the field `version` is missing [write `"version": 1,` after this `{`]
        "#]],
    );
}

/// An example that is no example would be worse than none.
#[test]
fn every_place_has_an_example_that_is_right_there() {
    fn walk(schema: &Schema, part: &Value, place: &str, seen: &mut usize) {
        let meant = schema.follow(part);
        if place != "/$schema" {
            let example = instead::example(schema, part).unwrap_or_else(|| panic!("{place} has no example"));
            assert!(schema.part_accepts(part, &example), "{place}: {example}");
            *seen += 1;
        }
        for (name, field) in meant.get("properties").and_then(Value::as_object).into_iter().flatten() {
            walk(schema, field, &format!("{place}/{name}"), seen);
        }
        if let Some(item) = meant.get("items") {
            walk(schema, item, &format!("{place}/0"), seen);
        }
    }
    let mut seen = 0;
    walk(schema::policy(), schema::policy().root(), "", &mut seen);
    assert!(seen > 100, "{seen}");
}

/// What is written for what nobody could mean must not take long: policies come from anywhere.
#[test]
fn many_mistakes_are_all_explained() {
    let items = vec![r#""tcp 80""#; 20_000].join(",");
    let text = format!(r#"{{"version": 1, "network": {{"listen": [{items}]}}}}"#);
    // In time that grows with their number: else this would not end.
    assert_eq!(by_schema(&crate::json::parse(&text).unwrap()).len(), 20_000);
}

#[test]
fn what_is_computed_is_not_judged() {
    let mut document =
        crate::json::parse(r#"{"version": 1, "units": ["a.service", 1], "network": 1}"#).unwrap();
    if let NodeKind::Object(members) = &mut document.kind {
        members[0].value.kind = NodeKind::Computed;
        members[2].value.kind = NodeKind::Computed;
        if let NodeKind::Array(items) = &mut members[1].value.kind {
            items[1].kind = NodeKind::Computed;
        }
    }
    assert_eq!(by_schema(&document), []);
}
