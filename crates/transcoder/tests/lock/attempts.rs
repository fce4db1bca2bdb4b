//! What is tried. The list is that of the design's table, and what it left without proof.

use std::{
    fs::{self, File},
    io,
    net::{TcpListener, UdpSocket},
    os::unix::{
        fs::PermissionsExt,
        net::{UnixDatagram, UnixStream},
    },
    path::PathBuf,
    ptr,
};

/// One attempt.
pub struct Attempt {
    pub name: &'static str,
    /// Before the lock: what is needed so that only the attempt itself can fail.
    pub prepare: fn(&Stage) -> io::Result<()>,
    pub act: fn(&Stage) -> io::Result<()>,
    /// Landlock alone refuses it.
    pub landlock: bool,
    /// Fonts need it.
    pub with_fonts: bool,
    /// It must go on working: what a graph is made of.
    pub allowed: bool,
    /// What it needs that not all systems give: an attempt that then fails without the lock, too, is skipped, and said to be.
    pub needs: Option<&'static str>,
}

/// A folder, and the process that watches: the one that must stay out of reach.
pub struct Stage {
    folder: PathBuf,
    parent: i32,
    /// Of a byte of the parent's.
    address: usize,
    _owner: Option<tempfile::TempDir>,
}

/// To be read from outside.
static SECRET: [u8; 8] = *b"a secret";

impl Stage {
    pub fn new() -> Self {
        let owner = tempfile::tempdir().unwrap();
        Self {
            folder: owner.path().to_owned(),
            parent: std::process::id().try_into().unwrap(),
            address: (&raw const SECRET).addr(),
            _owner: Some(owner),
        }
    }

    pub fn written(&self) -> String {
        format!("{}:{}:{}", self.parent, self.address, self.folder.display())
    }

    pub fn read(text: &str) -> Self {
        let mut parts = text.splitn(3, ':');
        let mut next = || parts.next().unwrap();
        let (parent, address) = (next().parse().unwrap(), next().parse().unwrap());
        Self { parent, address, folder: next().into(), _owner: None }
    }

    /// As it is before each attempt.
    pub fn set(&self) {
        let there = self.there();
        fs::write(&there, "there before").unwrap();
        fs::set_permissions(there, fs::Permissions::from_mode(0o644)).unwrap();
        if self.new_file().exists() {
            fs::remove_file(self.new_file()).unwrap();
        }
    }

    fn there(&self) -> PathBuf {
        self.folder.join("there")
    }

    fn new_file(&self) -> PathBuf {
        self.folder.join("new")
    }

    fn of_parent(&self, file: &str) -> String {
        format!("/proc/{}/{file}", self.parent)
    }
}

const fn attempt(name: &'static str, act: fn(&Stage) -> io::Result<()>) -> Attempt {
    Attempt { name, prepare: |_| Ok(()), act, landlock: false, with_fonts: false, allowed: false, needs: None }
}

/// An attempt that landlock refuses, too.
const fn file(name: &'static str, act: fn(&Stage) -> io::Result<()>) -> Attempt {
    Attempt { landlock: true, ..attempt(name, act) }
}

const fn rare(needs: &'static str, attempt: Attempt) -> Attempt {
    Attempt { needs: Some(needs), ..attempt }
}

const ROOT: &str = "root, and no container";
const TRACING: &str = "a system whose processes may look into their parents";
/// What a container's own filter forbids, and some kernels leave out.
const KERNEL: &str = "a kernel that has it, and no filter around us";

