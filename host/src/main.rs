//! The binary: a thin shell over the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    groupcast::cli::main()
}
