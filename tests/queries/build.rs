//! The macros are given what they have to know of the tables from `.sqlx`, so that neither a server nor `DATABASE_URL` is needed
//! to compile, nor can one get into the way. `scripts/queries` writes those files.

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
