//! The macros read the descriptions of the tables from `.sqlx`. So the build needs neither a server nor `DATABASE_URL`,
//! and a variable that is set does not interfere. `scripts/queries` writes those files.

use std::env;

const PREPARE: &str = "EBBTIDE_PREPARE_QUERIES";

fn main() {
    println!("cargo:rerun-if-env-changed={PREPARE}");
    println!("cargo:rerun-if-changed=.sqlx");
    println!("cargo:rerun-if-changed=migrations");
    if env::var_os(PREPARE).is_none() {
        println!("cargo:rustc-env=SQLX_OFFLINE=true");
    }
}
