//! The `huntbook` binary: hands the arguments to [`huntbook::cli`] and returns its exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    huntbook::cli::run(std::env::args_os())
}
