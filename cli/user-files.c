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

/* A hundred thousand findings, each with its callers. */
#define USER_BASELINE_MAX_BYTES (64u << 20)

/* Return: the text, for free(), and its length; NULL and errno. */
static char *file_read(const char *path, size_t max_bytes, size_t *ret_length)
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
	text = malloc(max_bytes);
	while (text && length < max_bytes) {
		n = read(fd, text + length, max_bytes - length);
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
	if (length == max_bytes)
		errno = EFBIG;
	free(text);
	return NULL;
}

static void advice_load(const char *path)
{
	struct rule_error error = {0};
	size_t length;
	char *text = file_read(path, USER_FILE_MAX_BYTES, &length);
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
	char *text = file_read(path, USER_FILE_MAX_BYTES, &length);
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

/* Where the new file is put before it takes the old one's place, and whether that can be done. */
static bool next_to(const char *path, char *buf, size_t buf_bytes)
{
	char dir[PATH_MAX];
	char *slash;

	if ((size_t)snprintf(dir, sizeof(dir), "%s", path) >= sizeof(dir) ||
	    (size_t)snprintf(buf, buf_bytes, "%s.%d.tmp", path, (int)getpid()) >= buf_bytes) {
		errno = ENAMETOOLONG;
		return false;
	}
	slash = strrchr(dir, '/');
	if (slash)
		slash[slash == dir] = '\0';
	return !access(slash ? dir : ".", W_OK | X_OK);
}

/* Read a baseline. Does not return when it cannot be read, or not written where it will be. */
void user_baseline_load(struct baseline *baseline, const char *path, bool will_update,
			bool may_be_missing)
{
	struct baseline_error error = {0};
	char next[PATH_MAX];
	size_t length;
	char *text = file_read(path, USER_BASELINE_MAX_BYTES, &length);
	int r;

	if (!text && errno == ENOENT && will_update && !may_be_missing)
		cli_usage("--baseline %s: there is none yet; --accept-new makes it", path);
	if (!text && !(errno == ENOENT && may_be_missing))
		cli_usage("--baseline %s: %s", path, strerror(errno));
	if (will_update && !next_to(path, next, sizeof(next)))
		cli_usage("--baseline %s: cannot be written: %s", path, strerror(errno));
	if (!text)
		return;
	r = baseline_parse(baseline, text, length, &error);
	free(text);
	if (r && error.line)
		cli_usage("--baseline %s: line %u: %s", path, error.line, error.text);
	if (r)
		cli_usage("--baseline %s: %s", path, error.text);
}

/* Write it whole or not at all. Return: 0, or -1 and errno. */
int user_baseline_store(const struct baseline *baseline, const char *path)
{
	char next[PATH_MAX], real[PATH_MAX];
	FILE *out;
	int r;

	/* A link stays one: what it leads to is replaced. */
	if (!realpath(path, real))
		snprintf(real, sizeof(real), "%s", path);
	if (!next_to(real, next, sizeof(next)))
		return -1;
	out = fopen(next, "we");
	if (!out)
		return -1;
	baseline_write(baseline, out);
	r = ferror(out);
	if (fclose(out) || r || rename(next, real)) {
		r = errno;
		unlink(next);
		errno = r;
		return -1;
	}
	return 0;
}

/* Return: a file of the user's as a string, for free(); NULL and errno. */
char *user_file_text(const char *path)
{
	size_t length;
	char *text = file_read(path, USER_FILE_MAX_BYTES, &length), *whole;

	/* What is behind a NUL would not be read. */
	if (text && memchr(text, '\0', length)) {
		free(text);
		errno = EILSEQ;
		return NULL;
	}
	whole = text ? realloc(text, length + 1) : NULL;
	if (whole)
		whole[length] = '\0';
	return whole;
}
