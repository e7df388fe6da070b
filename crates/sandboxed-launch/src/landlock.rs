//! Entering a Landlock domain: landlock(7).
//!
//! Only what was asked for is restricted; everything else stays as the mount namespace has it. What the running kernel
//! lacks is an error, never left out.

use landlock::{
    AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, NetPort, PathBeneath, PathFd, Ruleset,
    RulesetAttr as _, RulesetCreated, RulesetCreatedAttr as _, RulesetError,
};

use crate::failure::{Failure, Step};
use crate::options::{LandlockOptions, NamedPath};

/// Restricts this process and all that it will start.
pub(crate) fn enter(options: &LandlockOptions) -> Result<(), Failure> {
    let LandlockOptions { scopes, tcp_bind, tcp_connect, execute, device_ioctl } = options;
    let mut files = BitFlags::<AccessFs>::empty();
    let mut network = BitFlags::<AccessNet>::empty();
    for (given, right) in [(execute, AccessFs::Execute), (device_ioctl, AccessFs::IoctlDev)] {
        if given.is_some() {
            // A domain that handles any access to files also forbids moving them between directories unless told otherwise.
            files |= right | AccessFs::Refer;
        }
    }
    for (given, right) in [(tcp_bind, AccessNet::BindTcp), (tcp_connect, AccessNet::ConnectTcp)] {
        if given.is_some() {
            network |= right;
        }
    }
    if files.is_empty() && network.is_empty() && scopes.is_empty() {
        return Ok(());
    }
    let mut ruleset = create(files, network, options).map_err(failed("create the Landlock rule set"))?;
    if !files.is_empty() {
        ruleset = allow_path(ruleset, "/".as_ref(), AccessFs::Refer)?;
    }
    for (paths, right) in [(execute, AccessFs::Execute), (device_ioctl, AccessFs::IoctlDev)] {
        for NamedPath { path, optional } in paths.iter().flatten() {
            if !optional || path.exists() {
                ruleset = allow_path(ruleset, path, right)?;
            }
        }
    }
    for (ports, right) in [(tcp_bind, AccessNet::BindTcp), (tcp_connect, AccessNet::ConnectTcp)] {
        for port in ports.iter().flatten() {
            ruleset = ruleset
                .add_rule(NetPort::new(*port, right))
                .map_err(failed(format_args!("let TCP port {port} through Landlock")))?;
        }
    }
    ruleset.restrict_self().map_err(failed("enter the Landlock domain")).map(drop)
}

fn create(
    files: BitFlags<AccessFs>,
    network: BitFlags<AccessNet>,
    options: &LandlockOptions,
) -> Result<RulesetCreated, RulesetError> {
    let mut ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    if !files.is_empty() {
        ruleset = ruleset.handle_access(files)?;
    }
    if !network.is_empty() {
        ruleset = ruleset.handle_access(network)?;
    }
    if !options.scopes.is_empty() {
        ruleset = ruleset.scope(options.scopes)?;
    }
    ruleset.create()
}

fn allow_path(
    ruleset: RulesetCreated,
    path: &std::path::Path,
    right: AccessFs,
) -> Result<RulesetCreated, Failure> {
    let what = || format!("let {} through Landlock", path.display());
    let descriptor = PathFd::new(path).map_err(Failure::at(Step::Landlock, what()))?;
    ruleset.add_rule(PathBeneath::new(descriptor, right)).map_err(Failure::at(Step::Landlock, what()))
}

fn failed(what: impl std::fmt::Display) -> impl FnOnce(RulesetError) -> Failure {
    Failure::at(Step::Landlock, what)
}
