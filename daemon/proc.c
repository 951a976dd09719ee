/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Proc: what /proc says of a process
 *
 * All of it is best effort: a process may be another user's, in another namespace, or gone. What
 * cannot be read is answered with "no".
 */
#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/defs.h"
#include "proc.h"
#include "wire/region.h"

/* The shim moves its descriptors up to about 900; one with many more is not worth the search. */
#define PROC_MAX_FDS  4096
#define PROC_MAX_PIDS 65536
/* A loop runs in one of the first. */
#define PROC_MAX_THREADS 4096
/* Linux 6.18 gives some 22. */
#define PROC_MAX_AUXV 64
#define PROC_MEMFD    "/memfd:loophound"

/* A descriptor that polls readable when the process ends; -1 where there is none (Linux < 5.3). */
int proc_pidfd(int32_t pid)
{
#ifdef SYS_pidfd_open
	return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
#else
	(void)pid;
	return -1;
#endif
}

bool proc_has_ended(int pidfd)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};

	return pidfd < 0 || poll(&pfd, 1, 0) != 0;
}

/* Whether the memory of a process may be read, asked at an address where nothing is. */
bool proc_may_read(int32_t pid)
{
	char byte;
	struct iovec ours = {&byte, 1}, theirs = {NULL, 1};

	return process_vm_readv(pid, &ours, 1, &theirs, 1, 0) >= 0 || errno != EPERM;
}

static bool read_at(int32_t pid, uint64_t raddr, void *buf, size_t size_bytes)
{
	struct iovec ours = {buf, size_bytes}, theirs = {(void *)(uintptr_t)raddr, size_bytes};

	return process_vm_readv(pid, &ours, 1, &theirs, 1, 0) == (ssize_t)size_bytes;
}

/*
 * Which program a process runs: by the bytes that the kernel gave it at its exec (getauxval(3),
 * AT_RANDOM). A fork child has those of its parent.
 *
 * Return: false when that cannot be read, as in the midst of an exec.
 */
bool proc_image(int32_t pid, struct proc_image *ret_image)
{
	uint64_t vector[2 * PROC_MAX_AUXV], raddr = 0;
	struct proc_image image;
	_cleanup_close_ int fd = -1;
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/auxv", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	n = fd < 0 ? -1 : read(fd, vector, sizeof(vector));
	for (ssize_t i = 0; i + 1 < n / (ssize_t)sizeof(vector[0]); i += 2)
		if (vector[i] == AT_RANDOM)
			raddr = vector[i + 1];
	if (!raddr || !read_at(pid, raddr, &image, sizeof(image)))
		return false;
	*ret_image = image;
	return true;
}

/* linux/pidfd.h of Linux 6.15, which no header of Debian 12 has. */
struct pidfd_exit_info {
	uint64_t mask;
	uint64_t cgroup;
	uint32_t ids[11]; /* pid, tgid, ppid, and four pairs of uid and gid */
	int32_t exit_code;
};
#define PIDFD_GET_EXIT_INFO _IOWR(0xff, 11, struct pidfd_exit_info)
#define PIDFD_EXIT_INFO	    (UINT64_C(1) << 3)

static_assert(sizeof(struct pidfd_exit_info) == 64, "PIDFD_INFO_SIZE_VER0");

/*
 * How a process ended, as waitpid() would say it. Known from Linux 6.15 on, once the parent of the
 * process has waited for it.
 */
bool proc_exit_status(int pidfd, int *ret_status)
{
	struct pidfd_exit_info info = {.mask = PIDFD_EXIT_INFO};

	if (ioctl(pidfd, PIDFD_GET_EXIT_INFO, &info) || !(info.mask & PIDFD_EXIT_INFO))
		return false;
	*ret_status = info.exit_code;
	return true;
}

/*
 * Whether a process whose connection has just ended is on its way out: it has no memory any more,
 * and /proc/PID/exe is gone with it. After an exec it has both.
 */
bool proc_is_dying(int32_t pid)
{
	char path[64], target[16];

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	return readlink(path, target, sizeof(target)) < 0;
}

/* Whether a line of maps is a mapping of the region's memfd: "... INODE   /memfd:loophound" */
static bool is_region_line(const char *line, uint64_t inode)
{
	unsigned long long line_inode;
	const char *name = strstr(line, PROC_MEMFD);

	return name && sscanf(line, "%*s %*s %*s %*s %llu", &line_inode) == 1 &&
	       line_inode == inode;
}

/*
 * Whether the process still has its region mapped. It has not after an exec, and has when it only
 * closed the socket together with every other descriptor.
 */
bool proc_maps_region(int32_t pid, uint64_t inode)
{
	char path[64], *line = NULL;
	bool is_mapped = false;
	size_t room = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (!is_mapped && getline(&line, &room, maps) > 0)
		is_mapped = is_region_line(line, inode);
	free(line);
	fclose(maps);
	return is_mapped;
}

