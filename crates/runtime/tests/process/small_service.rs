//! Starts `examples/small_service.rs` as a process and watches it, with a limit on every wait.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// How a process ended.
pub struct End {
    pub code: Option<i32>,
    pub stdout: String,
    pub log: String,
}

pub struct SmallService {
    child: Child,
    /// Whom signals go to: the child, or what it started as process 1.
    pid: u32,
    lines: Receiver<String>,
    log: String,
}

fn command(wrapper: &[&str], arguments: &[&str], settings: &[(&str, &str)]) -> Command {
    let built = std::env::current_exe().unwrap().parent().unwrap().join("../examples/small_service");
    assert!(built.exists(), "cargo builds the examples in a whole `cargo test -p media-runtime`: {}", built.display());
    let words = wrapper.iter().map(AsRef::as_ref).chain([built.as_os_str()]).chain(arguments.iter().map(AsRef::as_ref));
    let words = words.collect::<Vec<&OsStr>>();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env_clear().env("MEDIA__ADMIN__LISTEN", "127.0.0.1:0").envs(settings.iter().copied());
    command
}

/// Runs it to its end.
pub fn run(arguments: &[&str], settings: &[(&str, &str)]) -> End {
    let output = command(&[], arguments, settings).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    End { code: output.status.code(), stdout: text(output.stdout), log: text(output.stderr) }
}

/// As [`run`], with a stdout that nobody reads.
pub fn run_unread(arguments: &[&str]) -> End {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = command(&[], arguments, &[]).stdin(Stdio::null()).stdout(writer).output().unwrap();
    End { code: output.status.code(), stdout: String::new(), log: String::from_utf8(output.stderr).unwrap() }
}

impl SmallService {
    pub fn start(settings: &[(&str, &str)]) -> Self {
        Self::spawn(command(&[], &[], settings))
    }

    /// As the first process of a container: signals have no default action there.
    pub fn start_as_process_1() -> Self {
        let wrapper = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"];
        let mut service = Self::spawn(command(&wrapper, &[], &[]));
        service.wait_for_log("works");
        let unshare = service.child.id();
        let children = std::fs::read_to_string(format!("/proc/{unshare}/task/{unshare}/children")).unwrap();
        service.pid = children.trim().parse().unwrap();
        service
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (send, lines) = sync_channel(1_000);
        std::thread::spawn(move || stderr.lines().map_while(Result::ok).take_while(|line| send.send(line.clone()).is_ok()).count());
        Self { pid: child.id(), child, lines, log: String::new() }
    }

    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Until the log holds `part`; answers the line.
    pub fn wait_for_log(&mut self, part: &str) -> String {
        if let Some(line) = self.log.lines().find(|line| line.contains(part)) {
            return line.to_owned();
        }
        let deadline = Instant::now() + LIMIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap_or_else(|_| panic!("no `{part}` in the log:\n{}", self.log));
            self.log.push_str(&line);
            self.log.push('\n');
            if line.contains(part) {
                return line;
            }
        }
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.pid.to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub fn write_line(&mut self) {
        self.child.stdin.as_mut().unwrap().write_all(b"up\n").unwrap();
    }

    /// What the admin port answers, head and body.
    pub fn get(&mut self, path: &str) -> String {
        let line = self.wait_for_log("admin.listen");
        let address = line.split(r#""admin.listen":""#).nth(1).unwrap().split('"').next().unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(LIMIT)).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    pub fn wait_for_page(&mut self, path: &str, as_wanted: impl Fn(&str) -> bool) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let page = self.get(path);
            if as_wanted(&page) {
                return;
            }
            assert!(Instant::now() < deadline, "{path} stays {page}");
            std::thread::park_timeout(POLL);
        }
    }

    /// Until it has ended, for at most `limit`.
    pub fn wait(mut self, limit: Duration) -> End {
        let deadline = Instant::now() + limit;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            if Instant::now() >= deadline {
                self.child.kill().unwrap();
                panic!("it still runs after {limit:?}:\n{}", self.rest_of_log());
            }
            std::thread::park_timeout(POLL);
        };
        End { code, stdout: String::new(), log: self.rest_of_log() }
    }

    /// To its end, which is that of the process.
    fn rest_of_log(&mut self) -> String {
        for line in &self.lines {
            self.log.push_str(&line);
            self.log.push('\n');
        }
        std::mem::take(&mut self.log)
    }
}

impl Drop for SmallService {
    fn drop(&mut self) {
        // It has usually ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
