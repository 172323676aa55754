//! Directories of the tests' own.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

/// A new directory, which is removed with all that is in it.
#[derive(Debug)]
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// With one file.
    pub(crate) fn with(name: &str, bytes: &[u8]) -> Self {
        let scratch = Self::new();
        scratch.put(name, bytes);
        scratch
    }

    pub(crate) fn put(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub(crate) fn get(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The path of `name` in the directory; "" is the directory itself.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