static void closedir_p(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

/* Whether a thread is the one that knows itself by that number: "NSpid: OURS ... THEIRS". */
static bool is_thread(int32_t pid, const char *tid, int32_t their_tid)
{
	char path[64], line[256];
	bool is_it = false;
	FILE *status;

	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/status", pid, tid);
	status = fopen(path, "re");
	while (status && fgets(line, sizeof(line), status)) {
		const char *last = strrchr(line, '\t');

		if (strncmp(line, "NSpid:", 6) || !last)
			continue;
		is_it = atoi(last + 1) == their_tid;
		break;
	}
	if (status)
		fclose(status);
	return is_it;
}

/*
 * A thread of a process by the number it has in its own pid namespace.
 *
 * Return: its number in ours; 0 when there is none.
 */
int32_t proc_find_thread(int32_t pid, int32_t their_tid)
{
	_cleanup_(closedir_p) DIR *dir = NULL;
	struct dirent *entry;
	char path[64];

	if (their_tid <= 0)
		return 0;
	snprintf(path, sizeof(path), "%d", their_tid);
	if (is_thread(pid, path, their_tid))
		return their_tid;
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	for (unsigned int i = 0; dir && i < PROC_MAX_THREADS && (entry = readdir(dir)); i++)
		if (isdigit((unsigned char)entry->d_name[0]) &&
		    is_thread(pid, entry->d_name, their_tid))
			return atoi(entry->d_name);
	return 0;
}

/* Whether a process sees the files that we see: the same mounts from the same root. */
bool proc_has_our_root(int32_t pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/mnt", pid);
	if (stat("/proc/self/ns/mnt", &ours) || stat(path, &theirs) || ours.st_ino != theirs.st_ino)
		return false;
	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	return !stat("/", &ours) && !stat(path, &theirs) && ours.st_ino == theirs.st_ino &&
	       ours.st_dev == theirs.st_dev;
}

/* The root of a process, for openat2(); it stays there when the process ends. -1: not to be had. */
int proc_root_fd(int32_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The working directory of a process. Return: its length; 0 when it cannot be told. */
size_t proc_cwd(int32_t pid, char *buf, size_t buf_bytes)
{
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/cwd", pid);
	n = readlink(path, buf, buf_bytes - 1);
	buf[MAX(n, (ssize_t)0)] = '\0';
	return n > 0 && *buf == '/' ? (size_t)n : 0;
}

/*
 * Wake the watchdog that sleeps on this region, if one does. The region's memory is not ours to
 * trust, so nothing is read from it but the one word.
 */
static bool wake_region(int fd)
{
	struct region_header *header;
	struct stat st;
	bool is_parked;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) || st.st_size != REGION_BYTES)
		return false;
	header = mmap(NULL, REGION_SLOTS_OFFSET, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED)
		return false;
	is_parked = !region_check(header) && atomic_exchange(&header->park, 0) == 1;
	if (is_parked)
		syscall(SYS_futex, &header->park, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
	munmap(header, REGION_SLOTS_OFFSET);
	return is_parked;
}

static bool wake_fd(int dir_fd, const char *name)
{
	_cleanup_close_ int fd = -1;
	char target[64];
	ssize_t n = readlinkat(dir_fd, name, target, sizeof(target) - 1);

	if (n < (ssize_t)strlen(PROC_MEMFD))
		return false;
	target[n] = '\0';
	if (strncmp(target, PROC_MEMFD, strlen(PROC_MEMFD)))
		return false;
	fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 && wake_region(fd);
}

static unsigned int wake_process(const char *pid)
{
	_cleanup_(closedir_p) DIR *dir = NULL;
	unsigned int n_woken = 0;
	struct dirent *entry;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return 0;
	for (unsigned int i = 0; i < PROC_MAX_FDS && (entry = readdir(dir)); i++)
		if (isdigit((unsigned char)entry->d_name[0]))
			n_woken += wake_fd(dirfd(dir), entry->d_name);
	return n_woken;
}

/*
 * Wake every shim that found no daemon and whose watchdog sleeps, so that it looks again now. One
 * that is awake looks by itself.
 *
 * Return: how many were woken.
 */
unsigned int proc_wake_parked(void)
{
	_cleanup_(closedir_p) DIR *dir = opendir("/proc");
	unsigned int n_woken = 0;
	struct dirent *entry;

	if (!dir)
		return 0;
	for (unsigned int i = 0; i < PROC_MAX_PIDS && (entry = readdir(dir)); i++)
		if (isdigit((unsigned char)entry->d_name[0]))
			n_woken += wake_process(entry->d_name);
	return n_woken;
}
