//! The last system call filter: what systemd would have to forbid the launcher itself.
//!
//! A unit whose `SystemCallFilter=` or `RestrictNamespaces=` forbids mounting and making namespaces forbids it the
//! launcher too. So the unit leaves them open, and the launcher closes them when it is done: seccomp(2).

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};

use crate::failure::{Failure, Step};
use crate::options::{NAMESPACES, Options};
use crate::protocol::InternetProtocol;

/// Everything that changes what is mounted where: `@mount` of systemd, and its newer kin.
const MOUNT: [libc::c_long; 12] = [
    libc::SYS_chroot,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fsopen,
    libc::SYS_fspick,
    libc::SYS_mount,
    libc::SYS_mount_setattr,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_pivot_root,
    libc::SYS_umount2,
    SYS_OPEN_TREE_ATTR,
];

/// `open_tree_attr(2)`, Linux 6.15: numbers from 424 on are the same on every architecture.
const SYS_OPEN_TREE_ATTR: libc::c_long = 467;

/// The flag for a time namespace, which only unshare(2) takes: to clone(2) it is part of a signal's number.
const NEW_TIME: libc::c_int = 0x80;

/// The bit that marks a call of the x32 kind. The kernel gives it the same architecture as the others, so a filter that
/// forbids a number must forbid it twice.
#[cfg(target_arch = "x86_64")]
const OTHER_ABI: Option<i64> = Some(0x4000_0000);
#[cfg(not(target_arch = "x86_64"))]
const OTHER_ABI: Option<i64> = None;

/// Installs the filter for this process and all that it will start.
pub(crate) fn install(options: &Options) -> Result<(), Failure> {
    for program in
        programs(options).map_err(Failure::at(Step::Seccomp, "build the last system call filter"))?
    {
        seccompiler::apply_filter(&program)
            .map_err(Failure::at(Step::Seccomp, "install the last system call filter"))?;
    }
    Ok(())
}

/// One filter for each way to say no.
fn programs(options: &Options) -> Result<Vec<BpfProgram>, seccompiler::BackendError> {
    let allowed = options.allow;
    let errno = |number: libc::c_int| SeccompAction::Errno(number.cast_unsigned());
    let filter = |calls: Rules, action| {
        SeccompFilter::new(calls, SeccompAction::Allow, action, std::env::consts::ARCH.try_into()?)?
            .try_into()
    };
    let mut forbidden = Rules::new();
    if !allowed.mount {
        for call in MOUNT {
            forbid(&mut forbidden, call, vec![]);
        }
    }
    let mut absent = Rules::new();
    let kinds: Vec<i32> =
        NAMESPACES.iter().map(|(_, flag)| *flag).filter(|flag| allowed.namespaces & flag == 0).collect();
    if allowed.namespaces == 0 {
        forbid(&mut forbidden, libc::SYS_setns, vec![]);
    }
    forbid(&mut forbidden, libc::SYS_unshare, any_flag(&[&kinds[..], &[NEW_TIME]].concat())?);
    if !kinds.is_empty() {
        forbid(&mut forbidden, libc::SYS_clone, any_flag(&kinds)?);
        // Its flags lie in memory, where no filter can look. C libraries then fall back to clone(2).
        forbid(&mut absent, libc::SYS_clone3, vec![]);
    }
    let mut unsupported = Rules::new();
    let sockets = options.internet_protocols.as_deref().map(all_but).transpose()?.unwrap_or_default();
    // A pair makes two sockets, and loads what they need, before it fails.
    let mut pairs = sockets.clone();
    if options.no_datagram_pairs {
        pairs.extend(datagram_pairs()?);
    }
    for (call, rules) in [(libc::SYS_socket, sockets), (libc::SYS_socketpair, pairs)] {
        if !rules.is_empty() {
            forbid(&mut unsupported, call, rules);
        }
    }
    let mut in_vain = Rules::new();
    if options.lock_core_limit {
        let core = || is(RESOURCE_OF_SETRLIMIT, SeccompCmpOp::Eq, RLIMIT_CORE);
        forbid(&mut in_vain, libc::SYS_setrlimit, vec![SeccompRule::new(vec![core()?])?]);
        let set = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Ne, 0)?;
        let core = is(RESOURCE_OF_PRLIMIT, SeccompCmpOp::Eq, RLIMIT_CORE)?;
        forbid(&mut in_vain, libc::SYS_prlimit64, vec![SeccompRule::new(vec![core, set])?]);
    }
    [
        (forbidden, errno(libc::EPERM)),
        (absent, errno(libc::ENOSYS)),
        // What Go takes for "not in this kernel", and does without.
        (unsupported, errno(libc::EPROTONOSUPPORT)),
        // Programs with secrets lower this limit to 0 and end where that fails; there is no dump for them to be afraid of.
        (in_vain, errno(0)),
    ]
    .into_iter()
    .filter(|(calls, _)| !calls.is_empty())
    .map(|(calls, action)| filter(calls, action))
    .collect()
}

