//! stdin, stdout and stderr.

use super::*;

async fn cat_moves_all(mode: Mode) {
    for &host in HOSTS {
        for (buffer, len) in LENGTHS {
            let stdin = data(len);
            let guest = Guest::new("cat").moving(buffer, mode);
            for guest in [guest.clone(), guest.ready_stdin()] {
                let outcome = guest.run(host, &stdin).await;
                let read = format!("read: {len} bytes, dropped, ok");
                let write = format!("write: {len} bytes, completed, ok");
                outcome.says(&[&read, &write], Status::Success);
                same_bytes(&outcome.stdout, &stdin);
            }
        }
    }
}

#[tokio::test]
async fn operations_of_any_length_move_stdin_to_stdout() {
    cat_moves_all(PLAIN).await;
}

#[tokio::test]
async fn zero_length_operations_change_nothing_of_stdio() {
    cat_moves_all(ZERO).await;
}

#[tokio::test]
async fn cancelled_operations_lose_nothing_of_stdio() {
    cat_moves_all(CANCEL).await;
}

#[tokio::test]
async fn cancelled_operations_after_zero_length_ones_lose_nothing_of_stdio() {
    cat_moves_all(ZERO_AND_CANCEL).await;
}

#[tokio::test]
async fn an_empty_stdin_ends_at_the_first_read() {
    for &host in HOSTS {
        for mode in [PLAIN, ZERO, CANCEL] {
            let outcome = Guest::new("cat").moving(4096, mode).run(host, b"").await;
            let report = ["read: 0 bytes, dropped, ok", "write: 0 bytes, completed, ok"];
            outcome.says(&report, Status::Success);
            same_bytes(&outcome.stdout, b"");
        }
    }
}

#[tokio::test]
async fn a_guest_that_drops_stdin_gets_ok() {
    for &host in HOSTS {
        for (buffer, len) in LENGTHS {
            let (stdin, half) = (data(len), len / 2);
            let guest = Guest::new("cat").moving(buffer, PLAIN);
            let guest = guest.arguments(&["--drop-after".to_owned(), half.to_string()]);
            let outcome = guest.run(host, &stdin).await;
            let read = format!("read: {half} bytes, completed, ok");
            let write = format!("write: {half} bytes, completed, ok");
            outcome.says(&[&read, &write], Status::Success);
            same_bytes(&outcome.stdout, &stdin[..half]);
        }
    }
}

#[tokio::test]
async fn streams_to_stdout_that_take_turns_keep_the_order() {
    for &host in HOSTS {
        for streams in [2, 100] {
            let stdin = data(100_000);
            let guest = Guest::new("cat").moving(700, PLAIN);
            let guest = guest.arguments(&["--streams".to_owned(), streams.to_string()]);
            let outcome = guest.run(host, &stdin).await;
            assert_eq!(outcome.status, Status::Success);
            assert_eq!(outcome.report.len(), 1 + streams);
            same_bytes(&outcome.stdout, &stdin);
        }
    }
}

#[tokio::test]
async fn streams_to_stdout_that_write_at_once_lose_nothing() {
    for &host in HOSTS {
        for (streams, mode) in [(2, PLAIN), (100, PLAIN), (100, ZERO_AND_CANCEL)] {
            let mut stdin = data(1_000_000);
            let guest = Guest::new("cat").ready_stdin().moving(1 << 20, mode);
            let guest = guest.arguments(&["--at-once"]);
            let guest = guest.arguments(&["--streams".to_owned(), streams.to_string()]);
            let mut outcome = guest.run(host, &stdin).await;
            assert_eq!(outcome.status, Status::Success);
            assert_eq!(outcome.report.len(), 1 + streams);
            // How the parts are mixed is the host's choice.
            stdin.sort_unstable();
            outcome.stdout.sort_unstable();
            same_bytes(&outcome.stdout, &stdin);
        }
    }
}

#[tokio::test]
async fn a_closed_stdout_is_a_broken_pipe() {
    for &host in HOSTS {
        for mode in [PLAIN, ZERO, CANCEL] {
            let mut running = Guest::new("cat").moving(4096, mode).start(host);
            running.stdout = None;
            let outcome = running.finish(b"abc").await;
            let report = ["read: 3 bytes, completed, ok", "write: 0 bytes, dropped, pipe"];
            outcome.says(&report, Status::Failure);
        }
    }
}

#[tokio::test]
async fn lines_are_counted_whatever_the_length_of_operations() {
    for &host in HOSTS {
        for (buffer, len) in LENGTHS {
            let stdin = data(len);
            let count = stdin.iter().filter(|&&byte| byte == b'\n').count();
            let outcome = Guest::new("lines").moving(buffer, PLAIN).run(host, &stdin).await;
            let printed = format!("{count}\n");
            let read = format!("read: {len} bytes, dropped, ok");
            let write = format!("write: {} bytes, completed, ok", printed.len());
            outcome.says(&[&read, &write], Status::Success);
            same_bytes(&outcome.stdout, printed.as_bytes());
        }
    }
}
