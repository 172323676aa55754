//! Files and directories under the host's preopened ones.

use crate::wasi::filesystem::{
    preopens::get_directories,
    types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags},
};

/// Opens `path` for reading or listing.
pub async fn read(path: &str) -> Result<Descriptor, ErrorCode> {
    open(path, OpenFlags::empty(), DescriptorFlags::READ).await
}

/// Opens `path` for writing, and creates it if it is missing.
pub async fn write(path: &str) -> Result<Descriptor, ErrorCode> {
    open(path, OpenFlags::CREATE, DescriptorFlags::WRITE).await
}

/// Opens `path` for writing, and makes it an empty file.
pub async fn replace(path: &str) -> Result<Descriptor, ErrorCode> {
    open(path, OpenFlags::CREATE | OpenFlags::TRUNCATE, DescriptorFlags::WRITE).await
}

async fn open(path: &str, how: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
    let (directory, path) = preopened(path).ok_or(ErrorCode::NoEntry)?;
    directory.open_at(PathFlags::SYMLINK_FOLLOW, path, how, flags).await
}

/// The preopened directory that an absolute path begins with, or for a relative path the first one; and the rest.
fn preopened(path: &str) -> Option<(Descriptor, String)> {
    get_directories().into_iter().find_map(|(directory, name)| {
        let rest = match path.strip_prefix(&name) {
            Some("") => ".",
            Some(rest) if rest.starts_with('/') => rest.trim_start_matches('/'),
            _ if !path.starts_with('/') => path,
            _ => return None,
        };
        Some((directory, rest.to_owned()))
    })
}
