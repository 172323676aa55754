//! Limits on the process, set by the shell. Whatever runs out, the status is 0, 1 or 2, and with 0 nothing is lost.

use std::fs;

use tokio::io::AsyncReadExt;

use crate::process::{Ended, Scratch, end, listen, run_by, start_by, within};

#[track_caller]
fn assert_regular_exit(ended: &Ended, limit: impl std::fmt::Debug) {
    assert!((0..=2).contains(&ended.status), "{limit:?}: {ended:?}");
    let is_summary = ended.stderr.starts_with("in ");
    assert!(ended.stderr.starts_with("pipe: ") || is_summary, "{limit:?}: {ended:?}");
    assert_eq!(is_summary, ended.status == 0, "{limit:?}: {ended:?}");
}

/// From the few descriptors that the dynamic linker needs to more than enough.
const DESCRIPTORS: std::ops::Range<u32> = 4..18;

#[tokio::test]
async fn without_descriptors_the_file_is_written_or_there_is_an_error_and_it_is_kept() {
    let scratch = Scratch::new("descriptors");
    let from = scratch.file("from", "new");
    let mut statuses = Vec::new();
    for limit in DESCRIPTORS {
        let to = scratch.file("to", "the old content");
        let line = format!(r#"ulimit -n {limit}; exec "$0" "$@""#);
        let ended = run_by(&line, [&from, &to]).await;
        assert_regular_exit(&ended, limit);
        let content = if ended.status == 0 { "NEW" } else { "the old content" };
        assert_eq!(fs::read_to_string(&to).unwrap(), content, "{limit}: {ended:?}");
        statuses.push(ended.status);
    }
    assert!(statuses[0] != 0 && statuses.ends_with(&[0]), "{statuses:?}");
}

#[tokio::test]
async fn without_descriptors_a_peer_gets_everything_or_no_end() {
    let scratch = Scratch::new("descriptors-tcp");
    let from = scratch.file("from", "new");
    let mut statuses = Vec::new();
    for limit in DESCRIPTORS {
        let (listener, to) = listen().await;
        let line = format!(r#"ulimit -n {limit}; exec "$0" "$@""#);
        let child = start_by(&line, [&from, &to]);
        let peer = tokio::spawn(async move {
            let mut received = Vec::new();
            let (mut peer, _) = listener.accept().await.unwrap();
            peer.read_to_end(&mut received).await.map(|_| received)
        });
        let ended = end(child).await;
        assert_regular_exit(&ended, limit);
        if ended.status == 0 {
            assert_eq!(within(peer).await.unwrap().unwrap(), b"NEW", "{limit}: {ended:?}");
        } else {
            peer.abort();
        }
        statuses.push(ended.status);
    }
    assert!(statuses[0] != 0 && statuses.ends_with(&[0]), "{statuses:?}");
}

/// Wasmtime reserves 4 GiB of address space for a guest's memory.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn too_little_address_space_for_the_guest_gives_status_2() {
    let scratch = Scratch::new("addresses");
    let (from, to) = (scratch.file("from", "new"), scratch.file("to", "old"));
    for kib in [1_000_000, 4_000_000] {
        let ended = run_by(&format!(r#"ulimit -v {kib}; exec "$0" "$@""#), [&from, &to]).await;
        ended.with(2, &["the guest cannot be started", "Cannot allocate memory"]);
        assert_eq!(fs::read(&to).unwrap(), b"old");
    }
}

#[tokio::test]
async fn a_small_stack_is_enough() {
    let scratch = Scratch::new("stack");
    let (from, to) = (scratch.file("from", "new"), scratch.path("to"));
    run_by(r#"ulimit -s 200; exec "$0" "$@""#, [&from, &to]).await.in_order(3, 3);
    assert_eq!(fs::read(&to).unwrap(), b"NEW");
}

#[tokio::test]
async fn a_file_at_its_size_limit_gives_status_1_instead_of_a_signal() {
    let scratch = Scratch::new("file-size");
    let to = scratch.path("to");
    let ended = run_by(r#"ulimit -f 1; exec "$0" "$@""#, ["/dev/zero", &to]).await;
    ended.with(1, &[&format!("output {to}: File too large")]);
}

/// Reading it all would exhaust the memory.
#[tokio::test]
async fn an_endless_guest_file_is_refused() {
    let ended = run_by(r#"exec "$0" "$@""#, ["--guest", "/dev/zero"]).await;
    ended.with(2, &["/dev/zero", "it is larger than 256 MiB"]);
}
