/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snippets of the calls on files, paths, names, processes and descriptors
 *
 * All of it happens in a folder of its own, whose name is never said, since it is another each
 * time. Descriptors are said as whether there is one.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/futex.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "snippets.h"
#include "try.h"

/* What glibc exports and its headers do not declare. */
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t room);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *t, const sigset_t *m,
		size_t r);
ssize_t __recv_chk(int fd, void *buf, size_t n, size_t room, int flags);
ssize_t __recvfrom_chk(int fd, void *buf, size_t n, size_t room, int flags, void *a, socklen_t *l);
ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t at, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t at, size_t room);
size_t __fread_chk(void *buf, size_t room, size_t size, size_t n, FILE *stream);
char *__fgets_chk(char *buf, size_t room, int n, FILE *stream);
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int fd, const char *path, int flags);
int __openat64_2(int fd, const char *path, int flags);
int __xstat(int version, const char *path, struct stat *found);
int __xstat64(int version, const char *path, struct stat64 *found);
int __lxstat(int version, const char *path, struct stat *found);
int __lxstat64(int version, const char *path, struct stat64 *found);
int __fxstat(int version, int fd, struct stat *found);
int __fxstat64(int version, int fd, struct stat64 *found);
int __fxstatat(int version, int fd, const char *path, struct stat *found, int flags);
int __fxstatat64(int version, int fd, const char *path, struct stat64 *found, int flags);

/* As of glibc 2.36 on x86-64 (0 elsewhere): struct stat is the kernel's own. */
#ifdef __x86_64__
#define STAT_VERSION 1
#else
#define STAT_VERSION 0
#endif

static char buf[64];
static struct iovec part = {.iov_base = buf, .iov_len = 3};
static const char *volatile nowhere = (const char *)16;

static void try_checked(void)
{
	struct pollfd polled;
	struct timespec soon = {.tv_nsec = 1000000};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
		return;
	polled = (struct pollfd){.fd = pair[0], .events = POLLIN};
	TRY("__poll_chk.timeout", __poll_chk(&polled, 1, 1, sizeof(polled)));
	TRY("__poll_chk.nought", __poll_chk(&polled, 1, 0, sizeof(polled)));
	TRY("__ppoll_chk.timeout", __ppoll_chk(&polled, 1, &soon, NULL, sizeof(polled)));
	TRY("send", send(pair[1], "abcd", 4, 0));
	TRY("__recv_chk", __recv_chk(pair[0], buf, 8, sizeof(buf), 0));
	TRY("send", send(pair[1], "abc", 3, 0));
	TRY("__recvfrom_chk", __recvfrom_chk(pair[0], buf, 8, sizeof(buf), 0, NULL, NULL));
	TRY("__recv_chk.dontwait", __recv_chk(pair[0], buf, 8, sizeof(buf), MSG_DONTWAIT));
	close(pair[0]);
	close(pair[1]);
}

static void try_many_messages(void)
{
	struct mmsghdr messages[2] = {{.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}},
				      {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1}}};
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair))
		return;
	TRY("sendmmsg", sendmmsg(pair[0], messages, 2, 0));
	TRY("recvmmsg", recvmmsg(pair[1], messages, 2, 0, NULL));
	TRY("recvmmsg.dontwait", recvmmsg(pair[1], messages, 2, MSG_DONTWAIT, NULL));
	TRY("recvmmsg.bad_fd", recvmmsg(-1, messages, 2, 0, NULL));
	TRY("sendmmsg.no_fd", sendmmsg(NO_FD, messages, 2, 0));
	close(pair[0]);
	close(pair[1]);
}

static void on_usr1(int number)
{
	(void)number;
}

