/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Files of the user's
 *
 * Advice that cannot be read is said and left out: it changes no finding. An allow list that cannot
 * be read ends the command before anything runs: without it a gate would fail, or with half of it
 * hold, for the wrong reason.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "rule.h"
#include "user-files.h"

/* Ten thousand lines. */
#define USER_FILE_MAX_BYTES (1u << 20)

/* Return: the text, for free(), and its length; NULL and errno. */
static char *file_read(const char *path, size_t *ret_length)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char *text = NULL;
	size_t length = 0;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return NULL;
	if (S_ISDIR(st.st_mode)) {
		errno = EISDIR;
		return NULL;
	}
	text = malloc(USER_FILE_MAX_BYTES);
	while (text && length < USER_FILE_MAX_BYTES) {
		n = read(fd, text + length, USER_FILE_MAX_BYTES - length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			break;
		length += (size_t)n;
		if (!n) {
			*ret_length = length;
			return text;
		}
	}
	if (length == USER_FILE_MAX_BYTES)
		errno = EFBIG;
	free(text);
	return NULL;
}

static void advice_load(const char *path)
{
	struct rule_error error = {0};
	size_t length;
	char *text = file_read(path, &length);
	int r;

	if (!text) {
		if (errno != ENOENT && errno != ENOTDIR)
			cli_say("%s is left out: %s", path, strerror(errno));
		return;
	}
	r = rules_add(text, length, &error);
	if (r == -EINVAL)
		cli_say("%s is left out: line %u: %s", path, error.line, error.text);
	free(text);
}

/* The user's own rules, and those of this host. */
void user_advice_load(void)
{
	const char *config = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	char path[PATH_MAX];

	if (config && *config == '/')
		snprintf(path, sizeof(path), "%s/loophound/advice.txt", config);
	else
		snprintf(path, sizeof(path), "%s/.config/loophound/advice.txt", home ? home : "");
	advice_load(path);
	advice_load("/etc/loophound/advice.txt");
}

/* Add an allow list. Does not return when it cannot be read. path has to stay. */
void user_allow_load(struct allow *allow, const char *path)
{
	struct allow_error error = {0};
	size_t length;
	char *text = file_read(path, &length);
	int r;

	if (!text)
		cli_usage("--allow %s: %s", path, strerror(errno));
	r = allow_add(allow, path, text, length, &error);
	free(text);
	if (r == -EINVAL)
		cli_usage("--allow %s: line %u: %s", path, error.line, error.text);
	if (r)
		cli_usage("--allow %s: %s", path, strerror(-r));
}
