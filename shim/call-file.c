/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on an open file: read and write in all their forms, sync, locks, sizes
 *
 * They wait unless the descriptor is O_NONBLOCK. What does not move the file's contents (a size, an
 * owner) is seen when it took long; in strict mode asking after a file is a call of its own, unless
 * the loop has opened it itself: every open() of Python's asks, and many a read().
 */
#include "call.h"
#include "hide-fd.h"

#define READ(symbol, fd, args)	CALL_FD(symbol, CALL_BY_FD, fd, args)
#define WRITE(symbol, fd, args) CALL_FD(symbol, CALL_WRITE, fd, args)
#define STAT(symbol, fd, found_, args) \
	CALL_ABOUT(symbol, CALL_ASKS, fd, args, .subject = SUBJECT_FD, .what = (found_))

_export_ ssize_t read(int fd, void *buf, size_t size_bytes)
{
	return READ(read, fd, (fd, buf, size_bytes));
}

_export_ ssize_t __read_chk(int fd, void *buf, size_t size_bytes, size_t room_bytes)
{
	return READ(__read_chk, fd, (fd, buf, size_bytes, room_bytes));
}

_export_ ssize_t readv(int fd, const struct iovec *parts, int n_parts)
{
	return READ(readv, fd, (fd, parts, n_parts));
}

_export_ ssize_t pread(int fd, void *buf, size_t size_bytes, off_t at)
{
	return READ(pread, fd, (fd, buf, size_bytes, at));
}

_export_ ssize_t pread64(int fd, void *buf, size_t size_bytes, off64_t at)
{
	return READ(pread64, fd, (fd, buf, size_bytes, at));
}

_export_ ssize_t __pread_chk(int fd, void *buf, size_t size_bytes, off_t at, size_t room_bytes)
{
	return READ(__pread_chk, fd, (fd, buf, size_bytes, at, room_bytes));
}

_export_ ssize_t __pread64_chk(int fd, void *buf, size_t size_bytes, off64_t at, size_t room_bytes)
{
	return READ(__pread64_chk, fd, (fd, buf, size_bytes, at, room_bytes));
}

_export_ ssize_t preadv(int fd, const struct iovec *parts, int n_parts, off_t at)
{
	return READ(preadv, fd, (fd, parts, n_parts, at));
}

_export_ ssize_t preadv64(int fd, const struct iovec *parts, int n_parts, off64_t at)
{
	return READ(preadv64, fd, (fd, parts, n_parts, at));
}

/* RWF_NOWAIT: like O_NONBLOCK, for the one call. */
_export_ ssize_t preadv2(int fd, const struct iovec *parts, int n_parts, off_t at, int flags)
{
	if (flags & RWF_NOWAIT)
		return REAL(preadv2)(fd, parts, n_parts, at, flags);
	return READ(preadv2, fd, (fd, parts, n_parts, at, flags));
}

_export_ ssize_t preadv64v2(int fd, const struct iovec *parts, int n_parts, off64_t at, int flags)
{
	if (flags & RWF_NOWAIT)
		return REAL(preadv64v2)(fd, parts, n_parts, at, flags);
	return READ(preadv64v2, fd, (fd, parts, n_parts, at, flags));
}

_export_ ssize_t write(int fd, const void *buf, size_t size_bytes)
{
	return WRITE(write, fd, (fd, buf, size_bytes));
}

_export_ ssize_t writev(int fd, const struct iovec *parts, int n_parts)
{
	return WRITE(writev, fd, (fd, parts, n_parts));
}

_export_ ssize_t pwrite(int fd, const void *buf, size_t size_bytes, off_t at)
{
	return WRITE(pwrite, fd, (fd, buf, size_bytes, at));
}

_export_ ssize_t pwrite64(int fd, const void *buf, size_t size_bytes, off64_t at)
{
	return WRITE(pwrite64, fd, (fd, buf, size_bytes, at));
}

_export_ ssize_t pwritev(int fd, const struct iovec *parts, int n_parts, off_t at)
{
	return WRITE(pwritev, fd, (fd, parts, n_parts, at));
}

_export_ ssize_t pwritev64(int fd, const struct iovec *parts, int n_parts, off64_t at)
{
	return WRITE(pwritev64, fd, (fd, parts, n_parts, at));
}

_export_ ssize_t pwritev2(int fd, const struct iovec *parts, int n_parts, off_t at, int flags)
{
	if (flags & RWF_NOWAIT)
		return REAL(pwritev2)(fd, parts, n_parts, at, flags);
	return WRITE(pwritev2, fd, (fd, parts, n_parts, at, flags));
}

