//! Each case on each release. `cargo xtask test` builds what they need and runs them; to run some of them:
//!
//! ```text
//! SANDBOXED_CASES=1 cargo test -p sandboxed-cases -- trixie::synapse
//! ```

mod abstract_names;
mod asking;
mod comparison;
mod fail_closed;
mod filtered;
mod handed;
mod hostile;
mod information;
mod journal;
mod launcher;
mod lifecycle;
mod nixos;
mod owner;
mod private;
mod probe;
mod refusal;
mod synapse;
mod upgrade;
mod verify;

use std::process::ExitCode;

use sandboxed_cases::harness;

fn main() -> ExitCode {
    harness::run(
        &[
            abstract_names::CASES,
            asking::CASES,
            comparison::CASES,
            fail_closed::CASES,
            filtered::CASES,
            handed::CASES,
            hostile::CASES,
            information::CASES,
            journal::CASES,
            launcher::CASES,
            lifecycle::CASES,
            nixos::CASES,
            owner::CASES,
            private::CASES,
            probe::CASES,
            refusal::CASES,
            synapse::CASES,
            upgrade::CASES,
            verify::CASES,
        ]
        .concat(),
    )
}
