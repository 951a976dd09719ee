/* SPDX-License-Identifier: Apache-2.0 */
/* The real functions behind the hooked symbols */
#pragma once

#include <aio.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <mqueue.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <pwd.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "base/defs.h"

/*
 * What programs call that glibc's headers (2.36) do not declare: the checked forms, by which
 * -D_FORTIFY_SOURCE calls, and stat as it was before glibc 2.33.
 */
int __poll_chk(struct pollfd *fds, nfds_t n_fds, int timeout_ms, size_t room_bytes);
int __ppoll_chk(struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout,
		const sigset_t *mask, size_t room_bytes);
ssize_t __recv_chk(int fd, void *buf, size_t size_bytes, size_t room_bytes, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t size_bytes, size_t room_bytes, int flags,
		       __SOCKADDR_ARG address, socklen_t *address_bytes);
ssize_t __read_chk(int fd, void *buf, size_t size_bytes, size_t room_bytes);
ssize_t __pread_chk(int fd, void *buf, size_t size_bytes, off_t at, size_t room_bytes);
ssize_t __pread64_chk(int fd, void *buf, size_t size_bytes, off64_t at, size_t room_bytes);
size_t __fread_chk(void *buf, size_t room_bytes, size_t item_bytes, size_t n_items, FILE *stream);
char *__fgets_chk(char *buf, size_t room_bytes, int size_bytes, FILE *stream);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dir_fd, const char *path, int flags);
int __openat64_2(int dir_fd, const char *path, int flags);
int __xstat(int version, const char *path, struct stat *found);
int __xstat64(int version, const char *path, struct stat64 *found);
int __lxstat(int version, const char *path, struct stat *found);
int __lxstat64(int version, const char *path, struct stat64 *found);
int __fxstat(int version, int fd, struct stat *found);
int __fxstat64(int version, int fd, struct stat64 *found);
int __fxstatat(int version, int dir_fd, const char *path, struct stat *found, int flags);
int __fxstatat64(int version, int dir_fd, const char *path, struct stat64 *found, int flags);
/* <resolv.h> brings names of its own that are ours: MIN, p_type. */
struct __res_state;
int res_query(const char *name, int class, int type, unsigned char *answer, int answer_bytes);
int res_search(const char *name, int class, int type, unsigned char *answer, int answer_bytes);
int res_nquery(struct __res_state *state, const char *name, int class, int type,
	       unsigned char *answer, int answer_bytes);
int res_nsearch(struct __res_state *state, const char *name, int class, int type,
		unsigned char *answer, int answer_bytes);
void __syslog_chk(int priority, int flag, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void __vsyslog_chk(int priority, int flag, const char *format, va_list args)
	__attribute__((format(printf, 3, 0)));

/* libc's, declared by libcap (sys/capability.h). */
int capset(void *header, const void *data);

enum hook {
#define HOOK(family, symbol, need) HOOK_##symbol,
#include "hooks.def"
#undef HOOK
	HOOK_N,
	/* What is reported by a name of its own, and stood in front of as syscall(). */
	HOOK_futex = HOOK_N,
	HOOK_io_uring_enter,
	HOOK_N_NAMES,
};

struct real {
#define HOOK(family, symbol, need) __typeof__(&symbol) symbol;
#include "hooks.def"
#undef HOOK
};

extern struct real real;
extern const char *const hook_names[HOOK_N_NAMES];

void *real_resolve(enum hook hook);
void real_resolve_all(void);

/*
 * The real function, looked up now if a foreign constructor calls us before ours has run. Two
 * threads may look it up at once: both find the same address.
 */
#define REAL(symbol)                                                                         \
	({                                                                                   \
		__typeof__(&symbol) _real = __atomic_load_n(&real.symbol, __ATOMIC_RELAXED); \
		if (unlikely(!_real))                                                        \
			_real = (__typeof__(&symbol))real_resolve(HOOK_##symbol);            \
		_real;                                                                       \
	})
