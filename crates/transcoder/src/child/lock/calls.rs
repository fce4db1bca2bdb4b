//! No system calls but those listed: seccomp.
//!
//! Three kinds of calls: *allowed*, perhaps only with certain arguments; *refused* with an error, because libraries ask and take no for an
//! answer; and all others, which kill the process. A filter knows one action beside its default, so each error has its own;
//! where filters disagree the kernel takes the strictest.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch};

use super::{LockError, Reach};

type BoxError = Box<dyn std::error::Error + Send + Sync>;
type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// Whatever the arguments.
const ALLOWED: &[c_long] = &[
    // the sockets
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_close,
    libc::SYS_fstat,
    libc::SYS_lseek,
    libc::SYS_ppoll,
    libc::SYS_eventfd2,
    // memory
    libc::SYS_munmap,
    libc::SYS_brk,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // threads and time
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_setitimer,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_umask,
    libc::SYS_exit,
    libc::SYS_exit_group,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
];

/// To read fonts; landlock says which files.
const ALLOWED_WITH_FONTS: &[c_long] = &[
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_faccessat,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_fstatfs,
    libc::SYS_statfs,
    libc::SYS_pread64,
    libc::SYS_fadvise64,
    libc::SYS_sysinfo,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
];

/// Refused, each with the error that the asking library expects.
const REFUSED: &[(i32, &[c_long])] = &[
    // Its flags lie in memory, where no filter can look. The C library falls back to `clone`.
    (libc::ENOSYS, &[libc::SYS_clone3]),
    (
        libc::EACCES,
        &[
            libc::SYS_openat,
            libc::SYS_faccessat,
            libc::SYS_faccessat2,
            libc::SYS_readlinkat,
            libc::SYS_newfstatat,
            libc::SYS_statx,
            libc::SYS_unlinkat,
            libc::SYS_mkdirat,
            libc::SYS_getcwd,
            libc::SYS_socket,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_open,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_access,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_readlink,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_stat,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_lstat,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_unlink,
            #[cfg(target_arch = "x86_64")]
            libc::SYS_mkdir,
        ],
    ),
    (
        libc::EPERM,
        &[
            // GLib passes its own thread's id, so these cannot be told from an attempt to slow the parent.
            libc::SYS_sched_getattr,
            libc::SYS_sched_setattr,
            libc::SYS_sched_setscheduler,
            libc::SYS_sched_setaffinity,
            libc::SYS_setpriority,
            libc::SYS_memfd_create,
            libc::SYS_uname,
            libc::SYS_prlimit64,
            libc::SYS_sysinfo,
        ],
    ),
    // Whoever logs asks whether that is a terminal, or the journal.
    (libc::ENOTTY, &[libc::SYS_ioctl]),
    (libc::ENOTSOCK, &[libc::SYS_getpeername]),
];

/// `clone` makes threads, and no namespaces.
const NAMESPACES: libc::c_int = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;

pub fn is_there() -> bool {
    let kills: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: the kernel reads four bytes behind the pointer and changes nothing.
    let answer = unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const kills) };
    answer == 0 && machine().is_ok()
}

/// Forbids what is not listed, for this thread and all that it will start.
///
/// # Errors
/// [`LockError::Calls`] where the kernel does not enforce it, or on a machine without a list.
pub fn forbid(reach: Reach) -> Result<(), LockError> {
    install(reach).map_err(LockError::Calls)
}

fn install(reach: Reach) -> Result<(), BoxError> {
    let machine = machine()?;
    let filter = |rules, default, matched| -> Result<seccompiler::BpfProgram, BoxError> {
        Ok(SeccompFilter::new(rules, default, matched, machine)?.try_into()?)
    };
    let allowed = allowed(reach)?;
    let mut programs = Vec::new();
    let mut known = allowed.clone();
    for (error, calls) in REFUSED {
        let refused: Rules = calls.iter().filter(|call| !allowed.contains_key(call)).map(|call| (*call, Vec::new())).collect();
        known.extend(refused.clone());
        programs.push(filter(refused, SeccompAction::Allow, SeccompAction::Errno(error.unsigned_abs()))?);
    }
    // The last: it kills whoever would set a further one.
    programs.push(filter(known, SeccompAction::KillProcess, SeccompAction::Allow)?);
    for program in &programs {
        seccompiler::apply_filter(program)?;
    }
    Ok(())
}

fn machine() -> Result<TargetArch, BoxError> {
    match std::env::consts::ARCH {
        "x86_64" => Ok(TargetArch::x86_64),
        "aarch64" => Ok(TargetArch::aarch64),
        other => Err(format!("no list of system calls for {other}").into()),
    }
}

/// A call without a rule is allowed whatever its arguments; with rules, where one of them holds.
fn allowed(reach: Reach) -> Result<Rules, BoxError> {
    let with_fonts = if reach == Reach::Fonts { ALLOWED_WITH_FONTS } else { &[] };
    let mut rules: Rules = ALLOWED.iter().chain(with_fonts).map(|call| (*call, Vec::new())).collect();

    let threads = libc::CLONE_THREAD | libc::CLONE_VM;
    rules.insert(libc::SYS_clone, vec![bits(0, threads | NAMESPACES, threads)?]);
    rules.insert(libc::SYS_mmap, vec![bits(2, libc::PROT_EXEC, 0)?]);
    rules.insert(libc::SYS_mprotect, vec![bits(2, libc::PROT_EXEC, 0)?]);
    rules.insert(libc::SYS_prctl, vec![equal(0, libc::PR_SET_NAME.unsigned_abs().into())?]);
    // The C library's `abort`.
    rules.insert(libc::SYS_tgkill, vec![equal(0, std::process::id().into())?]);
    // Without an address. (No `sendmsg`: no descriptor goes out or comes in.)
    rules.insert(libc::SYS_sendto, vec![SeccompRule::new(vec![condition(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?])?]);
    rules.insert(libc::SYS_recvfrom, vec![SeccompRule::new(vec![condition(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?])?]);
    rules.insert(libc::SYS_socketpair, vec![equal(0, libc::AF_UNIX.unsigned_abs().into())?]);
    let flags = [libc::F_GETFL, libc::F_SETFL, libc::F_GETFD, libc::F_SETFD];
    rules.insert(libc::SYS_fcntl, flags.iter().map(|flag| equal(1, flag.unsigned_abs().into())).collect::<Result<_, _>>()?);
    Ok(rules)
}

/// Of the bits in `mask`, exactly those in `value` are set.
fn bits(argument: u8, mask: libc::c_int, value: libc::c_int) -> Result<SeccompRule, BoxError> {
    let masked = SeccompCmpOp::MaskedEq(u64::from(mask.unsigned_abs()));
    Ok(SeccompRule::new(vec![condition(argument, SeccompCmpArgLen::Dword, masked, value.unsigned_abs().into())?])?)
}

fn equal(argument: u8, value: u64) -> Result<SeccompRule, BoxError> {
    Ok(SeccompRule::new(vec![condition(argument, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?])?)
}

fn condition(argument: u8, length: SeccompCmpArgLen, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BoxError> {
    Ok(SeccompCondition::new(argument, length, operator, value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_call_is_both_allowed_and_refused_but_those_that_fonts_need() {
        let refused: Vec<c_long> = REFUSED.iter().flat_map(|(_, calls)| calls.iter().copied()).collect();
        assert!(refused.iter().all(|call| !allowed(Reach::Nothing).unwrap().contains_key(call)));
        assert!(refused.iter().enumerate().all(|(at, call)| !refused[..at].contains(call)), "one error each");
    }
}
