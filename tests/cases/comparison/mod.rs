//! What `cargo xtask compare` says of the contenders that take nothing but systemd: their order, and what lies between.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use sandboxed_cases::comparison::{Comparison, Contender, Kind, REASONS, Reason, Scene};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_probe::Verdict;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] =
    &[Case::new("comparison::in_their_order", in_their_order).on(&[Suite::Trixie])];

/// From the most open to the most closed.
const ORDER: [&str; 5] = ["plain", "confinement", "article", "sandboxed", "sandboxed-tight"];

/// Ways out of the article's sandbox: the machine's other addresses, abstract sockets, what lies open in the file system,
/// sockets in /run, and much of the kernel.
const BETWEEN: [&str; 14] = [
    "tcp-host-v4",
    "tcp-host-v6",
    "udp-host-v4",
    "abstract-stream",
    "read-etc",
    "read-var-lib",
    "read-run",
    "read-own-users-file",
    "socket-file-stream",
    "dbus-system",
    "namespace-user",
    "memory-map-both",
    "calls-32-bit",
    "core-dumps",
];

/// What the article does close, and a plain unit does not.
const CLOSED_BY_ARTICLE: [&str; 5] =
    ["tcp-loopback-v4", "tcp-loopback-v6", "see-processes", "sysv-memory-read", "write-etc"];

fn in_their_order(suite: Suite) -> Result<()> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    let scene = Scene::set(&machine, &sandbox::programs()?.join("sandboxed-probe"))?;
    let mut comparison = Comparison::new(Kind::Container, BTreeMap::new());
    for name in ORDER {
        let trial = scene.try_out(&Contender::named(name)?)?;
        ensure!(trial.work.is_none(), "the service does not work under {name}: {:?}", trial.work);
        let ran = trial.findings.as_ref();
        ensure!(ran.is_ok(), "the probe does not run under {name}: {:?}", ran.err());
        comparison.add(name, &trial)?;
    }
    let closed = ORDER.map(|name| comparison.count(name, Verdict::Closed, |_| true));
    ensure!(closed.is_sorted_by(|less, more| less < more), "{ORDER:?} close {closed:?} channels");
    let wrong = |name: &str, channels: &[&'static str], wanted| -> Vec<&str> {
        let wrong = channels.iter().filter(|channel| comparison.verdict(name, channel) != Some(wanted));
        wrong.copied().collect()
    };
    for (name, channels, wanted) in [
        ("article", &BETWEEN[..], Verdict::Open),
        ("sandboxed", &BETWEEN, Verdict::Closed),
        ("plain", &CLOSED_BY_ARTICLE, Verdict::Open),
        ("article", &CLOSED_BY_ARTICLE, Verdict::Closed),
    ] {
        let wrong = wrong(name, channels, wanted);
        ensure!(wrong.is_empty(), "under {name} these are not {wanted:?}: {wrong:?}");
    }
    // What is said of a channel that stays open is so: a field closes it, or none does.
    for Reason { channel, closed_by, .. } in REASONS {
        ensure!(
            comparison.verdict("sandboxed", channel) == Some(Verdict::Open),
            "{channel} does not stay open"
        );
        let wanted = if closed_by.is_some() { Verdict::Closed } else { Verdict::Open };
        let found = comparison.verdict("sandboxed-tight", channel);
        ensure!(found == Some(wanted), "with {closed_by:?} {channel} is {found:?}");
    }
    // The drop-ins as printed: a probe that can't run has no verdict, and says why.
    let printed = scene.try_out(&Contender::named("article-printed")?)?;
    ensure!(
        printed.work.is_some_and(|reason| reason.contains("ip6tables")),
        "it starts, or fails for another reason"
    );
    ensure!(printed.findings.is_err(), "there are findings of a unit that does not start");
    Ok(())
}
