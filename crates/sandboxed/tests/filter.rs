//! The holder of the table, in a network namespace of its own.
#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::io::Write as _;
use std::process::Command;

/// Checks, step by step, that the table is loaded, changed, out of others' reach, and gone with its holder.
const STEPS: &str = r#"
set -eu
cd "$1"; sandboxed=$2
fail() { echo "failed: $1" >&2; exit 1; }
printf 'table inet sandboxed {\n\tflags owner;\n\tset uplinks { type iface_index; }\n\tchain refuse {\n\t}\n}\n' >table.nft
ip link set lo up
for name in up0 up1 bridge0; do
    ip link add $name type veth peer name far-$name; ip link set far-$name up; ip link set $name up
done
ip address add 10.77.0.1/24 dev up0; ip address add 10.78.0.1/24 dev up1; ip address add 10.79.0.1/24 dev bridge0
ip route add default via 10.77.0.2
# Whether the uplinks become these, in the order of their numbers.
uplinks() {
    tries=0
    until test "$(nft list set inet sandboxed uplinks | tr -d ' \n\t"' | sed 's/.*elements={\([^}]*\)}.*/\1/; s/.*iface_index}}//')" = "$1"; do
        tries=$((tries + 1)); test $tries -lt 500 || fail "the uplinks are not $1: $(nft list set inet sandboxed uplinks)"
        sleep 0.01
    done
}
printf 'add chain inet sandboxed a\n' >a.nft
printf 'add rule inet sandboxed a accept\n' >b.nft
printf 'add chain inet sandboxed half\nadd rule inet sandboxed nowhere accept\n' >bad.nft
"$sandboxed" filter load --socket socket a.nft 2>errors && fail "there is no holder yet"
grep -q 'nobody holds' errors
# What was left there by somebody who owns nothing is replaced.
nft 'add table inet sandboxed; add chain inet sandboxed old'
"$sandboxed" filter hold --socket socket table.nft & holder=$!
trap 'kill $holder 2>/dev/null || :' EXIT
tries=0
until test -S socket; do tries=$((tries + 1)); test $tries -lt 500 || fail "it does not listen"; sleep 0.01; done
uplinks up0
ip route add default via 10.78.0.2 metric 9; uplinks up0,up1
ip route del default via 10.77.0.2; uplinks up1
# A route to one network makes no uplink; one that several interfaces share, half a default route and IPv6's do.
ip route add 192.0.2.0/24 via 10.79.0.2; ip route add unreachable default metric 99
ip link set up1 down; uplinks ''
ip route add 0.0.0.0/1 via 10.77.0.2; uplinks up0
ip route add table 7 default nexthop via 10.77.0.2 nexthop via 10.79.0.2; uplinks up0,bridge0
ip route flush table 7; ip route del 0.0.0.0/1; uplinks ''
ip -6 route add 2000::/3 dev up0; uplinks up0
# One that goes and comes again under the same name is closed until a route leads to it.
ip link del up0; uplinks ''; ip link add up0 type veth peer name far-up0; ip link set up0 up
nft list chain inet sandboxed old 2>/dev/null && fail "the table is the old one"
"$sandboxed" filter load --socket socket table.nft a.nft b.nft
nft list chain inet sandboxed a | grep -q accept
code=0; "$sandboxed" filter load --socket socket bad.nft 2>errors || code=$?
test $code = 1 || fail "a bad script got $code"
grep -q nowhere errors
! nft list chain inet sandboxed half 2>/dev/null || fail "half of a script was loaded"
nft flush ruleset
nft delete table inet sandboxed 2>/dev/null && fail "somebody else may delete the table"
nft list chain inet sandboxed a | grep -q accept
kill $holder; wait $holder 2>/dev/null || :
tries=0
while nft list table inet sandboxed >/dev/null 2>&1; do
    tries=$((tries + 1)); test $tries -lt 500 || fail "the table outlives its holder"; sleep 0.01
done
# A table that nft refuses, and an nft that is not there, are no holder.
printf 'table inet sandboxed { nonsense }\n' >table.nft
"$sandboxed" filter hold --socket socket table.nft 2>/dev/null && fail "it holds nonsense"
"$sandboxed" filter hold --nft /nonexistent --socket socket table.nft 2>/dev/null && fail "it holds nothing"
exit 0
"#;

#[test]
fn the_table_is_its_holders_alone() {
    let run = |command: &[&str]| Command::new("unshare").arg("-rn").args(command).output();
    match run(&["nft", "--version"]) {
        Ok(output) if output.status.success() => {}
        other => {
            // Past the harness, which shows nothing of tests that pass.
            let reason = format!("nft can't run in a network namespace here: {other:?}");
            let _ = writeln!(std::io::stderr(), "skipped the table's holder: {reason}");
            return;
        }
    }
    let directory = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_sandboxed");
    let output = run(&["sh", "-c", STEPS, "steps", directory.path().to_str().unwrap(), program]).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
