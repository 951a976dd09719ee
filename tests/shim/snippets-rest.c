/* SPDX-License-Identifier: Apache-2.0 */
/* Snippets for locks, message queues and what lies beside a file. As snippets.c */
#include <aio.h>
#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <mqueue.h>
#include <pthread.h>
#include <sched.h>
#include <resolv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <syslog.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "try.h"

/* libc's, declared by libcap. */
int capset(void *header, const void *data);

static const struct timespec past = {.tv_sec = 1}, bad_time = {.tv_sec = 1, .tv_nsec = -1};

static void try_mutex(void)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
	pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

	TRY("pthread_mutex_timedlock", pthread_mutex_timedlock(&mutex, &past));
	TRY("pthread_mutex_timedlock.late", pthread_mutex_timedlock(&mutex, &past));
	TRY("pthread_mutex_timedlock.bad_time", pthread_mutex_timedlock(&mutex, &bad_time));
	pthread_mutex_unlock(&mutex);
	TRY("pthread_mutex_timedlock.free", pthread_mutex_timedlock(&mutex, &bad_time));
	TRY("pthread_mutex_timedlock.checked", pthread_mutex_timedlock(&checked, &past));
	TRY("pthread_mutex_timedlock.deadlock", pthread_mutex_timedlock(&checked, &past));
	TRY("pthread_mutex_timedlock.recursive", pthread_mutex_timedlock(&recursive, &past));
	TRY("pthread_mutex_timedlock.again", pthread_mutex_timedlock(&recursive, &past));
}

static void try_rwlock(void)
{
	pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

	TRY("pthread_rwlock_rdlock", pthread_rwlock_rdlock(&lock));
	TRY("pthread_rwlock_rdlock.again", pthread_rwlock_rdlock(&lock));
	TRY("pthread_rwlock_timedrdlock", pthread_rwlock_timedrdlock(&lock, &past));
	TRY("pthread_rwlock_timedrdlock.bad", pthread_rwlock_timedrdlock(&lock, &bad_time));
	TRY("pthread_rwlock_timedwrlock.late", pthread_rwlock_timedwrlock(&lock, &past));
	TRY("pthread_rwlock_timedwrlock.bad", pthread_rwlock_timedwrlock(&lock, &bad_time));
	for (int i = 0; i < 3; i++)
		pthread_rwlock_unlock(&lock);
	TRY("pthread_rwlock_wrlock", pthread_rwlock_wrlock(&lock));
	TRY("pthread_rwlock_wrlock.deadlock", pthread_rwlock_wrlock(&lock));
	TRY("pthread_rwlock_rdlock.deadlock", pthread_rwlock_rdlock(&lock));
	pthread_rwlock_unlock(&lock);
	TRY("pthread_rwlock_timedwrlock", pthread_rwlock_timedwrlock(&lock, &past));
	TRY("pthread_rwlock_timedrdlock.deadlock", pthread_rwlock_timedrdlock(&lock, &past));
	pthread_rwlock_unlock(&lock);
}

static void try_barrier(void)
{
	pthread_barrier_t barrier;

	pthread_barrier_init(&barrier, NULL, 1);
	TRY("pthread_barrier_wait", pthread_barrier_wait(&barrier));
	pthread_barrier_destroy(&barrier);
}

