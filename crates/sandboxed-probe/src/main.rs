//! The program that runs inside the sandbox.

use std::process::ExitCode;

fn main() -> ExitCode {
    sandboxed_probe::cli::main()
}