static void try_signals(void)
{
	struct itimerval often = {{.tv_usec = 1000}, {.tv_usec = 1000}}, never = {{0}, {0}}, before;
	struct sigaction action = {.sa_handler = on_usr1}, usr1, alrm;
	struct timespec nought = {0};
	sigset_t set, none, old;
	stack_t stack;
	int found = 0;

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, &old);
	sigaction(SIGUSR1, &action, &usr1);
	sigaction(SIGALRM, &action, &alrm);
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	TRY("sigwait", sigwait(&set, &found));
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	TRY("sigwaitinfo", sigwaitinfo(&set, NULL));
	TRY("sigtimedwait.nought", sigtimedwait(&set, NULL, &nought));
	TRY("sigtimedwait.fault", sigtimedwait(&set, NULL, (struct timespec *)nowhere));
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	TRY("sigsuspend", sigsuspend(&none));
	TRY("sigaltstack", sigaltstack(NULL, &stack));
	TRY("sigaltstack.short", sigaltstack(&(stack_t){.ss_sp = buf, .ss_size = 1}, NULL));
	setitimer(ITIMER_REAL, &often, &before);
	TRY("pause", pause());
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGUSR1, &usr1, NULL);
	sigaction(SIGALRM, &alrm, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
}

static void try_reads(int fd)
{
	TRY("pwrite", pwrite(fd, "0123456789", 10, 0));
	TRY("pwrite64", pwrite64(fd, "ab", 2, 0));
	TRY("pwritev", pwritev(fd, &part, 1, 2));
	TRY("pwritev64", pwritev64(fd, &part, 1, 2));
	TRY("pwritev2", pwritev2(fd, &part, 1, 2, 0));
	TRY("pwritev64v2", pwritev64v2(fd, &part, 1, 2, 0));
	TRY("read", read(fd, buf, 2));
	TRY("read.fault", read(fd, (void *)nowhere, 2));
	TRY("read.bad_fd", read(-1, buf, 2));
	TRY("read.no_fd", read(NO_FD, buf, 2));
	TRY("__read_chk", __read_chk(fd, buf, 2, sizeof(buf)));
	TRY("readv", readv(fd, &part, 1));
	TRY("pread", pread(fd, buf, 4, 1));
	TRY("pread64", pread64(fd, buf, 4, 1));
	TRY("__pread_chk", __pread_chk(fd, buf, 4, 1, sizeof(buf)));
	TRY("__pread64_chk", __pread64_chk(fd, buf, 4, 1, sizeof(buf)));
	TRY("preadv", preadv(fd, &part, 1, 0));
	TRY("preadv64", preadv64(fd, &part, 1, 0));
	TRY("preadv2", preadv2(fd, &part, 1, 0, 0));
	TRY("preadv2.bad_flags", preadv2(fd, &part, 1, 0, 0x40000000));
	TRY("preadv64v2", preadv64v2(fd, &part, 1, 0, 0));
}

static void try_file(int fd)
{
	void *map;

	TRY("write", write(fd, "xyz", 3));
	TRY("write.bad_fd", write(-1, "xyz", 3));
	TRY("write.no_fd", write(NO_FD, "xyz", 3));
	TRY("writev", writev(fd, &part, 1));
	TRY("fsync", fsync(fd));
	TRY("fsync.bad_fd", fsync(-1));
	TRY("fdatasync", fdatasync(fd));
	TRY("sync_file_range", sync_file_range(fd, 0, 1, SYNC_FILE_RANGE_WAIT_BEFORE));
	TRY("syncfs.bad_fd", syncfs(-1));
	TRY("ftruncate", ftruncate(fd, 20));
	TRY("ftruncate64", ftruncate64(fd, 21));
	TRY("fallocate.bad", fallocate(fd, 0, 0, 0));
	TRY("fallocate64.bad", fallocate64(fd, 0, 0, 0));
	TRY("posix_fallocate", posix_fallocate(fd, 0, 8));
	TRY("posix_fallocate64.bad_fd", posix_fallocate64(-1, 0, 8));
	TRY("flock", flock(fd, LOCK_EX));
	TRY("flock.unlock", flock(fd, LOCK_UN));
	TRY("lockf", lockf(fd, F_LOCK, 1));
	TRY("lockf64", lockf64(fd, F_TLOCK, 1));
	TRY("lockf.unlock", lockf(fd, F_ULOCK, 1));
	TRY("fchmod", fchmod(fd, 0600));
	TRY("fchown", fchown(fd, (uid_t)-1, (gid_t)-1));
	TRY("futimens", futimens(fd, NULL));
	map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	TRY("msync", msync(map, 4096, MS_SYNC));
	TRY("msync.bad", msync((char *)map + 1, 4096, MS_SYNC));
	munmap(map, 4096);
}

