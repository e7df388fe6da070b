//! Each case on each release. `cargo xtask test` builds what they need and runs them; to run some of them:
//!
//! ```text
//! SANDBOXED_CASES=1 cargo test -p sandboxed-cases -- trixie::synapse
//! ```

mod hostile;
mod synapse;

use std::process::ExitCode;

use sandboxed_cases::harness;

fn main() -> ExitCode {
    harness::run(&[hostile::CASES, synapse::CASES].concat())
}
