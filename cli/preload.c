/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Preload: where the shim is
 *
 * LOOPHOUND_SHIM, the build tree this command stands in, or where it was installed, in this order.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/defs.h"
#include "preload.h"

static bool is_readable(const char *path)
{
	return !access(path, R_OK);
}

/* Relative to the directory of this executable. */
static bool find_beside(const char *relative, char *buf, size_t buf_bytes)
{
	char self[PATH_MAX], path[PATH_MAX + 64], resolved[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n <= 0)
		return false;
	self[n] = '\0';
	slash = strrchr(self, '/');
	if (!slash)
		return false;
	*slash = '\0';
	snprintf(path, sizeof(path), "%s/%s", self, relative);
	if (!is_readable(path) || !realpath(path, resolved) || strlen(resolved) >= buf_bytes)
		return false;
	strcpy(buf, resolved);
	return true;
}

/* The shim's absolute path. Return: 0, -ENOENT, or -EINVAL for a path that cannot be preloaded. */
int preload_find(char *buf, size_t buf_bytes)
{
	const char *given = getenv("LOOPHOUND_SHIM");
	char resolved[PATH_MAX];

	if (given && *given) {
		if (!is_readable(given) || !realpath(given, resolved) ||
		    strlen(resolved) >= buf_bytes)
			return -ENOENT;
		strcpy(buf, resolved);
	} else if (!find_beside("../shim/libloophound.so", buf, buf_bytes)) {
		if (!is_readable(LOOPHOUND_LIBDIR "/libloophound.so"))
			return -ENOENT;
		snprintf(buf, buf_bytes, "%s", LOOPHOUND_LIBDIR "/libloophound.so");
	}
	/* ld.so(8): the list is separated by spaces or colons, and neither can be escaped. */
	return strpbrk(buf, " :") ? -EINVAL : 0;
}

/* The shim before what is preloaded already. Return: 0 or -E2BIG. */
int preload_value(const char *shim, char *buf, size_t buf_bytes)
{
	const char *old = getenv("LD_PRELOAD");
	int n = snprintf(buf, buf_bytes, "%s%s%s", shim, old && *old ? ":" : "", old ? old : "");

	return n < 0 || (size_t)n >= buf_bytes ? -E2BIG : 0;
}

static bool names_python(const char *path)
{
	const char *slash = strrchr(path, '/');

	path = slash ? slash + 1 : path;
	return !strncmp(path, "python", 6) || !strncmp(path, "pypy", 4);
}

/* Whether the first line of a script says that Python runs it. */
static bool is_python_script(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char line[128] = "";
	ssize_t n = fd < 0 ? -1 : read(fd, line, sizeof(line) - 1);

	if (n < 2 || line[0] != '#' || line[1] != '!')
		return false;
	line[strcspn(line, "\n")] = '\0';
	return strstr(line, "python") || strstr(line, "pypy");
}

/* Whether a program, found as execvp() finds it, is Python or is run by it; a guess. */
bool preload_is_python(const char *program)
{
	const char *path = getenv("PATH");
	char full[PATH_MAX];

	if (names_python(program))
		return true;
	if (strchr(program, '/'))
		return is_python_script(program);
	while (path && *path) {
		size_t length = strcspn(path, ":");

		snprintf(full, sizeof(full), "%.*s/%s", (int)length, path, program);
		if (!access(full, X_OK))
			return is_python_script(full);
		path += length + (path[length] == ':');
	}
	return false;
}