static void try_copies(int fd)
{
	int pipe_fds[2], other[2];
	off_t at = 0;
	off64_t at64 = 0;

	if (pipe2(pipe_fds, O_CLOEXEC) || pipe2(other, O_CLOEXEC))
		return;
	TRY("sendfile", sendfile(pipe_fds[1], fd, &at, 4));
	TRY("sendfile64", sendfile64(pipe_fds[1], fd, &at64, 4));
	TRY("tee", tee(pipe_fds[0], other[1], 4, 0));
	TRY("tee.nonblock", tee(other[0], pipe_fds[1], 64, SPLICE_F_NONBLOCK));
	TRY("splice", splice(pipe_fds[0], NULL, fd, NULL, 4, 0));
	TRY("splice.bad_fd", splice(-1, NULL, fd, NULL, 4, 0));
	TRY("vmsplice", vmsplice(pipe_fds[1], &part, 1, 0));
	at64 = 0;
	TRY("copy_file_range.same", copy_file_range(fd, &at64, fd, &at64, 4, 0));
	TRY("copy_file_range.bad_fd", copy_file_range(-1, NULL, fd, NULL, 4, 0));
	for (int i = 0; i < 2; i++) {
		close(pipe_fds[i]);
		close(other[i]);
	}
}

static void try_open(int dir_fd)
{
	TRY_FD("open", open("f", O_RDWR | O_CREAT, 0600));
	TRY_FD("open.mode", open("mode", O_WRONLY | O_CREAT | O_EXCL, 0604));
	TRY_FD("open.exists", open("f", O_WRONLY | O_CREAT | O_EXCL, 0600));
	TRY_FD("open.missing", open("missing", O_RDONLY));
	TRY_FD("open.fault", open(nowhere, O_RDONLY));
	TRY_FD("open64", open64("f", O_RDONLY));
	TRY_FD("__open_2", __open_2("f", O_RDONLY));
	TRY_FD("__open64_2", __open64_2("f", O_RDONLY));
	TRY_FD("openat", openat(dir_fd, "f", O_RDONLY));
	TRY_FD("openat.create", openat(dir_fd, "g", O_CREAT | O_WRONLY, 0640));
	TRY_FD("openat.bad_fd", openat(-1, "f", O_RDONLY));
	TRY_FD("openat64", openat64(dir_fd, "f", O_RDONLY));
	TRY_FD("__openat_2", __openat_2(dir_fd, "f", O_RDONLY));
	TRY_FD("__openat64_2", __openat64_2(dir_fd, "f", O_RDONLY));
	TRY_FD("creat", creat("c", 0600));
	TRY_FD("creat64", creat64("c", 0600));
}

static void try_stat(int dir_fd, int fd)
{
	struct stat found;
	struct stat64 found64;
	struct statx foundx;

	TRY("stat", stat("mode", &found) ? -1 : (int)(found.st_mode & 0777));
	TRY("stat.missing", stat("missing", &found));
	TRY("stat.fault", stat(nowhere, &found));
	TRY("stat64", stat64("f", &found64));
	TRY("lstat", lstat("f", &found));
	TRY("lstat64", lstat64("missing", &found64));
	TRY("fstat", fstat(fd, &found));
	TRY("fstat.bad_fd", fstat(-1, &found));
	TRY("fstat64", fstat64(NO_FD, &found64));
	TRY("fstatat", fstatat(dir_fd, "f", &found, 0));
	TRY("fstatat64", fstatat64(dir_fd, "missing", &found64, 0));
	TRY("__xstat", __xstat(STAT_VERSION, "f", &found));
	TRY("__xstat.bad_version", __xstat(99, "f", &found));
	TRY("__xstat64", __xstat64(STAT_VERSION, "f", &found64));
	TRY("__lxstat", __lxstat(STAT_VERSION, "f", &found));
	TRY("__lxstat64", __lxstat64(STAT_VERSION, "f", &found64));
	TRY("__fxstat", __fxstat(STAT_VERSION, fd, &found));
	TRY("__fxstat64", __fxstat64(STAT_VERSION, fd, &found64));
	TRY("__fxstatat", __fxstatat(STAT_VERSION, dir_fd, "f", &found, 0));
	TRY("__fxstatat64", __fxstatat64(STAT_VERSION, dir_fd, "f", &found64, 0));
	TRY("statx", statx(dir_fd, "f", 0, STATX_BASIC_STATS, &foundx));
	TRY("statx.bad_flags", statx(dir_fd, "f", -1, STATX_BASIC_STATS, &foundx));
}

