//! Copies of the pieces in which one text is replaced, each with the models that are to find that.

use std::fs;
use std::path::Path;

use super::breaks::Break;
use super::{cargo, home, target};

/// What a variant consists of, from the root of the repository.
const COPIED: &[&str] = &[
    "adapters/blocking/job.rs",
    "adapters/wasi/stdio/shared.rs",
    "src/completion",
    "src/end.rs",
    "src/handoff",
    "src/layer",
    "src/oneshot.rs",
    "src/place.rs",
    "src/sink.rs",
    "src/source.rs",
    "src/wake.rs",
    "tests/loom/src",
];

/// Of the program.
pub(crate) fn name(broken: &Break) -> String {
    format!("broken_{}", broken.name.replace(' ', "_"))
}

fn copy(from: &Path, to: &Path) -> Result<(), String> {
    let copied = if from.is_dir() {
        let files = fs::read_dir(from).map_err(|error| format!("{}: {error}", from.display()))?;
        for file in files {
            let file = file.map_err(|error| error.to_string())?;
            copy(&file.path(), &to.join(file.file_name()))?;
        }
        Ok(())
    } else {
        let folder = to.parent().unwrap_or(to);
        fs::create_dir_all(folder).and_then(|()| fs::copy(from, to)).map(drop)
    };
    copied.map_err(|error| format!("{}: {error}", from.display()))
}

/// Breaks a copy. Each text must be there exactly once, or the table is out of date.
fn patch(broken: &Break, at: &Path) -> Result<(), String> {
    let path = at.join(broken.file);
    let mut text =
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", broken.file))?;
    for (from, to) in broken.changes {
        match text.matches(from).count() {
            1 => text = text.replacen(from, to, 1),
            n => return Err(format!("{}: {n} times in {}: {from}", broken.name, broken.file)),
        }
    }
    fs::write(path, text).map_err(|error| error.to_string())
}

/// Builds all variants, in one workspace, so that loom is built once and the variants beside each other.
pub(crate) fn make(breaks: &[&Break]) -> Result<(), String> {
    let root = home().ancestors().nth(2).ok_or("tests/loom is in no repository")?;
    let at = target().join("broken");
    if at.exists() {
        fs::remove_dir_all(&at).map_err(|error| error.to_string())?;
    }
    // The variants have the dependencies and profiles of this package.
    let manifest =
        fs::read_to_string(home().join("Cargo.toml")).map_err(|error| error.to_string())?;
    let part = |heading: &str| {
        let from = manifest.find(heading).unwrap_or(manifest.len());
        let part = &manifest[from..];
        part[1..].find("\n[").map_or(part, |end| &part[..end + 2])
    };
    let mut members = Vec::new();
    for broken in breaks {
        let name = name(broken);
        let variant = at.join(&name);
        for file in COPIED {
            copy(&root.join(file), &variant.join(file))?;
        }
        patch(broken, &variant)?;
        let file = broken.found_by.split("::").next().unwrap_or_default();
        let features = part("[features]").replacen("default = [", "all = [", 1);
        let package = format!(
            "[package]\nname = \"{name}\"\nedition = \"2024\"\n\n{features}default = [\"{file}\", \"wasi\"]\n\n{}\n\
             [[bin]]\nname = \"{name}\"\npath = \"src/main.rs\"\n\n[lints.rust]\nwarnings = \"allow\"\n",
            part("[dependencies]"),
        );
        fs::write(variant.join("tests/loom/Cargo.toml"), package)
            .map_err(|error| error.to_string())?;
        members.push(format!("\"{name}/tests/loom\""));
    }
    let profiles = [part("[profile.dev]"), part("[profile.dev.package.")].concat();
    let workspace =
        format!("[workspace]\nresolver = \"3\"\nmembers = [{}]\n\n{profiles}", members.join(", "));
    fs::write(at.join("Cargo.toml"), workspace).map_err(|error| error.to_string())?;
    copy(&home().join("Cargo.lock"), &at.join("Cargo.lock"))?;
    let mut build = cargo();
    build.current_dir(&at).args(["build", "--quiet", "--offline", "--workspace"]);
    match build.status() {
        Ok(status) if status.success() => Ok(()),
        _ => Err("a variant does not compile".into()),
    }
}