static void try_queue(void)
{
	struct mq_attr attr = {.mq_maxmsg = 2, .mq_msgsize = 8},
		       nonblocking = {.mq_flags = O_NONBLOCK};
	char name[32], message[8] = "message";
	unsigned int priority = 0;
	mqd_t queue;

	snprintf(name, sizeof(name), "/snippets-%d", (int)getpid());
	queue = mq_open(name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	mq_unlink(name);
	TRY("mq_send", mq_send(queue, message, 3, 5));
	TRY("mq_timedsend", mq_timedsend(queue, message, 4, 7, &past));
	TRY("mq_timedsend.late", mq_timedsend(queue, message, 4, 7, &past));
	TRY("mq_send.long", mq_send(queue, message, 9, 7));
	TRY("mq_receive", mq_receive(queue, message, sizeof(message), &priority));
	say("mq_receive.priority", (long)priority);
	TRY("mq_receive.short", mq_receive(queue, message, 1, &priority));
	TRY("mq_timedreceive", mq_timedreceive(queue, message, sizeof(message), NULL, &past));
	TRY("mq_timedreceive.late", mq_timedreceive(queue, message, sizeof(message), NULL, &past));
	TRY("mq_timedreceive.bad", mq_timedreceive(queue, message, 8, NULL, &bad_time));
	TRY("mq_setattr", mq_setattr(queue, &nonblocking, &attr));
	TRY("mq_receive.nothing", mq_receive(queue, message, sizeof(message), NULL));
	TRY("mq_close", mq_close(queue));
	TRY("mq_close.again", mq_close(queue));
	TRY("mq_send.closed", mq_send(NO_FD, message, 3, 5));
}

static void try_attributes(const char *path, int fd)
{
	char value[16];

	TRY("setxattr", setxattr(path, "user.a", "one", 3, 0));
	TRY("setxattr.exists", setxattr(path, "user.a", "one", 3, XATTR_CREATE));
	TRY("lsetxattr", lsetxattr(path, "user.b", "two", 3, 0));
	TRY("fsetxattr", fsetxattr(fd, "user.c", "three", 5, 0));
	TRY("getxattr", getxattr(path, "user.a", value, sizeof(value)));
	TRY("getxattr.short", getxattr(path, "user.a", value, 1));
	TRY("lgetxattr", lgetxattr(path, "user.b", value, sizeof(value)));
	TRY("fgetxattr", fgetxattr(fd, "user.c", value, sizeof(value)));
	TRY("fgetxattr.bad_fd", fgetxattr(-1, "user.c", value, sizeof(value)));
	TRY("listxattr", listxattr(path, NULL, 0));
	TRY("llistxattr", llistxattr(path, NULL, 0));
	TRY("flistxattr", flistxattr(fd, NULL, 0));
	TRY("removexattr", removexattr(path, "user.a"));
	TRY("lremovexattr", lremovexattr(path, "user.b"));
	TRY("fremovexattr", fremovexattr(fd, "user.c"));
	TRY("removexattr.none", removexattr(path, "user.a"));
	TRY("getxattr.missing", getxattr("/missing", "user.a", value, sizeof(value)));
}

static void try_nodes(void)
{
	char folder[] = "/tmp/snippets-XXXXXX", path[64];
	int dir_fd, fd;

	if (!mkdtemp(folder))
		return;
	dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	TRY("mknodat", mknodat(dir_fd, "node", S_IFREG | 0600, 0));
	snprintf(path, sizeof(path), "%s/node", folder);
	TRY("mknod.exists", mknod(path, S_IFREG | 0600, 0));
	fd = open(path, O_RDWR | O_CLOEXEC);
	try_attributes(path, fd);
	close(fd);
	TRY("mkfifoat", mkfifoat(dir_fd, "fifo", 0600));
	TRY("mkfifoat.bad", mkfifoat(NO_FD, "fifo", 0600));
	unlinkat(dir_fd, "fifo", 0);
	unlinkat(dir_fd, "node", 0);
	snprintf(path, sizeof(path), "%s/other", folder);
	TRY("mknod", mknod(path, S_IFIFO | 0600, 0));
	unlinkat(dir_fd, "other", 0);
	close(dir_fd);
	rmdir(folder);
}

static void try_open_folder(int dir_fd)
{
	struct statfs system;
	struct statvfs portable;
	char entries[256];

	TRY("getdents64", getdents64(dir_fd, entries, sizeof(entries)));
	TRY("getdents64.short", getdents64(dir_fd, entries, 0));
	TRY("fstatfs", fstatfs(dir_fd, &system));
	TRY("fstatfs.bad_fd", fstatfs(-1, &system));
	TRY("fstatfs64", fstatfs64(dir_fd, (struct statfs64 *)&system));
	TRY("fstatvfs", fstatvfs(dir_fd, &portable));
	TRY("fstatvfs.bad_fd", fstatvfs(NO_FD, &portable));
	TRY("fstatvfs64", fstatvfs64(dir_fd, (struct statvfs64 *)&portable));
	TRY("fchdir.bad_fd", fchdir(NO_FD));
}

static void try_seek(int fd)
{
	TRY("lseek", lseek(fd, 5, SEEK_SET));
	TRY("lseek.data", lseek(fd, 0, SEEK_DATA));
	TRY("lseek64.hole", lseek64(fd, 0, SEEK_HOLE));
	TRY("lseek64.none", lseek64(fd, 1000, SEEK_DATA));
	TRY("lseek.bad_fd", lseek(NO_FD, 0, SEEK_DATA));
	TRY("lseek.bad_whence", lseek(fd, 0, 17));
}

static void try_times(const char *path, int fd)
{
	const struct timeval times[2] = {{.tv_sec = 7}, {.tv_sec = 11}}, bad[2] = {{.tv_usec = -1}};
	const struct utimbuf old = {.actime = 3, .modtime = 5};

	TRY("utime", utime(path, &old));
	TRY("utime.missing", utime("/missing", &old));
	TRY("futimes", futimes(fd, times));
	TRY("futimes.bad_time", futimes(fd, bad));
	TRY("lutimes", lutimes(path, times));
	TRY("lutimes.missing", lutimes("/missing", times));
}

static void try_file(void)
{
	char folder[] = "/tmp/snippets-XXXXXX", path[64];
	int dir_fd, fd;

	if (!mkdtemp(folder))
		return;
	dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	try_open_folder(dir_fd);
	snprintf(path, sizeof(path), "%s/file", folder);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	TRY("write.file", write(fd, "some text", 9));
	try_seek(fd);
	try_times(path, fd);
	close(fd);
	unlink(path);
	close(dir_fd);
	rmdir(folder);
}

static void try_requests(void)
{
	const struct aiocb *none[1] = {NULL};
	const struct timespec at_once = {0};

	TRY("aio_suspend", aio_suspend(none, 1, &at_once));
	TRY("aio_suspend.none", aio_suspend(none, -1, &at_once));
	TRY("aio_suspend64", aio_suspend64((const struct aiocb64 *const *)none, 1, &at_once));
}

/* A name that is too long is never asked after. */
static void try_resolver(void)
{
	unsigned char answer[64];
	struct __res_state state = {0};
	char name[600];

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	TRY("res_query", res_query(name, 1, 1, answer, sizeof(answer)));
	TRY("res_search", res_search(name, 1, 1, answer, sizeof(answer)));
	if (res_ninit(&state))
		return;
	TRY("res_nquery", res_nquery(&state, name, 1, 1, answer, sizeof(answer)));
	TRY("res_nsearch", res_nsearch(&state, name, 1, 1, answer, sizeof(answer)));
	res_nclose(&state);
}

void __syslog_chk(int priority, int flag, const char *format, ...);
void __vsyslog_chk(int priority, int flag, const char *format, va_list args);

static void log_lines(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	TRY("vsyslog", (vsyslog(LOG_DEBUG, format, args), 0));
	va_end(args);
	va_start(args, format);
	TRY("__vsyslog_chk", (__vsyslog_chk(LOG_DEBUG, 1, format, args), 0));
	va_end(args);
}

/* Masked, so that nobody's log gets the lines. */
static void try_log(void)
{
	int before = setlogmask(LOG_MASK(LOG_EMERG));

	TRY("syslog", (syslog(LOG_DEBUG, "%d %s", 17, "lines"), 0));
	TRY("__syslog_chk", (__syslog_chk(LOG_DEBUG, 1, "%d %s", 17, "lines"), 0));
	log_lines("%d %s", 17, "lines");
	setlogmask(before);
}

static void try_ends(void)
{
	int pair[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return;
	TRY("tcdrain.socket", tcdrain(pair[0]));
	TRY("tcdrain.bad_fd", tcdrain(NO_FD));
	TRY("shutdown", shutdown(pair[0], SHUT_WR));
	TRY("recv.shutdown", recv(pair[1], &byte, 1, 0));
	TRY("shutdown.bad_how", shutdown(pair[0], 17));
	TRY("shutdown.bad_fd", shutdown(-1, SHUT_WR));
	close(pair[0]);
	close(pair[1]);
}

static void try_group_list(void)
{
	gid_t groups[256];
	int n = 256, none = 0;

	TRY("getgrouplist", getgrouplist("root", 0, groups, &n) == n);
	TRY("getgrouplist.short", getgrouplist("root", 0, groups, &none));
}

/* In a child of its own: who may call it loses its groups by it. */
static void try_initgroups(void)
{
	int status = 0;
	pid_t pid = fork();

	if (!pid) {
		errno = MARKER;
		_exit(initgroups("no such user", getgid()) ? errno : 17);
	}
	waitpid(pid, &status, 0);
	say("initgroups.status", WEXITSTATUS(status));
}

/* To what they are: what they come to on the way is tried by guests/attack_ids.py. */
static void try_ids(void)
{
	gid_t groups[256];
	int n = getgroups(256, groups);
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	TRY("setuid", setuid(geteuid()));
	TRY("setgid", setgid(getegid()));
	TRY("seteuid", seteuid(geteuid()));
	TRY("setegid", setegid(getegid()));
	TRY("setreuid", setreuid((uid_t)-1, (uid_t)-1));
	TRY("setregid", setregid((gid_t)-1, (gid_t)-1));
	TRY("setresuid", setresuid((uid_t)-1, (uid_t)-1, (uid_t)-1));
	TRY("setresgid", setresgid((gid_t)-1, (gid_t)-1, (gid_t)-1));
	TRY("setgroups", setgroups((size_t)n, groups));
	TRY("setgroups.bad", setgroups(3, (const gid_t *)8));
	TRY("capget", (int)syscall(SYS_capget, &header, data));
	TRY("capset", capset(&header, data));
	TRY("capset.bad", capset(&header, (const void *)8));
	TRY("unshare", unshare(0));
	TRY("unshare.bad", unshare(1));
	TRY("setns.bad_fd", setns(NO_FD, 0));
	TRY("setns.user", setns(NO_FD, CLONE_NEWUSER));
}

static void *thread_body(void *argument)
{
	return argument;
}

static void try_join(void)
{
	struct timespec soon;
	pthread_t thread;
	void *result = NULL;

	if (pthread_create(&thread, NULL, thread_body, &result))
		return;
	clock_gettime(CLOCK_REALTIME, &soon);
	soon.tv_sec += 60;
	TRY("pthread_timedjoin_np", pthread_timedjoin_np(thread, &result, &soon));
	say("pthread_timedjoin_np.result", result == &result);
	if (pthread_create(&thread, NULL, thread_body, &soon))
		return;
	clock_gettime(CLOCK_MONOTONIC, &soon);
	soon.tv_sec += 60;
	TRY("pthread_clockjoin_np", pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &soon));
	say("pthread_clockjoin_np.result", result == &soon);
}

void snippets_rest(enum snippet_frame frame)
{
	try_mutex();
	try_rwlock();
	try_barrier();
	try_queue();
	try_nodes();
	try_file();
	try_requests();
	try_log();
	try_ends();
	try_group_list();
	try_ids();
	if (frame == SNIPPET_VFORK)
		return;
	try_initgroups();
	try_join();
	try_resolver();
}