static void try_file_system(int dir_fd)
{
	struct statfs fs;
	struct statfs64 fs64;
	struct statvfs vfs;
	struct statvfs64 vfs64;

	TRY("statfs", statfs(".", &fs));
	TRY("statfs64", statfs64("missing", &fs64));
	TRY("statvfs", statvfs(".", &vfs));
	TRY("statvfs64", statvfs64("missing", &vfs64));
	TRY("access", access("f", R_OK));
	TRY("access.missing", access("missing", R_OK));
	TRY("faccessat", faccessat(dir_fd, "f", R_OK, AT_EACCESS));
	TRY("getcwd", getcwd(buf, sizeof(buf)) != NULL);
	TRY("getcwd.short", getcwd(buf, 1) != NULL);
	TRY("realpath.missing", realpath("missing", buf) != NULL);
	TRY("chdir.missing", chdir("missing"));
	TRY("chmod", chmod("f", 0600));
	TRY("fchmodat", fchmodat(dir_fd, "f", 0600, 0));
	TRY("chown", chown("f", (uid_t)-1, (gid_t)-1));
	TRY("lchown", lchown("missing", (uid_t)-1, (gid_t)-1));
	TRY("fchownat", fchownat(dir_fd, "f", (uid_t)-1, (gid_t)-1, 0));
	TRY("utimes", utimes("f", NULL));
	TRY("utimensat", utimensat(dir_fd, "f", NULL, 0));
	TRY("truncate", truncate("f", 4));
	TRY("truncate64", truncate64("missing", 4));
}

static void try_names_of_files(int dir_fd)
{
	TRY("mkdir", mkdir("d", 0700));
	TRY("mkdir.exists", mkdir("d", 0700));
	TRY("mkdirat", mkdirat(dir_fd, "e", 0700));
	TRY("rmdir", rmdir("e"));
	TRY("symlink", symlink("f", "s"));
	TRY("symlinkat", symlinkat("f", dir_fd, "s2"));
	TRY("readlink", readlink("s", buf, sizeof(buf)));
	TRY("readlink.no_link", readlink("f", buf, sizeof(buf)));
	TRY("readlinkat", readlinkat(dir_fd, "s2", buf, sizeof(buf)));
	TRY("link", link("f", "l"));
	TRY("linkat", linkat(dir_fd, "f", dir_fd, "l2", 0));
	TRY("rename", rename("l", "m"));
	TRY("rename.missing", rename("l", "m"));
	TRY("renameat", renameat(dir_fd, "l2", dir_fd, "m2"));
	TRY("renameat2.exists", renameat2(dir_fd, "m", dir_fd, "m2", RENAME_NOREPLACE));
	TRY("mkfifo", mkfifo("p", 0600));
	TRY("unlink", unlink("m"));
	TRY("unlink.missing", unlink("m"));
	TRY("unlinkat", unlinkat(dir_fd, "d", AT_REMOVEDIR));
	TRY("remove", remove("m2"));
}

static void try_directory(void)
{
	DIR *dir = opendir("missing");
	int n = 0;

	TRY("opendir.missing", opendir("missing") != NULL);
	dir = opendir(".");
	if (!dir)
		return;
	while (readdir(dir))
		n++;
	TRY("readdir.end", readdir(dir) != NULL);
	rewinddir(dir);
	while (readdir64(dir))
		n++;
	TRY("readdir64.end", readdir64(dir) != NULL);
	say("readdir.count", n);
	closedir(dir);
}

