//! Directories.

use super::*;

fn many(count: usize) -> (Scratch, String) {
    let scratch = Scratch::new();
    let mut lines = Vec::new();
    for number in 0..count {
        let name = format!("name-{number}");
        scratch.put(&name, b"");
        lines.push(format!("{name} regular-file\n"));
    }
    lines.sort();
    (scratch, lines.concat())
}

#[tokio::test]
async fn a_listing_has_each_name_once() {
    for &host in HOSTS {
        for (count, buffer, mode) in [
            (0, 1, PLAIN),
            (1, 1, PLAIN),
            (100, 1, PLAIN),
            (100, 1, ZERO_AND_CANCEL),
            (1_000, 7, PLAIN),
            (1_000, 7, CANCEL),
            (3_000, 4_096, PLAIN),
            (3_000, 4_096, ZERO_AND_CANCEL),
        ] {
            let (scratch, lines) = many(count);
            let guest = Guest::new("ls").moving(buffer, mode).read_only(&scratch.path(""), ".");
            let outcome = guest.run(host, b"").await;
            let list = format!("list: {count} items, dropped, ok");
            let write = format!("write: {} bytes, completed, ok", lines.len());
            outcome.says(&[&list, &write], Status::Success);
            same_bytes(&outcome.stdout, lines.as_bytes());
        }
    }
}

#[tokio::test]
#[cfg(unix)]
async fn a_listing_has_the_type_of_each_name() {
    use std::{
        fs::create_dir,
        os::unix::{fs::symlink, net::UnixListener},
    };

    for &host in HOSTS {
        let scratch = Scratch::with("file", b"");
        create_dir(scratch.path("sub")).unwrap();
        symlink("nowhere", scratch.path("link")).unwrap();
        let _socket = UnixListener::bind(scratch.path("socket")).unwrap();
        let outcome = Guest::new("ls").read_only(&scratch.path(""), ".").run(host, b"").await;
        assert_eq!(outcome.status, Status::Success);
        // Wasmtime's has no case for a socket, though WASI has one.
        let socket = match host {
            Host::Wasmtime => "other",
            Host::Ours => "socket",
        };
        let lines =
            format!("file regular-file\nlink symbolic-link\nsocket {socket}\nsub directory\n");
        assert_eq!(String::from_utf8(outcome.stdout).unwrap(), lines);
    }
}

#[tokio::test]
async fn a_guest_that_drops_a_listing_gets_ok() {
    for &host in HOSTS {
        for buffer in [1, 7, 4096] {
            let (scratch, _) = many(1_000);
            let guest = Guest::new("ls").moving(buffer, PLAIN).arguments(&["--drop-after", "500"]);
            let outcome = guest.read_only(&scratch.path(""), ".").run(host, b"").await;
            assert_eq!(outcome.status, Status::Success);
            assert_eq!(outcome.report[0], "list: 500 items, completed, ok");
            assert_eq!(outcome.stdout.iter().filter(|&&byte| byte == b'\n').count(), 500);
        }
    }
}

#[tokio::test]
async fn a_file_is_not_listed_as_a_directory() {
    for &host in HOSTS {
        let scratch = Scratch::with("file", b"");
        let guest = Guest::new("ls").arguments(&["file"]).read_only(&scratch.path(""), ".");
        let outcome = guest.run(host, b"").await;
        let report = ["list: 0 items, dropped, not-directory", "write: 0 bytes, completed, ok"];
        outcome.says(&report, Status::Failure);
    }
}
