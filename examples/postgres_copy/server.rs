//! A PostgreSQL server for one test.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

pub(crate) struct Server {
    pub(crate) client: Client,
    /// How to connect to it.
    pub(crate) connection: String,
    child: Child,
    _directory: TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // Killed, it would leave its shared memory.
        let quit = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        if quit.is_ok_and(|quit| quit.success()) {
            let _ = self.child.wait();
        }
    }
}

impl Server {
    /// Starts a server, on a socket in a directory of its own; `None`, which is an error with `CI=true`, where
    /// PostgreSQL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let (Some(initdb), Some(postgres)) = (find("initdb"), find("postgres")) else {
            let missing =
                "not run: no PostgreSQL server is installed (`apt-get install postgresql`)";
            assert!(!std::env::var("CI").is_ok_and(|ci| ci == "true"), "{missing}");
            println!("{missing}");
            return None;
        };
        let directory = TempDir::new().unwrap();
        let root = run(Command::new("id").arg("-u")).trim() == "0";
        if root {
            run(Command::new("chown").arg("postgres").arg(directory.path()));
        }
        let data = directory.path().join("data");
        let options = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"];
        run(unprivileged(root, &initdb).args(options).arg(&data));
        let mut child = unprivileged(root, &postgres)
            .arg("-D")
            .arg(&data)
            .arg("-k")
            .arg(directory.path())
            .args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "lc_messages=C"])
            .args(["-c", "logging_collector=off", "-c", "log_destination=stderr"])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = log.any(|line| line.unwrap().ends_with("ready to accept connections"));
        assert!(ready, "the server should start");
        // Reads on, so that the server never blocks on its log.
        std::thread::spawn(move || log.count());
        let connection = format!("host={} user=postgres", directory.path().display());
        let (client, driver) = tokio_postgres::connect(&connection, NoTls).await.unwrap();
        tokio::spawn(driver);
        Some(Self { client, connection, child, _directory: directory })
    }
}

/// The program in the PATH, or where Debian has it.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    std::env::split_paths(&path)
        .chain(versions.map(|version| version.path().join("bin")))
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
}

/// A command that does not run as root, which the server refuses.
fn unprivileged(root: bool, program: &Path) -> Command {
    if !root {
        return Command::new(program);
    }
    // It becomes the program, without a process between.
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    command.current_dir("/"); // the package's may be closed to that user
    command
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