pub static ATTEMPTS: &[Attempt] = &[
    // files
    file("open /etc/passwd", |_| File::open("/etc/passwd").map(drop)),
    file("open /", |_| fs::read_dir("/").map(drop)),
    file("open /dev/urandom", |_| File::open("/dev/urandom").map(drop)),
    file("open /proc/self/maps", |_| File::open("/proc/self/maps").map(drop)),
    file("open the parent's environment", |stage| File::open(stage.of_parent("environ")).map(drop)),
    file("open the parent's memory", |stage| File::open(stage.of_parent("mem")).map(drop)),
    file("create in the temporary folder", |stage| File::create(stage.new_file()).map(drop)),
    file("create in /dev/shm", |stage| {
        let path = format!("/dev/shm/attempt-{}", stage.parent);
        File::create(&path).and_then(|_| fs::remove_file(path))
    }),
    file("rename a file", |stage| fs::rename(stage.there(), stage.new_file())),
    file("remove a file", |stage| fs::remove_file(stage.there())),
    file("make a folder", |stage| fs::create_dir(stage.folder.join("folder")).and_then(|()| fs::remove_dir(stage.folder.join("folder")))),
    file("make a link", |stage| std::os::unix::fs::symlink("/etc/passwd", stage.new_file())),
    // by landlock only since Linux 6.2
    attempt("truncate a file", |stage| check(unsafe { libc::truncate(name(&stage.there()).as_ptr(), 1) })),
    file("write to a file of fonts", |_| {
        let path = "/usr/share/fonts/attempt";
        File::create(path).and_then(|_| fs::remove_file(path))
    }),
    Attempt { with_fonts: true, ..file("open the settings of fonts", |_| File::open("/etc/fonts/fonts.conf").map(drop)) },
    Attempt { with_fonts: true, ..attempt("look at /etc/passwd", |_| fs::metadata("/etc/passwd").map(drop)) },
    attempt("change a file's mode", |stage| fs::set_permissions(stage.there(), fs::Permissions::from_mode(0o600))),
    attempt("change a file's times", |stage| check(unsafe { libc::utimes(name(&stage.there()).as_ptr(), ptr::null()) })),
    file("read the name of the parent's program", |stage| fs::read_link(stage.of_parent("exe")).map(drop)),
    // the network
    attempt("a TCP socket", |_| TcpListener::bind("127.0.0.1:0").map(drop)),
    attempt("a UDP socket", |_| UdpSocket::bind("127.0.0.1:0").map(drop)),
    attempt("a Unix socket", |_| UnixDatagram::unbound().map(drop)),
    attempt("a netlink socket", |_| check(unsafe { libc::socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE) })),
    attempt("pass a descriptor on", pass_a_descriptor),
    // others
    rare(TRACING, attempt("trace the parent", |stage| check_long(unsafe { libc::ptrace(libc::PTRACE_SEIZE, stage.parent, 0, 0) }))),
    rare(TRACING, attempt("read the parent's memory", read_the_parents_memory)),
    attempt("signal the parent", |stage| check(unsafe { libc::kill(stage.parent, 0) })),
    attempt("a handle on the parent", |stage| check_long(unsafe { libc::syscall(libc::SYS_pidfd_open, stage.parent, 0) })),
    attempt("slow the parent", |stage| check(unsafe { libc::setpriority(libc::PRIO_PROCESS, stage.parent.unsigned_abs(), 0) })),
    // becoming another
    attempt("run a program", |_| Err(std::os::unix::process::CommandExt::exec(&mut std::process::Command::new("/bin/true")))),
    attempt("fork", fork),
    attempt("memory that runs", |_| map(libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC)),
    attempt("make memory run", |_| check(unsafe { libc::mprotect(anywhere()?, 4096, libc::PROT_READ | libc::PROT_EXEC) })),
    attempt("a file in memory", |_| check(unsafe { libc::memfd_create(c"attempt".as_ptr(), 0) })),
    rare(KERNEL, attempt("a namespace of its own", |_| check(unsafe { libc::unshare(libc::CLONE_NEWUSER) }))),
    rare(
        ROOT,
        Attempt {
            prepare: |_| check(unsafe { libc::unshare(libc::CLONE_NEWNS) }),
            ..attempt("mount", |stage| {
                let (kind, place) = (c"tmpfs", name(&stage.folder));
                check(unsafe { libc::mount(kind.as_ptr(), place.as_ptr(), kind.as_ptr(), 0, ptr::null()) })
            })
        },
    ),
    rare(ROOT, attempt("another user", |_| check(unsafe { libc::setuid(12345) }))),
    attempt("be looked into again", |_| check(unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 1, 0, 0, 0) })),
    attempt("raise a limit", |_| {
        let more = libc::rlimit { rlim_cur: 128, rlim_max: 128 };
        check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &more) })
    }),
    attempt("outlive the parent", |_| check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, 0, 0, 0, 0) })),
    // the kernel's less visited rooms
    rare(ROOT, attempt("bpf", bpf)),
    rare(KERNEL, attempt("keys", |_| check_long(unsafe { libc::syscall(libc::SYS_keyctl, 0, -3, 1) }))),
    rare(
        KERNEL,
        attempt("io_uring", |_| {
            let mut parameters = [0u8; 120];
            check_long(unsafe { libc::syscall(libc::SYS_io_uring_setup, 1, parameters.as_mut_ptr()) })
        }),
    ),
    rare(
        KERNEL,
        attempt("performance counters", |_| {
            let mut event = [0u32; 32];
            // a software clock of this process: type 1, size 128, number 1
            (event[0], event[1], event[2]) = (1, 128, 1);
            check_long(unsafe { libc::syscall(libc::SYS_perf_event_open, event.as_ptr(), 0, -1, -1, 0) })
        }),
    ),
    rare(KERNEL, attempt("faults handled by itself", |_| check_long(unsafe { libc::syscall(libc::SYS_userfaultfd, 1) }))),
    attempt("another filter", |_| {
        let mut allow = libc::sock_filter { code: 0x06, jt: 0, jf: 0, k: libc::SECCOMP_RET_ALLOW };
        let program = libc::sock_fprog { len: 1, filter: &raw mut allow };
        check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) })?;
        check_long(unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) })
    }),
    // what must go on
    Attempt { allowed: true, ..attempt("threads, memory, time and sockets work", |_| work()) },
];

