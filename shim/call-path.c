/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls on a path: opening it, asking after it, changing the directory it stands in
 *
 * Each may wait for a disk or a file server. Those that read and those that write are alike here.
 */
#include "call.h"

/*
 * open() takes its mode as a variable argument. On the machines we run on it is passed as a third
 * argument of a fixed list would be, so that is how it is taken and handed on (System V ABI for
 * x86-64; AAPCS64 on Linux).
 */
int on_open(const char *path, int flags, mode_t mode) __asm__("open");
int on_open64(const char *path, int flags, mode_t mode) __asm__("open64");
int on_openat(int dir_fd, const char *path, int flags, mode_t mode) __asm__("openat");
int on_openat64(int dir_fd, const char *path, int flags, mode_t mode) __asm__("openat64");

_export_ int on_open(const char *path, int flags, mode_t mode)
{
	return CALL_OPEN(open, -1, path, (path, flags, mode));
}

_export_ int on_open64(const char *path, int flags, mode_t mode)
{
	return CALL_OPEN(open64, -1, path, (path, flags, mode));
}

_export_ int on_openat(int dir_fd, const char *path, int flags, mode_t mode)
{
	return CALL_OPEN(openat, dir_fd, path, (dir_fd, path, flags, mode));
}

_export_ int on_openat64(int dir_fd, const char *path, int flags, mode_t mode)
{
	return CALL_OPEN(openat64, dir_fd, path, (dir_fd, path, flags, mode));
}

_export_ int __open_2(const char *path, int flags)
{
	return CALL_OPEN(__open_2, -1, path, (path, flags));
}

_export_ int __open64_2(const char *path, int flags)
{
	return CALL_OPEN(__open64_2, -1, path, (path, flags));
}

_export_ int __openat_2(int dir_fd, const char *path, int flags)
{
	return CALL_OPEN(__openat_2, dir_fd, path, (dir_fd, path, flags));
}

_export_ int __openat64_2(int dir_fd, const char *path, int flags)
{
	return CALL_OPEN(__openat64_2, dir_fd, path, (dir_fd, path, flags));
}

_export_ int creat(const char *path, mode_t mode)
{
	return CALL_OPEN(creat, -1, path, (path, mode));
}

_export_ int creat64(const char *path, mode_t mode)
{
	return CALL_OPEN(creat64, -1, path, (path, mode));
}

_export_ FILE *fopen(const char *restrict path, const char *restrict mode)
{
	return CALL_PATH(fopen, path, (path, mode));
}

_export_ FILE *fopen64(const char *restrict path, const char *restrict mode)
{
	return CALL_PATH(fopen64, path, (path, mode));
}

_export_ DIR *opendir(const char *path)
{
	return CALL_PATH(opendir, path, (path));
}

_export_ int stat(const char *restrict path, struct stat *restrict found)
{
	return CALL_PATH(stat, path, (path, found));
}

_export_ int stat64(const char *restrict path, struct stat64 *restrict found)
{
	return CALL_PATH(stat64, path, (path, found));
}

_export_ int lstat(const char *restrict path, struct stat *restrict found)
{
	return CALL_PATH(lstat, path, (path, found));
}

_export_ int lstat64(const char *restrict path, struct stat64 *restrict found)
{
	return CALL_PATH(lstat64, path, (path, found));
}

_export_ int fstatat(int dir_fd, const char *restrict path, struct stat *restrict found, int flags)
{
	return CALL_PATH_AT(fstatat, dir_fd, path, (dir_fd, path, found, flags));
}

_export_ int fstatat64(int dir_fd, const char *restrict path, struct stat64 *restrict found,
		       int flags)
{
	return CALL_PATH_AT(fstatat64, dir_fd, path, (dir_fd, path, found, flags));
}

_export_ int __xstat(int version, const char *path, struct stat *found)
{
	return CALL_PATH(__xstat, path, (version, path, found));
}

_export_ int __xstat64(int version, const char *path, struct stat64 *found)
{
	return CALL_PATH(__xstat64, path, (version, path, found));
}

_export_ int __lxstat(int version, const char *path, struct stat *found)
{
	return CALL_PATH(__lxstat, path, (version, path, found));
}

_export_ int __lxstat64(int version, const char *path, struct stat64 *found)
{
	return CALL_PATH(__lxstat64, path, (version, path, found));
}

_export_ int __fxstatat(int version, int dir_fd, const char *path, struct stat *found, int flags)
{
	return CALL_PATH_AT(__fxstatat, dir_fd, path, (version, dir_fd, path, found, flags));
}

_export_ int __fxstatat64(int version, int dir_fd, const char *path, struct stat64 *found,
			  int flags)
{
	return CALL_PATH_AT(__fxstatat64, dir_fd, path, (version, dir_fd, path, found, flags));
}

_export_ int statx(int dir_fd, const char *restrict path, int flags, unsigned int mask,
		   struct statx *restrict found)
{
	return CALL_PATH_AT(statx, dir_fd, path, (dir_fd, path, flags, mask, found));
}

_export_ int statfs(const char *path, struct statfs *found)
{
	return CALL_PATH(statfs, path, (path, found));
}

_export_ int statfs64(const char *path, struct statfs64 *found)
{
	return CALL_PATH(statfs64, path, (path, found));
}

_export_ int statvfs(const char *restrict path, struct statvfs *restrict found)
{
	return CALL_PATH(statvfs, path, (path, found));
}

_export_ int statvfs64(const char *restrict path, struct statvfs64 *restrict found)
{
	return CALL_PATH(statvfs64, path, (path, found));
}