static void try_stdio(void)
{
	FILE *stream;

	TRY("fopen.missing", fopen("missing", "r") != NULL);
	stream = fopen("t", "w");
	if (!stream)
		return;
	TRY("fwrite", fwrite("one\ntwo\nthree\nfour\n", 1, 19, stream));
	TRY("fflush", fflush(stream));
	TRY("fclose", fclose(stream));
	stream = fopen64("t", "r");
	if (!stream)
		return;
	say("fopen64", 1);
	TRY("fgets", fgets(buf, sizeof(buf), stream) != NULL);
	TRY("__fgets_chk", __fgets_chk(buf, sizeof(buf), 32, stream) != NULL);
	TRY("fread", fread(buf, 1, 3, stream));
	TRY("__fread_chk", __fread_chk(buf, sizeof(buf), 1, 64, stream));
	TRY("fread.end", fread(buf, 1, 3, stream));
	TRY("fwrite.read_only", fwrite("x", 1, 1, stream));
	fclose(stream);
}

static const char *const leftovers[] = {"f", "mode", "g", "c", "s", "s2", "p", "t"};

static void try_files(void)
{
	char path[] = "/tmp/snippets-XXXXXX";
	int back_fd = open(".", O_PATH | O_CLOEXEC), dir_fd, fd;

	if (back_fd < 0 || !mkdtemp(path))
		return;
	TRY("chdir", chdir(path));
	dir_fd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	try_open(dir_fd);
	fd = open("f", O_RDWR | O_CLOEXEC);
	try_reads(fd);
	try_file(fd);
	try_copies(fd);
	try_stat(dir_fd, fd);
	try_file_system(dir_fd);
	try_names_of_files(dir_fd);
	try_stdio();
	try_directory();
	close(fd);
	for (size_t i = 0; i < sizeof(leftovers) / sizeof(leftovers[0]); i++)
		unlinkat(dir_fd, leftovers[i], 0);
	close(dir_fd);
	TRY("rmdir.last", rmdir(path));
	fchdir(back_fd) ? abort() : (void)close(back_fd);
}

static void try_hosts(void)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_family = AF_INET}, *found = NULL;
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(80)};
	struct hostent *host = NULL, room;
	char text[1024];
	int code = 0;

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	TRY("getaddrinfo", getaddrinfo("127.0.0.1", "80", &hints, &found));
	freeaddrinfo(found);
	TRY("getaddrinfo.no_name", getaddrinfo("x y", NULL, &hints, &found));
	TRY("getaddrinfo.nothing", getaddrinfo(NULL, NULL, NULL, &found));
	TRY("getnameinfo", getnameinfo((struct sockaddr *)&address, sizeof(address), text,
				       sizeof(text), NULL, 0, NI_NUMERICHOST));
	TRY("getnameinfo.short",
	    getnameinfo((struct sockaddr *)&address, 1, text, sizeof(text), NULL, 0, 0));
	TRY("gethostbyname", gethostbyname("127.0.0.1") != NULL);
	TRY("gethostbyname2", gethostbyname2("::1", AF_INET6) != NULL);
	TRY("gethostbyaddr.bad", gethostbyaddr(&address.sin_addr, 1, AF_INET) != NULL);
	TRY("gethostbyname_r",
	    gethostbyname_r("127.0.0.1", &room, text, sizeof(text), &host, &code));
	TRY("gethostbyname2_r",
	    gethostbyname2_r("127.0.0.1", AF_INET, &room, text, sizeof(text), &host, &code));
	TRY("gethostbyname_r.short", gethostbyname_r("127.0.0.1", &room, text, 1, &host, &code));
	TRY("gethostbyaddr_r.bad", gethostbyaddr_r(&address.sin_addr, 1, AF_INET, &room, text,
						   sizeof(text), &host, &code));
}

static void try_accounts(void)
{
	struct passwd user, *found_user = NULL;
	struct group group, *found_group = NULL;
	char text[4096];

	TRY("getpwnam", getpwnam("root") != NULL);
	TRY("getpwnam.nobody", getpwnam("no such user") != NULL);
	TRY("getpwuid", getpwuid(0) != NULL);
	TRY("getgrnam", getgrnam("root") != NULL);
	TRY("getgrgid", getgrgid(0) != NULL);
	TRY("getpwnam_r", getpwnam_r("root", &user, text, sizeof(text), &found_user));
	TRY("getpwnam_r.short", getpwnam_r("root", &user, text, 1, &found_user));
	TRY("getpwuid_r", getpwuid_r(0, &user, text, sizeof(text), &found_user));
	TRY("getgrnam_r", getgrnam_r("root", &group, text, sizeof(text), &found_group));
	TRY("getgrgid_r", getgrgid_r(0, &group, text, sizeof(text), &found_group));
}

