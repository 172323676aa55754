//! A folder of the benchmark's own, on the disk of the target directory.

use std::fs;
use std::path::PathBuf;

use wasmtime::Result;

/// Removed with all that is in it.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Result<Self> {
        let prefix = format!("wasi-{name}-");
        let directory =
            tempfile::Builder::new().prefix(&prefix).tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        Ok(Self(directory.keep()))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
