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
#include "annotate.h"
#include "junit.h"
#include "markdown.h"
#include "output.h"
#include "sarif.h"
#include "text.h"
#include "timeline.h"
#include "weight.h"

static int write_text(FILE *out, const struct report *report)
{
	struct text_style style = {.is_colored = false};

	text_report(out, report, &style);
	return 0;
}

static int write_markdown(FILE *out, const struct report *report)
{
	markdown_write(out, report);
	return 0;
}

static int write_timeline(FILE *out, const struct report *report)
{
	timeline_write(out, report);
	return 0;
}

static int write_folded(FILE *out, const struct report *report)
{
	folded_write(out, report);
	return 0;
}

static int write_recording(FILE *out, const struct report *report)
{
	return report->recording.write
		       ? report->recording.write(report->recording.from, report, out)
		       : -ENODATA;
}

/* The longer suffix first. */
static const struct format {
	const char *suffix;
	int (*write)(FILE *out, const struct report *report); /* NULL: later */
} formats[] = {
	{"/gl-code-quality-report.json", annotate_gitlab},
	{".speedscope.json", speedscope_write},
	{".trace.json", write_timeline},
	{".json", json_write_report},
	{".jsonl", json_write_lines},
	{".txt", write_text},
	{".md", write_markdown},
	{".html", NULL},
	{".sarif", sarif_write},
	{".xml", junit_write},
	{".folded", write_folded},
	{".lhr", write_recording},
};

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n > m && !strcmp(text + n - m, end);
}

/* Return: 0, or an enum output_result. */
int output_format_of(const char *path, unsigned int *ret_format)
{
	for (unsigned int i = 0; i < ARRAY_LEN(formats); i++) {
		if (!ends_with(path, formats[i].suffix))
			continue;
		if (!formats[i].write)
			return OUTPUT_E_LATER;
		*ret_format = i;
		return 0;
	}
	return OUTPUT_E_SUFFIX;
}

const char *output_suffix(unsigned int format)
{
	return formats[format].suffix;
}

/* Whether moments are wanted, and not sums alone. */
bool output_is_timeline(const struct output *output)
{
	return formats[output->format].write == write_timeline;
}

/* Whether all records are wanted. */
bool output_is_recording(const struct output *output)
{
	return formats[output->format].write == write_recording;
}

/* path has to outlive the output. Return: 0 or a negative errno. */
int output_open(struct output *output, const char *path, unsigned int format)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);

	if (fd < 0)
		return -errno;
	output->path = path;
	output->format = format;
	output->fd = fd;
	return 0;
}

/* Write the report in place of what the file held. Return: 0 or a negative errno. */
int output_write(struct output *output, const struct report *report)
{
	struct stat st;
	FILE *out;
	int r, fd;

	if (fstat(output->fd, &st))
		return -errno;
	if (S_ISREG(st.st_mode) && ftruncate(output->fd, 0))
		return -errno;
	fd = fcntl(output->fd, F_DUPFD_CLOEXEC, 0);
	out = fd < 0 ? NULL : fdopen(fd, "w");
	if (!out) {
		r = -errno;
		if (fd >= 0)
			close(fd);
		return r;
	}
	errno = 0;
	r = formats[output->format].write(out, report);
	if (!r && ferror(out))
		r = -(errno ? errno : EIO);
	if (fclose(out) && !r)
		r = -errno;
	return r;
}

void output_close(struct output *output)
{
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
}
