//! The suites are embedded by `include_dir!`, whose files cargo does not know: a new suite must lead to a new build.
fn main() {
    println!("cargo::rerun-if-changed=suites");
}
