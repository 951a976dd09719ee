/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory source: reads through the kernel
 *
 * process_vm_readv() turns a bad address into an error, also on the own process, which is what
 * the watchdog thread needs: it looks at the frames of a thread that goes on running. Where the
 * call is refused (seccomp, or a kernel without it), /proc/PID/mem gives the same bytes; it is
 * opened for each read and closed again, so that no descriptor of ours stays in the process, and
 * it only ever costs this much where the cheap way does not exist.
 *
 * This runs in the watched process, called from its hooks and its watchdog. The system calls are
 * therefore made without libc (base/kernel.h).
 *
 * A thread with a descriptor table of its own has a cheaper way to its own process: it writes the
 * ranges into a file in memory of which it has a mapping. The kernel ends the write at a bad
 * address, and copies a range in some 7 ns where process_vm_readv(), which pins its page, takes 80
 * (measured: 15 ranges of 88 bytes 260 ns against 1430, Linux 6.18). What comes back short is read
 * again by process_vm_readv(), which says to the byte where it ended: up to Linux 5.15 a write may
 * end far before the bad address. The way is not open to others: the program would see the
 * descriptor. Device memory, which process_vm_readv() leaves alone, can be read in this way: so
 * what was remembered for longer than a sample takes is read by process_vm_readv() first
 * (trail_set_aside()).
 *
 * Nothing else is kept between two calls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/kernel.h"
#include "pyframe/mem.h"

/* "/proc/" + 10 digits + "/mem" + NUL is 21. */
#define MEM_MAX_PATH 32
/* Errors of system calls are the last page of addresses. */
#define MEM_PAGE_BYTES 4096
/* The longest read: spans of a trail. What is longer goes the other way. */
#define MEM_WINDOW_BYTES (64u << 10)

static long mem_vm_readv(pid_t pid, struct iovec *local, const struct iovec *remote,
			 size_t n_remote)
{
	return kernel_call(SYS_process_vm_readv, pid, local, 1, remote, n_remote);
}

/* What the kernel answers when the call as such is not to be had, as opposed to this address. */
static bool mem_is_refused(long r)
{
	return r == -EPERM || r == -ENOSYS || r == -EACCES;
}

/*
 * The process itself and others of its user may open the file through /proc and cut it short:
 * between a write and the look at the mapping that would be SIGBUS. So it is sealed.
 *
 * Return: its mapping, or -errno.
 */
