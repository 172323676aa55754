//! Runs an example as a process of its own.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The features that this test was built with.
fn features() -> String {
    let features = [
        ("default", cfg!(feature = "default")),
        ("tokio", cfg!(feature = "tokio")),
        ("futures", cfg!(feature = "futures")),
        ("codec", cfg!(feature = "codec")),
        ("http-body", cfg!(feature = "http-body")),
        ("nats", cfg!(feature = "nats")),
        ("quic", cfg!(feature = "quic")),
        ("tracing", cfg!(feature = "tracing")),
        ("wasi", cfg!(feature = "wasi")),
    ];
    let enabled = features.iter().filter(|(_, is_enabled)| *is_enabled).map(|(name, _)| *name);
    enabled.collect::<Vec<_>>().join(",")
}

/// Builds the example as this test was built, which `cargo test` has usually done. `cargo test --test NAME` alone would
/// leave an old build, or none.
pub fn build(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile = test.ancestors().nth(2).and_then(Path::file_name).unwrap();
    let profile = if profile == "debug" { OsStr::new("dev") } else { profile };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let mut build = Command::new(env!("CARGO"));
    // What cargo has set for this test is not set in other builds. Build scripts that look at it, as ring's does, would run
    // again here and there in turns.
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            build.env_remove(name);
        }
    }
    let build = build
        .args(["build", "--example", name, "--message-format", "json-render-diagnostics"])
        .args(["--no-default-features", "--features", &features()])
        .args([OsStr::new("--profile"), profile, OsStr::new("--target-dir"), target.as_ref()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo should start");
    assert!(build.status.success(), "`cargo build --example {name}` failed: {}", build.status);
    let messages = String::from_utf8(build.stdout).unwrap();
    let (_, path) = messages.split_once(r#""executable":""#).expect("an executable");
    PathBuf::from(path.split_once('"').unwrap().0)
}
