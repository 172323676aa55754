//! Files: reading and writing at an offset, appending, and what cannot be opened or written.

use super::*;

async fn cat_reads_all(mode: Mode) {
    for &host in HOSTS {
        for (buffer, len) in LENGTHS {
            let bytes = data(len);
            let scratch = Scratch::with("file", &bytes);
            let guest = Guest::new("cat").arguments(&["file"]).moving(buffer, mode);
            let outcome = guest.read_only(&scratch.path(""), ".").run(host, b"").await;
            let read = format!("read: {len} bytes, dropped, ok");
            let write = format!("write: {len} bytes, completed, ok");
            outcome.says(&[&read, &write], Status::Success);
            same_bytes(&outcome.stdout, &bytes);
        }
    }
}

async fn copy_writes_all(mode: Mode) {
    for &host in HOSTS {
        for (buffer, len) in LENGTHS {
            let bytes = data(len);
            let scratch = Scratch::with("from", &bytes);
            // It is replaced.
            scratch.put("to", &data(len + 100));
            let guest = Guest::new("copy").arguments(&["from", "to"]).moving(buffer, mode);
            let outcome = guest.directory(&scratch.path(""), ".").run(host, b"").await;
            let read = format!("read: {len} bytes, dropped, ok");
            let write = format!("write: {len} bytes, completed, ok");
            outcome.says(&[&read, &write], Status::Success);
            same_bytes(&scratch.get("to"), &bytes);
        }
    }
}

#[tokio::test]
async fn operations_of_any_length_read_a_file() {
    cat_reads_all(PLAIN).await;
}

#[tokio::test]
async fn zero_length_reads_take_nothing_of_a_file() {
    cat_reads_all(ZERO).await;
}

#[tokio::test]
async fn cancelled_reads_lose_nothing_of_a_file() {
    cat_reads_all(CANCEL).await;
}

#[tokio::test]
async fn operations_of_any_length_write_a_file() {
    copy_writes_all(PLAIN).await;
}

#[tokio::test]
async fn zero_length_writes_change_nothing_of_a_file() {
    copy_writes_all(ZERO).await;
}

#[tokio::test]
async fn cancelled_writes_are_in_a_file_once() {
    copy_writes_all(CANCEL).await;
}

#[tokio::test]
async fn what_is_appended_is_at_the_end_of_a_file() {
    for &host in HOSTS {
        for mode in [PLAIN, ZERO, CANCEL] {
            for (buffer, len) in LENGTHS {
                let stdin = data(len);
                let scratch = Scratch::with("file", b"before");
                let guest = Guest::new("append").arguments(&["file"]).moving(buffer, mode);
                let guest = guest.ready_stdin();
                let outcome = guest.directory(&scratch.path(""), ".").run(host, &stdin).await;
                let read = format!("read: {len} bytes, dropped, ok");
                let append = format!("append: {len} bytes, completed, ok");
                outcome.says(&[&read, &append], Status::Success);
                same_bytes(&scratch.get("file"), &[b"before", &stdin[..]].concat());
            }
        }
    }
}

#[tokio::test]
async fn a_file_is_read_from_an_offset() {
    for &host in HOSTS {
        // At the end, and past it, there is nothing.
        for (offset, left) in [(1_u64, 9_999), (9_999, 1), (10_000, 0), (1 << 40, 0)] {
            let bytes = data(10_000);
            let scratch = Scratch::with("file", &bytes);
            let guest = Guest::new("cat").arguments(&["file", "--offset"]).arguments(&[offset]);
            let outcome = guest.read_only(&scratch.path(""), ".").run(host, b"").await;
            let read = format!("read: {left} bytes, dropped, ok");
            let write = format!("write: {left} bytes, completed, ok");
            outcome.says(&[&read, &write], Status::Success);
            same_bytes(&outcome.stdout, &bytes[10_000 - left..]);
        }
    }
}

#[tokio::test]
async fn a_file_is_written_from_an_offset() {
    for &host in HOSTS {
        let scratch = Scratch::with("from", b"new");
        scratch.put("to", b"0123456789");
        let guest = Guest::new("copy").arguments(&["from", "to", "--at", "4"]);
        let outcome = guest.directory(&scratch.path(""), ".").run(host, b"").await;
        let report = ["read: 3 bytes, dropped, ok", "write: 3 bytes, completed, ok"];
        outcome.says(&report, Status::Success);
        same_bytes(&scratch.get("to"), b"0123new789");
    }
}

#[tokio::test]
async fn a_guest_that_drops_a_file_gets_ok() {
    for &host in HOSTS {
        for mode in [PLAIN, ZERO, CANCEL] {
            let bytes = data(100_000);
            let scratch = Scratch::with("file", &bytes);
            let guest = Guest::new("cat").arguments(&["file", "--drop-after", "50001"]);
            let guest = guest.moving(700, mode).read_only(&scratch.path(""), ".");
            let outcome = guest.run(host, b"").await;
            let report = ["read: 50001 bytes, completed, ok", "write: 50001 bytes, completed, ok"];
            outcome.says(&report, Status::Success);
            same_bytes(&outcome.stdout, &bytes[..50_001]);
        }
    }
}

#[tokio::test]
async fn a_missing_file_is_not_opened() {
    for &host in HOSTS {
        let scratch = Scratch::new();
        let guest = Guest::new("cat").arguments(&["file"]).directory(&scratch.path(""), ".");
        guest.run(host, b"").await.says(&["open: no-entry"], Status::Failure);
    }
}

#[tokio::test]
async fn a_directory_that_is_read_only_has_no_file_written() {
    for &host in HOSTS {
        let scratch = Scratch::with("from", b"new");
        scratch.put("to", b"old");
        let guest = Guest::new("copy").arguments(&["from", "to"]);
        let outcome = guest.read_only(&scratch.path(""), ".").run(host, b"").await;
        outcome.says(&["open: not-permitted"], Status::Failure);
        same_bytes(&scratch.get("to"), b"old");
    }
}

#[tokio::test]
async fn a_directory_is_not_read_as_a_file() {
    for &host in HOSTS {
        let scratch = Scratch::new();
        let guest = Guest::new("cat").arguments(&["."]).directory(&scratch.path(""), ".");
        let outcome = guest.run(host, b"").await;
        let report = ["read: 0 bytes, dropped, is-directory", "write: 0 bytes, completed, ok"];
        outcome.says(&report, Status::Failure);
    }
}

#[tokio::test]
#[cfg(target_os = "linux")]
async fn a_full_disk_is_a_lack_of_space() {
    for &host in HOSTS {
        for mode in [PLAIN, ZERO, CANCEL] {
            for (name, what) in [("copy", "write"), ("append", "append")] {
                let scratch = Scratch::with("from", b"bytes");
                let guest = Guest::new(name).moving(4096, mode);
                let guest = match name {
                    "copy" => guest.arguments(&["from", "/dev/full"]),
                    _ => guest.arguments(&["/dev/full"]),
                };
                let guest = guest
                    .directory(&scratch.path(""), ".")
                    .directory(std::path::Path::new("/dev"), "/dev");
                let outcome = guest.run(host, b"bytes").await;
                // This crate's has copied the bytes before it writes them, so that a cancel need not wait for the disk.
                let taken = match host {
                    Host::Wasmtime => "0 bytes, dropped",
                    Host::Ours => "5 bytes, completed",
                };
                let write = format!("{what}: {taken}, insufficient-space");
                assert_eq!(outcome.status, Status::Failure);
                assert_eq!(outcome.report.last(), Some(&write));
            }
        }
    }
}
