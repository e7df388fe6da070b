//! `sandboxed lsp`: the language server.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use sandboxed_core::target::Target;
use sandboxed_lsp::server::{self, Settings};

use crate::{host, input};

/// What an editor plans for on a machine that has no systemd of its own to ask.
pub(super) const ELSEWHERE: &str = "debian-13";
/// Configurations nest deeper than a thread's usual stack holds; what is not used costs nothing (bytes).
const STACK: usize = 64 << 20;

/// Serve an editor: completion, explanations and diagnostics in `configuration.nix` and JSON policies, on standard input
/// and output.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The target that plans are made for, as for `check`; this machine where it is not given.
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let target = match &options.target {
        Some(named) => input::target(named)?,
        None => host::target().or_else(|_| ELSEWHERE.parse::<Target>())?,
    };
    let settings = Settings { target, presets: cache().join("sandboxed/presets") };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(move || server::serve_stdio(settings));
    let served = thread.context("cannot start")?.join();
    served.map_err(|_| anyhow::anyhow!("the server broke off"))??;
    Ok(ExitCode::SUCCESS)
}

/// Where files go that can be made again, XDG Base Directory Specification.
fn cache() -> PathBuf {
    let named = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let below_home = || named("HOME").map(|home| home.join(".cache"));
    named("XDG_CACHE_HOME").or_else(below_home).unwrap_or_else(std::env::temp_dir)
}
