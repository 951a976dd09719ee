/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sources
 *
 * What a file is its first byte tells: a report of ours in JSON begins with a brace, a recording
 * never does. Recordings go through the same core as a live process does; reports that were
 * written already are added to what comes of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "combine.h"
#include "load.h"
#include "recording.h"
#include "snapshot.h"
#include "sources.h"

/* A hundred thousand findings with all their stacks. */
#define SOURCES_MAX_BYTES (UINT64_C(4) << 30)

/* Return: whether it is JSON; false also for what cannot be read, which is told later. */
static bool is_json(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char head[64];
	ssize_t n = fd < 0 ? 0 : read(fd, head, sizeof(head) - 1);

	head[MAX(n, (ssize_t)0)] = '\0';
	return head[strspn(head, " \t\r\n")] == '{';
}

/* Whether there are any and none is a report that was written already, in which all is summed up.
 */
bool sources_are_recordings(char **paths, int n_paths)
{
	for (int i = 0; i < n_paths; i++)
		if (is_json(paths[i]))
			return false;
	return n_paths;
}

/* Return: 0 when it could be read so far as it goes, else the exit status. */
static int read_recording(struct daemon *daemon, const char *path)
{
	int r = recording_read_file(daemon, path);

	switch (r) {
	case 0:
		return 0;
	case RECORDING_E_TWICE:
		cli_say("%s: a process of it is in another file too: it is counted once", path);
		return 0;
	case RECORDING_E_TRUNCATED:
		cli_say("%s ends too early: what is there was read", path);
		return 0;
	case RECORDING_E_CORRUPT:
		cli_say("%s: a part makes no sense; what could be read was", path);
		return 0;
	case RECORDING_E_VERSION:
		cli_say("%s is of another version of loophound", path);
		return CLI_EXIT_NO_JOB;
	case RECORDING_E_MAGIC:
		cli_say("%s is no recording and no report of loophound", path);
		return CLI_EXIT_NO_JOB;
	default:
		cli_say("cannot read %s: %s", path, strerror(-r));
		return CLI_EXIT_NO_JOB;
	}
}

/* Return: 0 or a negative errno. */
static int load_file(const char *path, struct pool *pool, struct report *ret_report)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *bytes = NULL;
	size_t n_bytes = 0;
	struct stat st;
	ssize_t n = 1;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return -errno;
	if ((uint64_t)st.st_size > SOURCES_MAX_BYTES)
		return -EFBIG;
	/* Not mapped: a file that is mapped can shrink under its reader. */
	bytes = malloc((size_t)st.st_size + 1);
	if (!bytes)
		return -ENOMEM;
	while (n > 0 && n_bytes < (size_t)st.st_size) {
		n = read(fd, bytes + n_bytes, (size_t)st.st_size - n_bytes);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			n_bytes += (size_t)n;
	}
	r = n < 0 ? -errno : load_report_text(bytes, n_bytes, pool, ret_report);
	free(bytes);
	return r;
}

/*
 * Findings are sums, from which no process can be taken out again: only a report of which all is
 * there can be left out. Return: whether it is to be.
 */
static bool is_known(const struct report *report, const struct report *more, const char *path)
{
	uint32_t n_known = report_count_known(report, more);

	if (n_known && n_known == more->n_processes)
		cli_say("%s: its processes are in another file too: they are counted once", path);
	else if (n_known)
		cli_say("%s: %u of its processes are in another file too: they are counted twice",
			path, n_known);
	return n_known && n_known == more->n_processes;
}

/* Return: 0, or the exit status. */
static int add_report(struct sources *sources, const char *path)
{
	_cleanup_(report_deinit) struct report more = REPORT_INIT;
	int r = load_file(path, names_pool(sources->daemon->names), &more);

	if (!r && !is_known(&sources->report, &more, path))
		r = report_combine(&sources->report, &more);
	if (r == -EBADMSG)
		cli_say("%s is no report of loophound, or of another version", path);
	else if (r)
		cli_say("cannot read %s: %s", path, strerror(-r));
	return r ? CLI_EXIT_NO_JOB : 0;
}

/*
 * All of the files as one report. Return: 0, or the exit status of the first that could not be
 * read, having said why; the others are in the report still.
 */
int sources_read(struct sources *sources, const struct shared *shared, char **paths, int n_paths)
{
	struct daemon_config config = {.service = shared->service};
	int status = 0, failed, r;

	shared_report_options(shared, &config.options);
	config.has_slices = shared_wants_timeline(shared);
	config.has_tapes = shared_wants_recording(shared);
	own_code_add_globs(&config.own, shared->own_code);
	r = daemon_new(&config, &sources->daemon);
	for (int i = 0; !r && i < n_paths; i++) {
		failed = is_json(paths[i]) ? 0 : read_recording(sources->daemon, paths[i]);
		status = status ? status : failed;
	}
	if (!r)
		r = snapshot_take(sources->daemon, &sources->report);
	/* Without a recording there is no time yet in which anything ran. */
	if (!r && !sources->report.n_processes)
		sources->report.started_at = sources->report.ended_at = 0;
	for (int i = 0; !r && i < n_paths; i++) {
		failed = is_json(paths[i]) ? add_report(sources, paths[i]) : 0;
		status = status ? status : failed;
	}
	if (r)
		cli_say("no report: %s", strerror(-r));
	return r ? CLI_EXIT_NO_JOB : status;
}

void sources_deinit(struct sources *sources)
{
	report_deinit(&sources->report);
	sources->daemon = daemon_free(sources->daemon);
}