static long mem_window_map(long fd)
{
	long r = kernel_call(SYS_ftruncate, fd, MEM_WINDOW_BYTES);

	if (r == 0)
		r = kernel_call(SYS_fcntl, fd, F_ADD_SEALS,
				F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (r == 0)
		r = kernel_call(SYS_mmap, 0, MEM_WINDOW_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	return r;
}

/**
 * mem_window_open() - Give the calling thread a cheap way to its own process
 *
 * pid is its own. Its descriptor table has to be its own, and SIGXFSZ blocked in it: a limit of
 * file sizes that is set later ends the writes.
 *
 * Return: 0, or -errno; then ret_window is one that is never used.
 */
int mem_window_open(pid_t pid, struct mem_window *ret_window)
{
	static const char name[] = "loophound-window";
	long fd = kernel_call(SYS_memfd_create, name, MFD_CLOEXEC | MFD_ALLOW_SEALING), at;

	*ret_window = (struct mem_window){NULL, 0, -1};
	if (fd < 0)
		return (int)fd;
	at = mem_window_map(fd);
	if (at < 0 && at > -MEM_PAGE_BYTES) {
		kernel_call(SYS_close, fd);
		return (int)at;
	}
	kernel_call(SYS_madvise, at, MEM_WINDOW_BYTES, MADV_DONTFORK);
	*ret_window = (struct mem_window){(uint8_t *)at, pid, (int)fd};
	return 0;
}

void mem_window_close(struct mem_window *window)
{
	if (!window->bytes)
		return;
	kernel_call(SYS_munmap, window->bytes, MEM_WINDOW_BYTES);
	kernel_call(SYS_close, window->fd);
	*window = (struct mem_window){NULL, 0, -1};
}

static void mem_proc_path(pid_t pid, char path[static MEM_MAX_PATH])
{
	char digits[16];
	size_t n_digits = 0, len = 6;
	unsigned int rest = pid > 0 ? (unsigned int)pid : 0;

	memcpy(path, "/proc/", len);
	do {
		digits[n_digits++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	while (n_digits)
		path[len++] = digits[--n_digits];
	memcpy(path + len, "/mem", sizeof("/mem"));
}

static int mem_read_proc(pid_t pid, uint64_t raddr, void *buf, size_t size_bytes)
{
	char path[MEM_MAX_PATH];
	long fd, r;

	mem_proc_path(pid, path);
	fd = kernel_call(SYS_openat, AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return (int)fd;
	r = kernel_call(SYS_pread64, fd, buf, size_bytes, raddr);
	kernel_call(SYS_close, fd);
	/* A hole is EIO here, an address above all others EINVAL: it is taken for a negative one.
	 */
	if (r == -EIO || r == -EINVAL)
		return -EFAULT;
	if (r < 0)
		return (int)r;
	return (size_t)r == size_bytes ? 0 : -EFAULT;
}

/* Return: whether all of it could be read; if not, nobody knows how much. */
static bool window_read(const struct mem *mem, const struct iovec *ranges, size_t n_ranges,
			size_t n_bytes, void *buf)
{
	const struct mem_window *window = mem->window;

	if (!window || !window->bytes || window->pid != mem->pid || !n_bytes ||
	    n_bytes > MEM_WINDOW_BYTES)
		return false;
	if (kernel_call(SYS_pwritev, window->fd, ranges, n_ranges, 0, 0) != (long)n_bytes)
		return false;
	memcpy(buf, window->bytes, n_bytes);
	return true;
}

int mem_read_remote(const struct mem *mem, uint64_t raddr, void *buf, size_t size_bytes)
{
	struct iovec local = {buf, size_bytes};
	struct iovec remote = {(void *)(uintptr_t)raddr, size_bytes};
	long r;

	if (size_bytes == 0 || window_read(mem, &remote, 1, size_bytes, buf))
		return 0;
	r = mem_vm_readv(mem->pid, &local, &remote, 1);
	if (unlikely(mem_is_refused(r)))
		return mem_read_proc(mem->pid, raddr, buf, size_bytes);
	if (r < 0)
		return (int)r;
	return (size_t)r == size_bytes ? 0 : -EFAULT;
}

static size_t mem_read_ranges_each(const struct mem *mem, const struct iovec *ranges,
				   size_t n_ranges, void *buf)
{
	uint8_t *at = buf;
	size_t i;

	for (i = 0; i < n_ranges; i++) {
		if (mem_read_remote(mem, (uintptr_t)ranges[i].iov_base, at, ranges[i].iov_len) < 0)
			break;
		at += ranges[i].iov_len;
	}
	return (size_t)(at - (uint8_t *)buf);
}

/**
 * mem_read_ranges_remote() - Read several ranges of another address space, in one call
 *
 * They come one behind the other into buf, which has room for all. Stops at the first byte that
 * cannot be read; how many came before it is ret_n_read.
 *
 * Return: 0, or -errno when nothing can be read of that process at all.
 */
int mem_read_ranges_remote(const struct mem *mem, const struct iovec *ranges, size_t n_ranges,
			   void *buf, size_t *ret_n_read)
{
	struct iovec local = {buf, 0};
	long r;

	if (n_ranges > MEM_MAX_RANGES)
		return -EINVAL;
	for (size_t i = 0; i < n_ranges; i++)
		local.iov_len += ranges[i].iov_len;
	*ret_n_read = local.iov_len;
	if (window_read(mem, ranges, n_ranges, local.iov_len, buf))
		return 0;
	r = mem_vm_readv(mem->pid, &local, ranges, n_ranges);
	if (unlikely(mem_is_refused(r))) {
		*ret_n_read = mem_read_ranges_each(mem, ranges, n_ranges, buf);
		return 0;
	}
	if (r < 0 && r != -EFAULT)
		return (int)r;
	*ret_n_read = r < 0 ? 0 : (size_t)r;
	return 0;
}

/**
 * mem_read_words_remote() - Read words scattered over another address space, in one call
 *
 * A third of the cost of a call for each. Stops at the first word that cannot be read; how many
 * came before it is ret_n_read.
 *
 * Return: 0, or -errno when nothing can be read of that process at all.
 */
int mem_read_words_remote(const struct mem *mem, const uint64_t *raddrs, uint64_t *words,
			  size_t n_words, size_t *ret_n_read)
{
	struct iovec ranges[MEM_MAX_WORDS];
	size_t n_bytes;
	int r;

	if (n_words > MEM_MAX_WORDS)
		return -EINVAL;
	for (size_t i = 0; i < n_words; i++)
		ranges[i] = (struct iovec){(void *)(uintptr_t)raddrs[i], sizeof(*words)};
	r = mem_read_ranges_remote(mem, ranges, n_words, words, &n_bytes);
	if (r < 0)
		return r;
	*ret_n_read = n_bytes / sizeof(*words);
	return 0;
}