_export_ ssize_t pwritev64v2(int fd, const struct iovec *parts, int n_parts, off64_t at, int flags)
{
	if (flags & RWF_NOWAIT)
		return REAL(pwritev64v2)(fd, parts, n_parts, at, flags);
	return WRITE(pwritev64v2, fd, (fd, parts, n_parts, at, flags));
}

/* Between two descriptors: it waits for whichever does, and reads from a file all the same. */
_export_ ssize_t sendfile(int to_fd, int from_fd, off_t *at, size_t size_bytes)
{
	return WRITE(sendfile, to_fd, (to_fd, from_fd, at, size_bytes));
}

_export_ ssize_t sendfile64(int to_fd, int from_fd, off64_t *at, size_t size_bytes)
{
	return WRITE(sendfile64, to_fd, (to_fd, from_fd, at, size_bytes));
}

_export_ ssize_t copy_file_range(int from_fd, off64_t *from_at, int to_fd, off64_t *to_at,
				 size_t size_bytes, unsigned int flags)
{
	return READ(copy_file_range, from_fd, (from_fd, from_at, to_fd, to_at, size_bytes, flags));
}

_export_ ssize_t splice(int from_fd, off64_t *from_at, int to_fd, off64_t *to_at, size_t size_bytes,
			unsigned int flags)
{
	if (flags & SPLICE_F_NONBLOCK)
		return REAL(splice)(from_fd, from_at, to_fd, to_at, size_bytes, flags);
	return READ(splice, from_fd, (from_fd, from_at, to_fd, to_at, size_bytes, flags));
}

_export_ ssize_t tee(int from_fd, int to_fd, size_t size_bytes, unsigned int flags)
{
	if (flags & SPLICE_F_NONBLOCK)
		return REAL(tee)(from_fd, to_fd, size_bytes, flags);
	return READ(tee, from_fd, (from_fd, to_fd, size_bytes, flags));
}

_export_ ssize_t vmsplice(int fd, const struct iovec *parts, size_t n_parts, unsigned int flags)
{
	if (flags & SPLICE_F_NONBLOCK)
		return REAL(vmsplice)(fd, parts, n_parts, flags);
	return WRITE(vmsplice, fd, (fd, parts, n_parts, flags));
}

_export_ int fsync(int fd)
{
	return CALL_FD(fsync, CALL_WAITS, fd, (fd));
}

_export_ int fdatasync(int fd)
{
	return CALL_FD(fdatasync, CALL_WAITS, fd, (fd));
}

_export_ int syncfs(int fd)
{
	return CALL_FD(syncfs, CALL_WAITS, fd, (fd));
}

_export_ int sync_file_range(int fd, off64_t at, off64_t size_bytes, unsigned int flags)
{
	return CALL_FD(sync_file_range, CALL_WAITS, fd, (fd, at, size_bytes, flags));
}

/* The only one without a result. */
_export_ void sync(void)
{
	struct loop *loop = call_enter(HOOK_sync, CALL_WAITS, -1);

	REAL(sync)();
	if (unlikely(loop) && call_is_ours(loop)) {
		struct call_about about = {.hook = HOOK_sync, .nature = CALL_WAITS, .fd = -1};

		call_leave(loop, &about, 0);
	}
}

_export_ int msync(void *start, size_t size_bytes, int flags)
{
	return CALL(msync, flags & MS_ASYNC ? CALL_QUICK : CALL_WAITS, (start, size_bytes, flags));
}

_export_ int ftruncate(int fd, off_t size_bytes)
{
	return CALL_FD(ftruncate, CALL_WAITS, fd, (fd, size_bytes));
}

_export_ int ftruncate64(int fd, off64_t size_bytes)
{
	return CALL_FD(ftruncate64, CALL_WAITS, fd, (fd, size_bytes));
}

_export_ int fallocate(int fd, int mode, off_t at, off_t size_bytes)
{
	return CALL_FD(fallocate, CALL_WAITS, fd, (fd, mode, at, size_bytes));
}

_export_ int fallocate64(int fd, int mode, off64_t at, off64_t size_bytes)
{
	return CALL_FD(fallocate64, CALL_WAITS, fd, (fd, mode, at, size_bytes));
}

_export_ int posix_fallocate(int fd, off_t at, off_t size_bytes)
{
	return CALL_FD(posix_fallocate, CALL_WAITS, fd, (fd, at, size_bytes));
}

_export_ int posix_fallocate64(int fd, off64_t at, off64_t size_bytes)
{
	return CALL_FD(posix_fallocate64, CALL_WAITS, fd, (fd, at, size_bytes));
}

_export_ int flock(int fd, int operation)
{
	return CALL_FD(flock, operation & (LOCK_NB | LOCK_UN) ? CALL_QUICK : CALL_WAITS, fd,
		       (fd, operation));
}

