/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Config: what the environment told us
 *
 * Read by the constructor, when no other thread runs: getenv() beside a setenv() of the program
 * reads freed memory. A value that is too long is as good as none, and the connection or recording
 * that does not come about says so.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "config.h"
#include "real.h"

_hidden_ struct config config;

static void config_copy(const char *name, char *buf, size_t buf_bytes)
{
	const char *value = getenv(name);
	size_t length = value ? strlen(value) : 0;

	if (length && length < buf_bytes)
		memcpy(buf, value, length + 1);
}

/* A path counts from where the program starts; it may go elsewhere, and the watchdog does. */
static void config_path(const char *name, char *buf, size_t buf_bytes)
{
	char path[PATH_MAX];
	size_t length;

	config_copy(name, buf, buf_bytes);
	if (!*buf || *buf == '/' || !REAL(getcwd)(path, sizeof(path)))
		return;
	length = strlen(path) + 1;
	if (length + strlen(buf) >= buf_bytes)
		return;
	memmove(buf + length, buf, strlen(buf) + 1);
	memcpy(buf, path, length - 1);
	buf[length - 1] = '/';
}

_hidden_ void config_read(void)
{
	config_path("LOOPHOUND_SOCKET", config.socket, sizeof(config.socket));
	config_path("LOOPHOUND_DIR", config.dir, sizeof(config.dir));
	config_copy("LOOPHOUND_OPTIONS", config.options, sizeof(config.options));
}
