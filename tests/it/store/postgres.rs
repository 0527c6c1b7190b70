//! A PostgreSQL server of the tests' own: `RESTOW_TEST_POSTGRES` names one that runs already, else Debian's programs
//! start one in a temporary folder, for the length of the test.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use secrecy::{ExposeSecret, SecretString};
use url::Url;

/// The user that runs the server when the tests run as root, whom PostgreSQL refuses.
const SERVER_USER: &str = "postgres";

pub(super) struct Server {
    /// A URL of its database `postgres`, with the right to make more.
    url: Url,
    /// The server that was started here, stopped on drop.
    _cluster: Option<Cluster>,
}

impl Server {
    pub(super) async fn start() -> Self {
        if let Ok(url) = std::env::var("RESTOW_TEST_POSTGRES") {
            let url = url.parse().expect("RESTOW_TEST_POSTGRES is a URL");
            return Self { url, _cluster: None };
        }
        let cluster = Cluster::start();
        let socket = cluster.folder.path().display();
        let url = format!("postgres://restow@localhost/postgres?host={socket}").parse().expect("a URL");
        Self { url, _cluster: Some(cluster) }
    }

    /// Makes an empty database and returns its URL.
    pub(super) async fn new_database(&self) -> String {
        empty_database(&self.url).await.expose_secret().to_owned()
    }
}

/// Makes an empty database on the server of `url`.
pub(super) async fn empty_database(url: &Url) -> SecretString {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("restow_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let pool = sqlx::PgPool::connect(url.as_str()).await.expect("PostgreSQL answers");
    let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
    sqlx::raw_sql(create).execute(&pool).await.expect("a database is made");
    pool.close().await;
    let mut own = url.clone();
    own.set_path(&name);
    SecretString::from(String::from(own))
}

/// A server that was started here.
struct Cluster {
    folder: tempfile::TempDir,
    programs: PathBuf,
}

impl Cluster {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let cluster = Self { folder, programs: programs() };
        if is_root() {
            run(Command::new("chown").arg(SERVER_USER).arg(cluster.folder.path()));
        }
        let data = cluster.data();
        let data: &OsStr = data.as_ref();
        let made = ["--no-sync", "--auth=trust", "--username=restow", "--encoding=UTF8", "--locale=C"];
        run(cluster.program("initdb").arg("-D").arg(data).args(made));
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off -c max_connections=100",
            cluster.folder.path().display()
        );
        let log = cluster.folder.path().join("log");
        run(cluster.program("pg_ctl").args(["start", "-w", "-o", &options, "-D"]).arg(data).arg("-l").arg(log));
        cluster
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// One of the server's programs, run by somebody who is not root.
    fn program(&self, name: &str) -> Command {
        let program = self.programs.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("runuser");
            command.args(["-u", SERVER_USER, "--"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = self.program("pg_ctl").args(["stop", "-m", "immediate", "-D"]).arg(self.data()).output();
        if let Err(error) = stopped {
            eprintln!("the PostgreSQL of this test could not be stopped: {error}");
        }
    }
}

/// The newest of Debian's `/usr/lib/postgresql/*/bin`, else wherever `pg_ctl` is on the path.
fn programs() -> PathBuf {
    let versions = Path::new("/usr/lib/postgresql").read_dir().into_iter().flatten().flatten();
    let debian = versions.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("pg_ctl").is_file());
    let on_path = || {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).find(|folder| folder.join("pg_ctl").is_file())
    };
    let version = |bin: &PathBuf| bin.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    debian.max_by_key(version).or_else(on_path).expect("PostgreSQL is installed (Debian: apt install postgresql)")
}

fn is_root() -> bool {
    Path::new("/proc/self").metadata().is_ok_and(|this| this.uid() == 0)
}

#[track_caller]
fn run(command: &mut Command) {
    // Output to a file, not a pipe: the server keeps what it inherits, and a pipe would never end.
    let said = tempfile::tempfile().expect("a temporary file");
    let also = said.try_clone().expect("the same file");
    let status = command.stdin(std::process::Stdio::null()).stdout(said).stderr(also).status();
    assert!(status.as_ref().is_ok_and(std::process::ExitStatus::success), "{command:?}: {status:?}");
}