_export_ int lockf(int fd, int command, off_t size_bytes)
{
	return CALL_FD(lockf, command == F_LOCK ? CALL_WAITS : CALL_QUICK, fd,
		       (fd, command, size_bytes));
}

_export_ int lockf64(int fd, int command, off64_t size_bytes)
{
	return CALL_FD(lockf64, command == F_LOCK ? CALL_WAITS : CALL_QUICK, fd,
		       (fd, command, size_bytes));
}

_export_ int fstat(int fd, struct stat *found)
{
	if (unlikely(hide_fd(fd)))
		return -1;
	return STAT(fstat, fd, found, (fd, found));
}

_export_ int fstat64(int fd, struct stat64 *found)
{
	if (unlikely(hide_fd(fd)))
		return -1;
	return STAT(fstat64, fd, found, (fd, found));
}

_export_ int __fxstat(int version, int fd, struct stat *found)
{
	if (unlikely(hide_fd(fd)))
		return -1;
	return STAT(__fxstat, fd, found, (version, fd, found));
}

_export_ int __fxstat64(int version, int fd, struct stat64 *found)
{
	if (unlikely(hide_fd(fd)))
		return -1;
	return STAT(__fxstat64, fd, found, (version, fd, found));
}

_export_ int fchmod(int fd, mode_t mode)
{
	return CALL_FD(fchmod, CALL_WAITS, fd, (fd, mode));
}

_export_ int fchown(int fd, uid_t user, gid_t group)
{
	return CALL_FD(fchown, CALL_WAITS, fd, (fd, user, group));
}

_export_ int futimens(int fd, const struct timespec times[2])
{
	return CALL_FD(futimens, CALL_WAITS, fd, (fd, times));
}

/* opendir() is what strict counts; each of many entries may wait for the disk all the same. */
_export_ struct dirent *readdir(DIR *dir)
{
	return CALL(readdir, CALL_QUICK, (dir));
}

_export_ struct dirent64 *readdir64(DIR *dir)
{
	return CALL(readdir64, CALL_QUICK, (dir));
}

/* Until all that was written has left a serial line. */
_export_ int tcdrain(int fd)
{
	return CALL_FD(tcdrain, CALL_WAITS, fd, (fd));
}

/* To seek is to set a number, unless the file has to be looked through for where its data begin. */
static bool seek_waits(int whence)
{
	return unlikely(whence == SEEK_DATA || whence == SEEK_HOLE);
}

_export_ off_t lseek(int fd, off_t offset, int whence)
{
	if (!seek_waits(whence))
		return REAL(lseek)(fd, offset, whence);
	return CALL_FD(lseek, CALL_WAITS, fd, (fd, offset, whence));
}

_export_ off64_t lseek64(int fd, off64_t offset, int whence)
{
	if (!seek_waits(whence))
		return REAL(lseek64)(fd, offset, whence);
	return CALL_FD(lseek64, CALL_WAITS, fd, (fd, offset, whence));
}

_export_ int fstatfs(int fd, struct statfs *found)
{
	return CALL_FD(fstatfs, CALL_WAITS, fd, (fd, found));
}

_export_ int fstatfs64(int fd, struct statfs64 *found)
{
	return CALL_FD(fstatfs64, CALL_WAITS, fd, (fd, found));
}

_export_ int fstatvfs(int fd, struct statvfs *found)
{
	return CALL_FD(fstatvfs, CALL_WAITS, fd, (fd, found));
}

_export_ int fstatvfs64(int fd, struct statvfs64 *found)
{
	return CALL_FD(fstatvfs64, CALL_WAITS, fd, (fd, found));
}

_export_ int futimes(int fd, const struct timeval times[2])
{
	return CALL_FD(futimes, CALL_WAITS, fd, (fd, times));
}

_export_ int fchdir(int fd)
{
	return CALL_FD(fchdir, CALL_WAITS, fd, (fd));
}

_export_ ssize_t getdents64(int fd, void *entries, size_t size_bytes)
{
	return CALL_FD(getdents64, CALL_WAITS, fd, (fd, entries, size_bytes));
}

static bool is_at_once(const struct timespec *timeout)
{
	return timeout && !timeout->tv_sec && !timeout->tv_nsec;
}

_export_ int aio_suspend(const struct aiocb *const requests[], int n_requests,
			 const struct timespec *restrict timeout)
{
	return CALL(aio_suspend, is_at_once(timeout) ? CALL_QUICK : CALL_WAITS,
		    (requests, n_requests, timeout));
}

_export_ int aio_suspend64(const struct aiocb64 *const requests[], int n_requests,
			   const struct timespec *restrict timeout)
{
	return CALL(aio_suspend64, is_at_once(timeout) ? CALL_QUICK : CALL_WAITS,
		    (requests, n_requests, timeout));
}