/// Which argument of setrlimit(2) and of prlimit(2) says which limit.
const RESOURCE_OF_SETRLIMIT: u8 = 0;
const RESOURCE_OF_PRLIMIT: u8 = 1;

/// The limit of core dumps, of asm-generic/resource.h: C libraries give it different types.
const RLIMIT_CORE: u64 = 4;

/// The bits of socket(2)'s second argument that are the type; the others are flags.
const TYPE: u64 = 0xf;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

fn forbid(calls: &mut Rules, call: libc::c_long, rules: Vec<SeccompRule>) {
    if let Some(bit) = OTHER_ABI {
        calls.insert(call | bit, rules.clone());
    }
    calls.insert(call, rules);
}

/// One rule for each flag, any of which matches: the first argument has the flag set.
fn any_flag(flags: &[libc::c_int]) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    flags
        .iter()
        .map(|flag| {
            let flag = number(*flag);
            let set = SeccompCondition::new(0, SeccompCmpArgLen::Qword, SeccompCmpOp::MaskedEq(flag), flag)?;
            SeccompRule::new(vec![set])
        })
        .collect()
}

/// Internet sockets of other protocols than these: for each type, any number but those that go with it. Raw sockets need a
/// capability, and make the kernel load nothing.
fn all_but(protocols: &[InternetProtocol]) -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let mut rules = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in (0..=0xf_i32).filter(|kind| *kind != libc::SOCK_RAW) {
            let mut conditions = vec![
                is(0, SeccompCmpOp::Eq, number(family))?,
                is(1, SeccompCmpOp::MaskedEq(TYPE), number(kind))?,
            ];
            let known = protocols.iter().filter(|protocol| protocol.kind == kind);
            for protocol in known.flat_map(|protocol| protocol.numbers) {
                conditions.push(is(2, SeccompCmpOp::Ne, number(*protocol))?);
            }
            rules.push(SeccompRule::new(conditions)?);
        }
    }
    Ok(rules)
}

/// Pairs of unix sockets for datagrams, which the kernel makes of the raw type too: unix(7).
fn datagram_pairs() -> Result<Vec<SeccompRule>, seccompiler::BackendError> {
    let pair = |kind| {
        let family = is(0, SeccompCmpOp::Eq, number(libc::AF_UNIX))?;
        SeccompRule::new(vec![family, is(1, SeccompCmpOp::MaskedEq(TYPE), number(kind))?])
    };
    [libc::SOCK_DGRAM, libc::SOCK_RAW].into_iter().map(pair).collect()
}

/// A condition on an argument that is an `int` to the kernel.
fn is(
    argument: u8,
    operator: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
}

fn number(value: libc::c_int) -> u64 {
    u64::from(value.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Allowed;

    #[test]
    fn what_is_allowed_is_not_in_the_filter() {
        let with = |mount, namespaces| Options { allow: Allowed { mount, namespaces }, ..Options::default() };
        let length = |mount, namespaces| {
            programs(&with(mount, namespaces)).unwrap().iter().map(Vec::len).sum::<usize>()
        };
        let all = NAMESPACES.iter().fold(0, |all, (_, flag)| all | flag);
        let lengths = [(true, all), (true, libc::CLONE_NEWUSER), (true, 0), (false, 0)];
        let lengths = lengths.map(|(mount, namespaces)| length(mount, namespaces));
        assert!(lengths.is_sorted_by(|less, more| less < more), "{lengths:?}");
        let asked =
            Options { internet_protocols: Some(Vec::new()), lock_core_limit: true, ..with(true, all) };
        assert_eq!(programs(&asked).unwrap().len(), programs(&with(true, all)).unwrap().len() + 2);
        let pairs = Options { no_datagram_pairs: true, ..with(true, all) };
        assert_eq!(programs(&pairs).unwrap().len(), programs(&with(true, all)).unwrap().len() + 1);
    }
}
