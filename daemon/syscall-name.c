/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call: what it is called in a report
 *
 * By the function of the C library that the shim would have stood in front of, so that the same
 * wait has the same name and fingerprint whoever saw it. glibc 2.36: select() makes pselect6,
 * waitpid() wait4, recv() recvfrom, send() sendto, accept() is accept or accept4, and locks are
 * futexes.
 */
#include <stddef.h>
#include <sys/syscall.h>

#include "base/defs.h"
#include "syscall-name.h"

#define FD(call, text) [SYS_##call] = {text, true}
#define NO(call, text) [SYS_##call] = {text, false}

static const struct syscall_name names[] = {
	FD(read, "read"),
	FD(write, "write"),
	FD(readv, "readv"),
	FD(writev, "writev"),
	FD(pread64, "pread64"),
	FD(pwrite64, "pwrite64"),
	FD(preadv, "preadv"),
	FD(pwritev, "pwritev"),
	FD(preadv2, "preadv64v2"),
	FD(pwritev2, "pwritev64v2"),
	FD(recvfrom, "recv"),
	FD(recvmsg, "recvmsg"),
	FD(recvmmsg, "recvmmsg"),
	FD(sendto, "send"),
	FD(sendmsg, "sendmsg"),
	FD(sendmmsg, "sendmmsg"),
	FD(accept, "accept"),
	FD(accept4, "accept4"),
	FD(connect, "connect"),
	FD(fsync, "fsync"),
	FD(fdatasync, "fdatasync"),
	FD(ftruncate, "ftruncate64"),
	FD(fallocate, "fallocate"),
	FD(flock, "flock"),
	FD(fcntl, "fcntl64"),
	FD(ioctl, "ioctl"),
	FD(getdents64, "readdir64"),
	FD(fstat, "fstat64"),
	FD(close, "close"),
	FD(epoll_pwait, "epoll_pwait"),
	FD(epoll_pwait2, "epoll_pwait2"),
	FD(syncfs, "syncfs"),
	FD(io_uring_enter, "io_uring_enter"),
	NO(clock_nanosleep, "clock_nanosleep"),
	NO(nanosleep, "nanosleep"),
	NO(pselect6, "select"),
	NO(ppoll, "poll"),
	NO(futex, "futex"),
	NO(wait4, "waitpid"),
	NO(waitid, "waitid"),
	NO(openat, "open64"),
	NO(newfstatat, "stat64"),
	NO(statx, "statx"),
	NO(sync, "sync"),
	NO(msync, "msync"),
	NO(sendfile, "sendfile64"),
	NO(splice, "splice"),
	NO(copy_file_range, "copy_file_range"),
	NO(rt_sigtimedwait, "sigtimedwait"),
	NO(rt_sigsuspend, "sigsuspend"),
	NO(getrandom, "getrandom"),
	NO(mmap, "mmap"),
	NO(munmap, "munmap"),
	NO(madvise, "madvise"),
	NO(execve, "execve"),
	NO(clone, "clone"),
	NO(clone3, "clone3"),
	NO(unlinkat, "unlinkat"),
	NO(renameat2, "renameat2"),
	NO(mkdirat, "mkdirat"),
	NO(linkat, "linkat"),
	NO(truncate, "truncate64"),
	NO(mount, "mount"),
#ifdef SYS_epoll_wait
	FD(epoll_wait, "epoll_wait"),
	NO(select, "select"),
	NO(poll, "poll"),
	NO(pause, "pause"),
	NO(open, "open64"),
	NO(stat, "stat64"),
	NO(lstat, "lstat64"),
	NO(vfork, "vfork"),
	NO(fork, "fork"),
	NO(unlink, "unlink"),
	NO(rename, "rename"),
	NO(mkdir, "mkdir"),
	NO(rmdir, "rmdir"),
	NO(readlink, "readlink"),
#endif
};

/* name is NULL where there is none: then its number has to do. */
struct syscall_name syscall_name_of(int32_t number)
{
	if (number < 0)
		return (struct syscall_name){"page fault", false};
	if ((size_t)number >= ARRAY_LEN(names))
		return (struct syscall_name){NULL, false};
	return names[number];
}