static void try_ipc(void)
{
	int set = semget(IPC_PRIVATE, 1, 0600), queue = msgget(IPC_PRIVATE, 0600);
	struct sembuf up = {.sem_op = 1}, down = {.sem_op = -1},
		      now = {.sem_op = -1, .sem_flg = IPC_NOWAIT};
	struct timespec soon = {.tv_nsec = 1000000};
	struct {
		long type;
		char text[8];
	} message = {.type = 1};

	TRY("semop", semop(set, &up, 1));
	TRY("semop.down", semop(set, &down, 1));
	TRY("semop.nowait", semop(set, &now, 1));
	TRY("semtimedop.late", semtimedop(set, &down, 1, &soon));
	TRY("msgsnd", msgsnd(queue, &message, 4, 0));
	TRY("msgrcv", msgrcv(queue, &message, 8, 0, 0));
	TRY("msgrcv.nowait", msgrcv(queue, &message, 8, 0, IPC_NOWAIT));
	TRY("msgsnd.bad", msgsnd(-1, &message, 4, 0));
	semctl(set, 0, IPC_RMID);
	msgctl(queue, IPC_RMID, NULL);
}

static void try_raw(void)
{
	static unsigned int word = 1;
	struct timespec soon = {.tv_nsec = 1000000};

	TRY("syscall.getpid", syscall(SYS_getpid) == getpid());
	TRY("syscall.none", syscall(-1));
	TRY("syscall.futex_changed", syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0));
	TRY("syscall.futex_late", syscall(SYS_futex, &word, FUTEX_WAIT, 1, &soon, NULL, 0));
	TRY("syscall.futex_bitset",
	    syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, 0, NULL, NULL, 1));
	TRY("syscall.futex_wake", syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0));
	TRY("syscall.io_uring_enter", syscall(SYS_io_uring_enter, -1, 0, 1, 1, NULL, 0));
	/* Six arguments, the last on the stack of the caller: 64 bits of each must get there. */
	TRY("syscall.six",
	    syscall(SYS_mmap, NULL, 4096L, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1L, 1L));
	TRY("syscall.six_far",
	    syscall(SYS_mmap, NULL, 4096L, PROT_READ, MAP_PRIVATE, -1L, 0x7ffffffff000L));
}

