//! The project's own chores: `cargo xtask --help` lists them.

mod bench;
mod cli;
mod compare;
mod dist;
mod schema;
mod test;
mod testbed;

fn main() -> anyhow::Result<std::process::ExitCode> {
    cli::run()
}
