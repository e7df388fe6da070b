//! `cargo xtask dist`: what is installed on a machine, in the places where it goes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

/// What runs inside sandboxes, where no library of the machine need be: static.
const STATIC: [&str; 2] = ["sandboxed-launch", "sandboxed-probe"];

/// Build the release for a machine: programs, manual pages and completions below one folder, laid out as they go below /.
/// The launcher and the probe are static.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Where to put it; it is made anew.
    #[arg(long, default_value = "target/dist")]
    out: PathBuf,
    /// The target of the static programs. One with musl is static by itself; for one with glibc `crt-static` makes it so.
    #[arg(long, default_value = "x86_64-unknown-linux-musl")]
    target: String,
}

/// Builds and lays out.
///
/// # Errors
/// If cargo fails, or what should be static is not.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let Arguments { out, target } = arguments;
    let mut inner = cargo(&["build", "--release", "--target", target]);
    inner.args(STATIC.iter().flat_map(|program| ["--package", program]));
    succeed(inner.env("RUSTFLAGS", "-C target-feature=+crt-static"))?;
    succeed(&mut cargo(&["build", "--release", "--package", "sandboxed"]))?;

    if out.exists() {
        // Only what looks like ours is removed.
        ensure!(out.join("usr/bin/sandboxed").exists(), "{} is there, and no release", out.display());
        fs::remove_dir_all(out).with_context(|| format!("cannot remove {}", out.display()))?;
    }
    for program in STATIC {
        let built = Path::new("target").join(target).join("release").join(program);
        ensure_static(&built)?;
        ensure_alone(&built)?;
        install(&built, &out.join("usr/lib/sandboxed").join(program))?;
    }
    let command = out.join("usr/bin/sandboxed");
    install(Path::new("target/release/sandboxed"), &command)?;
    succeed(Command::new(&command).args(["man", "--out"]).arg(out.join("usr/share/man/man1")))?;
    for (shell, path) in [
        ("bash", "usr/share/bash-completion/completions/sandboxed"),
        ("fish", "usr/share/fish/vendor_completions.d/sandboxed.fish"),
        ("zsh", "usr/share/zsh/vendor-completions/_sandboxed"),
    ] {
        let printed = Command::new(&command).args(["completions", shell]).output()?;
        ensure!(printed.status.success(), "no completions for {shell}");
        let path = out.join(path);
        make_folder_of(&path)?;
        fs::write(&path, printed.stdout).with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{} has it; to install it: sudo cp -a {}/usr /", out.display(), out.display());
    Ok(ExitCode::SUCCESS)
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    cargo
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {command:?}"))?;
    ensure!(status.success(), "{command:?} fails");
    Ok(())
}

fn make_folder_of(path: &Path) -> Result<()> {
    let folder = path.parent().context("it is in no folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))
}

fn install(from: &Path, to: &Path) -> Result<()> {
    make_folder_of(to)?;
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

/// Neither an interpreter nor a library: then it runs where there is no other file.
fn ensure_static(program: &Path) -> Result<()> {
    let read =
        Command::new("readelf").args(["--wide", "--program-headers", "--dynamic"]).arg(program).output();
    let read = read.context("cannot run readelf (binutils)")?;
    ensure!(read.status.success(), "readelf cannot read {}", program.display());
    let headers = String::from_utf8_lossy(&read.stdout);
    for sign in ["INTERP", "(NEEDED)"] {
        ensure!(!headers.contains(sign), "{} is not static: it has {sign}", program.display());
    }
    Ok(())
}

/// It runs in a root in which there is nothing else.
fn ensure_alone(program: &Path) -> Result<()> {
    let root = tempfile::tempdir().context("cannot make a temporary folder")?;
    fs::copy(program, root.path().join("program"))?;
    let mut inside = Command::new("unshare");
    inside.arg("--map-root-user").arg("--root").arg(root.path()).args(["/program", "--help"]);
    let output = inside.output().context("cannot run unshare (util-linux)")?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} does not run in an empty root: {}", program.display(), said.trim());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_static_is_noticed() {
        let error = ensure_static(Path::new("/bin/sh")).unwrap_err().to_string();
        assert!(error.contains("is not static"), "{error}");
        let error = ensure_alone(Path::new("/bin/sh")).unwrap_err().to_string();
        assert!(error.contains("does not run in an empty root"), "{error}");
    }
}
