/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Output
 *
 * The file is opened before the watched program starts, so that a path that cannot be written is
 * said while it costs nothing. It is emptied only when the report is there: until then an older
 * report stays readable.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "json.h"
#include "output.h"
#include "text.h"

struct suffix {
	const char *suffix;
	int format; /* -1: later */
};

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && !strcmp(text + n - m, end);
}

/* Return: 0, or an enum output_result. */
int output_format_of(const char *path, enum output_format *ret_format)
{
	static const struct suffix suffixes[] = {
		{".speedscope.json", -1},
		{".trace.json", -1},
		{".json", OUTPUT_JSON},
		{".jsonl", OUTPUT_LINES},
		{".txt", OUTPUT_TEXT},
		{".md", -1},
		{".html", -1},
		{".sarif", -1},
		{".xml", -1},
		{".folded", -1},
		{".lhr", -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
		if (!ends_with(path, suffixes[i].suffix))
			continue;
		if (suffixes[i].format < 0)
			return OUTPUT_E_LATER;
		*ret_format = (enum output_format)suffixes[i].format;
		return 0;
	}
	return OUTPUT_E_SUFFIX;
}

/* path has to outlive the output. Return: 0 or a negative errno. */
int output_open(struct output *output, const char *path, enum output_format format)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);

	if (fd < 0)
		return -errno;
	output->path = path;
	output->format = format;
	output->fd = fd;
	return 0;
}

static int output_write_text(int fd, const struct report *report)
{
	struct text_style style = {.is_colored = false};
	int copy_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	FILE *out = copy_fd < 0 ? NULL : fdopen(copy_fd, "w");
	int r;

	if (!out) {
		r = -errno;
		if (copy_fd >= 0)
			close(copy_fd);
		return r;
	}
	text_report(out, report, &style);
	errno = 0;
	r = ferror(out);
	if (fclose(out) || r)
		return -(errno ? errno : EIO);
	return 0;
}

/* Write the report in place of what the file held. Return: 0 or a negative errno. */
int output_write(struct output *output, const struct report *report)
{
	struct stat st;
	json_t *json;
	int r;

	if (fstat(output->fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode) && ftruncate(output->fd, 0))
		return -errno;
	switch (output->format) {
	case OUTPUT_JSON:
		json = json_report(report);
		r = json_write(output->fd, json);
		json_decref(json);
		return r;
	case OUTPUT_LINES:
		return json_write_lines(output->fd, report);
	case OUTPUT_TEXT:
		return output_write_text(output->fd, report);
	}
	return -EINVAL;
}

void output_close(struct output *output)
{
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
}