fn check(answer: libc::c_int) -> io::Result<()> {
    check_long(answer.into())
}

fn check_long(answer: libc::c_long) -> io::Result<()> {
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn name(path: &std::path::Path) -> std::ffi::CString {
    std::ffi::CString::new(path.as_os_str().as_encoded_bytes()).unwrap()
}

fn map(protection: libc::c_int) -> io::Result<()> {
    mapped(protection).map(drop)
}

fn mapped(protection: libc::c_int) -> io::Result<*mut libc::c_void> {
    // SAFETY: a new mapping touches no memory that is in use.
    let memory = unsafe { libc::mmap(ptr::null_mut(), 4096, protection, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0) };
    if memory == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(memory) }
}

fn anywhere() -> io::Result<*mut libc::c_void> {
    mapped(libc::PROT_READ | libc::PROT_WRITE)
}

fn fork(_: &Stage) -> io::Result<()> {
    // SAFETY: the child leaves at once.
    match unsafe { libc::fork() } {
        0 => unsafe { libc::_exit(0) },
        child => check(child),
    }
}

fn read_the_parents_memory(stage: &Stage) -> io::Result<()> {
    let mut bytes = [0u8; SECRET.len()];
    let here = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let there = libc::iovec { iov_base: ptr::with_exposed_provenance_mut(stage.address), iov_len: bytes.len() };
    // SAFETY: the kernel writes into `bytes` only, and at most its length.
    let read = unsafe { libc::process_vm_readv(stage.parent, &raw const here, 1, &raw const there, 1, 0) };
    check_long(read as libc::c_long)?;
    assert_eq!(bytes, SECRET);
    Ok(())
}

/// As `sendmsg` does it, which the filter forbids altogether.
fn pass_a_descriptor(_: &Stage) -> io::Result<()> {
    let (_one, other) = UnixStream::pair()?;
    let mut control = rustix::net::SendAncillaryBuffer::new(&mut []);
    let sent = rustix::net::sendmsg(&other, &[io::IoSlice::new(b"x")], &mut control, rustix::net::SendFlags::empty())?;
    assert_eq!(sent, 1);
    Ok(())
}

/// A map of one number.
fn bpf(_: &Stage) -> io::Result<()> {
    // type array, key of 4 bytes, value of 4 bytes, 1 entry
    let mut map = [0u32; 32];
    (map[0], map[1], map[2], map[3]) = (2, 4, 4, 1);
    check_long(unsafe { libc::syscall(libc::SYS_bpf, 0, map.as_ptr(), size_of_val(&map)) })
}

#[expect(clippy::disallowed_methods, reason = "sleeping is one of the calls that must go on")]
fn work() -> io::Result<()> {
    use std::io::{Read, Write};
    let (mut one, mut other) = UnixStream::pair()?;
    let thread = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(1));
        one.write_all(&vec![7; 1 << 20])
    });
    let mut bytes = vec![0; 1 << 20];
    other.read_exact(&mut bytes)?;
    thread.join().unwrap()?;
    map(libc::PROT_READ | libc::PROT_WRITE)
}