_export_ int access(const char *path, int mode)
{
	return CALL_PATH(access, path, (path, mode));
}

_export_ int faccessat(int dir_fd, const char *path, int mode, int flags)
{
	return CALL_PATH_AT(faccessat, dir_fd, path, (dir_fd, path, mode, flags));
}

_export_ ssize_t readlink(const char *restrict path, char *restrict buf, size_t size_bytes)
{
	return CALL_PATH(readlink, path, (path, buf, size_bytes));
}

_export_ ssize_t readlinkat(int dir_fd, const char *restrict path, char *restrict buf,
			    size_t size_bytes)
{
	return CALL_PATH_AT(readlinkat, dir_fd, path, (dir_fd, path, buf, size_bytes));
}

_export_ char *realpath(const char *restrict path, char *restrict buf)
{
	return CALL_PATH(realpath, path, (path, buf));
}

_export_ char *getcwd(char *buf, size_t size_bytes)
{
	return CALL(getcwd, CALL_WAITS, (buf, size_bytes));
}

_export_ int chdir(const char *path)
{
	return CALL_PATH(chdir, path, (path));
}

_export_ int mkdir(const char *path, mode_t mode)
{
	return CALL_PATH(mkdir, path, (path, mode));
}

_export_ int mkdirat(int dir_fd, const char *path, mode_t mode)
{
	return CALL_PATH_AT(mkdirat, dir_fd, path, (dir_fd, path, mode));
}

_export_ int rmdir(const char *path)
{
	return CALL_PATH(rmdir, path, (path));
}

_export_ int unlink(const char *path)
{
	return CALL_PATH(unlink, path, (path));
}

_export_ int unlinkat(int dir_fd, const char *path, int flags)
{
	return CALL_PATH_AT(unlinkat, dir_fd, path, (dir_fd, path, flags));
}

_export_ int remove(const char *path)
{
	return CALL_PATH(remove, path, (path));
}

_export_ int rename(const char *path, const char *to_path)
{
	return CALL_PATH(rename, path, (path, to_path));
}

_export_ int renameat(int dir_fd, const char *path, int to_dir_fd, const char *to_path)
{
	return CALL_PATH_AT(renameat, dir_fd, path, (dir_fd, path, to_dir_fd, to_path));
}

_export_ int renameat2(int dir_fd, const char *path, int to_dir_fd, const char *to_path,
		       unsigned int flags)
{
	return CALL_PATH_AT(renameat2, dir_fd, path, (dir_fd, path, to_dir_fd, to_path, flags));
}

_export_ int link(const char *path, const char *to_path)
{
	return CALL_PATH(link, path, (path, to_path));
}

_export_ int linkat(int dir_fd, const char *path, int to_dir_fd, const char *to_path, int flags)
{
	return CALL_PATH_AT(linkat, dir_fd, path, (dir_fd, path, to_dir_fd, to_path, flags));
}

_export_ int symlink(const char *text, const char *path)
{
	return CALL_PATH(symlink, path, (text, path));
}

_export_ int symlinkat(const char *text, int dir_fd, const char *path)
{
	return CALL_PATH_AT(symlinkat, dir_fd, path, (text, dir_fd, path));
}

_export_ int chmod(const char *path, mode_t mode)
{
	return CALL_PATH(chmod, path, (path, mode));
}

_export_ int fchmodat(int dir_fd, const char *path, mode_t mode, int flags)
{
	return CALL_PATH_AT(fchmodat, dir_fd, path, (dir_fd, path, mode, flags));
}

_export_ int chown(const char *path, uid_t user, gid_t group)
{
	return CALL_PATH(chown, path, (path, user, group));
}

_export_ int lchown(const char *path, uid_t user, gid_t group)
{
	return CALL_PATH(lchown, path, (path, user, group));
}

_export_ int fchownat(int dir_fd, const char *path, uid_t user, gid_t group, int flags)
{
	return CALL_PATH_AT(fchownat, dir_fd, path, (dir_fd, path, user, group, flags));
}

_export_ int utimes(const char *path, const struct timeval times[2])
{
	return CALL_PATH(utimes, path, (path, times));
}

_export_ int utimensat(int dir_fd, const char *path, const struct timespec times[2], int flags)
{
	return CALL_PATH_AT(utimensat, dir_fd, path, (dir_fd, path, times, flags));
}

_export_ int utime(const char *path, const struct utimbuf *times)
{
	return CALL_PATH(utime, path, (path, times));
}

_export_ int lutimes(const char *path, const struct timeval times[2])
{
	return CALL_PATH(lutimes, path, (path, times));
}

_export_ int truncate(const char *path, off_t size_bytes)
{
	return CALL_PATH(truncate, path, (path, size_bytes));
}

_export_ int truncate64(const char *path, off64_t size_bytes)
{
	return CALL_PATH(truncate64, path, (path, size_bytes));
}

_export_ int mkfifo(const char *path, mode_t mode)
{
	return CALL_PATH(mkfifo, path, (path, mode));
}

_export_ int mkfifoat(int dir_fd, const char *path, mode_t mode)
{
	return CALL_PATH_AT(mkfifoat, dir_fd, path, (dir_fd, path, mode));
}

_export_ int mknod(const char *path, mode_t mode, dev_t device)
{
	return CALL_PATH(mknod, path, (path, mode, device));
}

_export_ int mknodat(int dir_fd, const char *path, mode_t mode, dev_t device)
{
	return CALL_PATH_AT(mknodat, dir_fd, path, (dir_fd, path, mode, device));
}