static void try_descriptors(void)
{
	struct flock lock = {.l_type = F_WRLCK, .l_len = 1};
	int on = 1, off = 0, pipe_fds[2], twin, n = 0;

	if (pipe2(pipe_fds, O_CLOEXEC))
		return;
	TRY("fcntl.getfl", fcntl(pipe_fds[0], F_GETFL));
	TRY("fcntl.setfl", fcntl(pipe_fds[0], F_SETFL, O_NONBLOCK));
	TRY("read.nonblock", read(pipe_fds[0], buf, 1));
	TRY("fcntl.bad_fd", fcntl(-1, F_GETFL));
	TRY("fcntl.no_fd", fcntl(NO_FD, F_SETFL, 0));
	TRY("fcntl.bad_command", fcntl(pipe_fds[0], 12345, 1));
	TRY("fcntl.setlkw_bad", fcntl(-1, F_SETLKW, &lock));
	TRY("fcntl64", fcntl64(pipe_fds[0], F_GETFD));
	TRY("fcntl64.setlkw_bad", fcntl64(-1, F_SETLKW, &lock));
	TRY("ioctl.blocking", ioctl(pipe_fds[0], FIONBIO, &off));
	TRY("fcntl.getfl_blocking", fcntl(pipe_fds[0], F_GETFL));
	TRY("ioctl.nonblocking", ioctl(pipe_fds[0], FIONBIO, &on));
	TRY("ioctl.fault", ioctl(pipe_fds[0], FIONBIO, nowhere));
	TRY("ioctl.fionread", ioctl(pipe_fds[0], FIONREAD, &n));
	TRY("ioctl.bad_fd", ioctl(-1, FIONREAD, &n));
	TRY_FD("dup", dup(pipe_fds[0]));
	TRY_FD("dup.bad_fd", dup(-1));
	twin = dup(pipe_fds[1]);
	TRY("dup2", dup2(pipe_fds[0], twin) == twin);
	TRY("dup2.same", dup2(twin, twin) == twin);
	TRY("dup2.bad_fd", dup2(-1, twin));
	TRY("dup3", dup3(pipe_fds[1], twin, O_CLOEXEC) == twin);
	TRY("dup3.same", dup3(twin, twin, 0));
	TRY_FD("fcntl.dupfd", fcntl(pipe_fds[0], F_DUPFD_CLOEXEC, 3));
	TRY("close_range", close_range((unsigned int)twin, (unsigned int)twin, 0));
	TRY("close_range.bad", close_range(9, 8, 0));
	TRY("fcntl.closed", fcntl(twin, F_GETFD));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static bool is_signalled;

static void *thread_body(void *result)
{
	pthread_mutex_lock(&mutex);
	is_signalled = true;
	pthread_cond_signal(&condition);
	pthread_mutex_unlock(&mutex);
	return result;
}

static void try_thread(void)
{
	pthread_t thread;
	void *result = NULL;

	pthread_mutex_lock(&mutex);
	is_signalled = false;
	if (pthread_create(&thread, NULL, thread_body, buf)) {
		pthread_mutex_unlock(&mutex);
		return;
	}
	do
		TRY("pthread_cond_wait", pthread_cond_wait(&condition, &mutex));
	while (!is_signalled);
	pthread_mutex_unlock(&mutex);
	TRY("pthread_join", pthread_join(thread, &result));
	say("pthread_join.result", result == buf);
}

static void try_programs(void)
{
	char *argv[] = {(char *)"true", NULL};
	FILE *stream;
	int status = 0;
	pid_t pid;

	TRY("system", system("exit 3"));
	TRY("system.null", system(NULL));
	stream = popen("echo hello; exit 5", "r");
	if (!stream)
		return;
	TRY("fgets.pipe", fgets(buf, sizeof(buf), stream) != NULL);
	TRY("pclose", pclose(stream));
	TRY("popen.bad_mode", popen("true", "nonsense") != NULL);
	TRY("posix_spawn", posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ));
	waitpid(pid, &status, 0);
	TRY("posix_spawn.missing", posix_spawn(&pid, "/missing", NULL, NULL, argv, environ));
	TRY("posix_spawnp", posix_spawnp(&pid, "true", NULL, NULL, argv, environ));
	waitpid(pid, &status, 0);
	say("posix_spawnp.status", WEXITSTATUS(status));
}

static void try_forks(void)
{
	int status = 0, terminal_fd = -1;
	pid_t pid = fork();

	if (!pid)
		_exit(9);
	TRY("fork", waitpid(pid, &status, 0) == pid);
	say("fork.status", WEXITSTATUS(status));
	pid = forkpty(&terminal_fd, NULL, NULL, NULL);
	if (!pid)
		_exit(11);
	TRY("forkpty", waitpid(pid, &status, 0) == pid);
	say("forkpty.status", WEXITSTATUS(status));
	close(terminal_fd);
	/* In a child of its own: it takes every descriptor from there on. */
	pid = fork();
	if (!pid) {
		closefrom(3);
		_exit(fcntl(3, F_GETFD) == -1 ? 13 : 1);
	}
	waitpid(pid, &status, 0);
	say("closefrom", WEXITSTATUS(status));
}

void snippets_more(enum snippet_frame frame)
{
	memset(buf, 'x', sizeof(buf));
	try_checked();
	try_many_messages();
	try_signals();
	try_files();
	try_hosts();
	try_accounts();
	try_ipc();
	try_raw();
	try_descriptors();
	if (frame == SNIPPET_VFORK)
		return;
	errno = MARKER;
	sync();
	say("sync", 0);
	try_thread();
	try_programs();
	try_forks();
}
