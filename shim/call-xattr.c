/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls for what a file system keeps beside a file: extended attributes
 *
 * Where they lie apart from the file each is a read or a write of its own.
 */
#include "call.h"

_export_ ssize_t getxattr(const char *path, const char *name, void *value, size_t size_bytes)
{
	return CALL_PATH(getxattr, path, (path, name, value, size_bytes));
}

_export_ int setxattr(const char *path, const char *name, const void *value, size_t size_bytes,
		      int flags)
{
	return CALL_PATH(setxattr, path, (path, name, value, size_bytes, flags));
}

_export_ ssize_t listxattr(const char *path, char *names, size_t size_bytes)
{
	return CALL_PATH(listxattr, path, (path, names, size_bytes));
}

_export_ int removexattr(const char *path, const char *name)
{
	return CALL_PATH(removexattr, path, (path, name));
}

_export_ ssize_t lgetxattr(const char *path, const char *name, void *value, size_t size_bytes)
{
	return CALL_PATH(lgetxattr, path, (path, name, value, size_bytes));
}

_export_ int lsetxattr(const char *path, const char *name, const void *value, size_t size_bytes,
		       int flags)
{
	return CALL_PATH(lsetxattr, path, (path, name, value, size_bytes, flags));
}

_export_ ssize_t llistxattr(const char *path, char *names, size_t size_bytes)
{
	return CALL_PATH(llistxattr, path, (path, names, size_bytes));
}

_export_ int lremovexattr(const char *path, const char *name)
{
	return CALL_PATH(lremovexattr, path, (path, name));
}

_export_ ssize_t fgetxattr(int fd, const char *name, void *value, size_t size_bytes)
{
	return CALL_FD(fgetxattr, CALL_WAITS, fd, (fd, name, value, size_bytes));
}

_export_ int fsetxattr(int fd, const char *name, const void *value, size_t size_bytes, int flags)
{
	return CALL_FD(fsetxattr, CALL_WAITS, fd, (fd, name, value, size_bytes, flags));
}

_export_ ssize_t flistxattr(int fd, char *names, size_t size_bytes)
{
	return CALL_FD(flistxattr, CALL_WAITS, fd, (fd, names, size_bytes));
}

_export_ int fremovexattr(int fd, const char *name)
{
	return CALL_FD(fremovexattr, CALL_WAITS, fd, (fd, name));
}
