//! `sandboxed-launch [OPTION…] -- PROGRAM [ARGUMENT…]`: see the library's description.

// Rust's own start-up code would set SIGPIPE to "ignore" before `main`, and the service would inherit it.
#![no_main]
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

/// What the C library's start-up code calls.
// SAFETY: no other symbol of this name exists, `no_main` keeps Rust's own out.
#[unsafe(no_mangle)]
extern "C" fn main(count: c_int, arguments: *const *const c_char) -> c_int {
    // SAFETY: these are the arguments that the C library gave us, untouched.
    let arguments = unsafe { sandboxed_launch::arguments(count, arguments) };
    sandboxed_launch::run(arguments)
}
