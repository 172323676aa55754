//! Runs the copy as a process, with a PostgreSQL server that the test starts.
#![allow(missing_docs)]

mod server;

use std::path::PathBuf;
use std::process::{Command, Output};

use self::server::Server;

/// As many rows as are a few megabytes, so that a cut is in their midst: the sockets' buffers hold less.
const ROWS: i64 = 100_000;

/// Two tables, `source` with rows and `target` with none.
async fn tables(server: &Server) {
    let rows = format!(
        r#"
        CREATE TABLE source (id int PRIMARY KEY, name text, note text);
        CREATE TABLE target (LIKE source INCLUDING ALL);
        INSERT INTO source SELECT id, 'row ' || id, CASE id % 4
            WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'two\nlines, "quoted", \\ and größer'
            ELSE repeat('x', 100) END
        FROM generate_series(1, {ROWS}) AS id"#
    );
    server.client.batch_execute(&rows).await.unwrap();
}

fn copy(server: &Server, guest: Option<PathBuf>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_postgres_copy"))
        .args([&server.connection, "source", "target"])
        .args(guest)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .unwrap()
}

async fn count(server: &Server, query: &str) -> i64 {
    server.client.query_one(query, &[]).await.unwrap().get(0)
}

/// The copy failed with `error`, and the target is as it was.
async fn assert_nothing_copied(server: &Server, output: &Output, error: &str) {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(stderr.contains("nothing is copied") && stderr.contains(error), "{stderr}");
    assert_eq!(count(server, "SELECT count(*) FROM target WHERE name <> 'old'").await, 0);
}

#[tokio::test]
async fn all_rows_are_copied_with_what_the_guest_made_of_them() {
    let Some(server) = Server::start().await else { return };
    tables(&server).await;
    let output = copy(&server, None);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The rows are counted by their line breaks, apart from those in quotes.
    assert!(stdout.starts_with(&format!("{ROWS} rows, ")), "{stdout}");
    let same = "SELECT count(*) FROM source JOIN target USING (id)
        WHERE target.name = upper(source.name) AND target.note IS NOT DISTINCT FROM upper(source.note)";
    assert_eq!(count(&server, same).await, ROWS);
    assert_eq!(count(&server, "SELECT count(*) FROM target").await, ROWS);
}

#[tokio::test]
async fn a_guest_that_traps_in_the_midst_leaves_no_rows() {
    let Some(server) = Server::start().await else { return };
    tables(&server).await;
    let guest = include_str!("../guests/upper.wat");
    let global = "(global $ended (mut i32) (i32.const 0))";
    let upper = "(call $transform-buffer (global.get $end))";
    assert!(guest.contains(global) && guest.contains(upper));
    let guest = guest
        .replace(global, &format!("{global} (global $reads (mut i32) (i32.const 0))"))
        .replace(
            upper,
            &format!(
                "(global.set $reads (i32.add (global.get $reads) (i32.const 1)))
                (if (i32.gt_u (global.get $reads) (i32.const 10)) (then unreachable)) {upper}"
            ),
        );
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("upper-with-trap.wat");
    std::fs::write(&file, guest).unwrap();
    let output = copy(&server, Some(file));
    assert_nothing_copied(&server, &output, "unreachable").await;
    assert!(!String::from_utf8_lossy(&output.stderr).contains("cut after 0 "));
}

#[tokio::test]
async fn a_source_that_breaks_off_leaves_no_rows() {
    let Some(server) = Server::start().await else { return };
    tables(&server).await;
    // The insert of a row in the midst ends the other connection.
    let trigger = format!(
        "CREATE FUNCTION cut() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.id = {} THEN
                PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'COPY source %';
            END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER cut BEFORE INSERT ON target FOR EACH ROW EXECUTE FUNCTION cut()",
        ROWS / 4
    );
    server.client.batch_execute(&trigger).await.unwrap();
    let output = copy(&server, None);
    assert_nothing_copied(&server, &output, "the stream failed").await;
}

#[tokio::test]
async fn a_row_that_the_target_refuses_is_the_error() {
    let Some(server) = Server::start().await else { return };
    tables(&server).await;
    let row = format!("INSERT INTO target VALUES ({}, 'old', NULL)", ROWS / 2);
    server.client.batch_execute(&row).await.unwrap();
    let output = copy(&server, None);
    assert_nothing_copied(&server, &output, "duplicate key").await;
}

#[tokio::test]
async fn a_table_that_is_not_there_is_named_with_the_reason_of_the_server() {
    let Some(server) = Server::start().await else { return };
    tables(&server).await;
    for (drop, words) in [("target", "cannot write target"), ("source", "cannot read source")] {
        server.client.batch_execute(&format!("DROP TABLE {drop}")).await.unwrap();
        let output = copy(&server, None);
        let message = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && message.contains(words), "{message}");
        let reason = format!("relation \"{drop}\" does not exist");
        assert!(message.contains(&reason), "{message}");
    }
}
