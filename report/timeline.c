/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time line
 *
 * The Trace Event Format, JSON object form, which Perfetto and chrome://tracing read: a process for
 * each watched process, a thread for each loop, complete events ("X") for what lasted, instants
 * ("i") for what went wrong at a moment. A turn holds its callbacks and a callback its calls, so
 * they nest. Times are microseconds since the start of the report.
 *
 * On it is what was past its limit, of that the last so many, and each collection of garbage and
 * wait for the GIL of a millisecond or more, also in turns that were well. Shorter ones, and waits
 * for a CPU, are sums of the callback or turn they were in. A report read from JSON has no moments.
 * "otherData" says all that.
 */
#include <inttypes.h>

#include "put.h"
#include "stamp.h"
#include "timeline.h"
#include "verdict.h"

static void put_micros(FILE *out, uint64_t ns)
{
	fprintf(out, "%" PRIu64 ".%03" PRIu64, ns / 1000, ns % 1000);
}

/* A number that is no pid (proc(5): at most 2^22), for the tracks of one pid's further processes.
 */
#define TIMELINE_NO_PID 10000000

/* Viewers know a process by its number alone, and of containers it may be that of several. */
static int64_t track_of(const struct report *report, int32_t pid, uint64_t started_at)
{
	int64_t track = pid;

	for (uint32_t i = 0; i < report->n_processes; i++) {
		if (process_is(&report->processes[i], pid, started_at))
			return track;
		if (report->processes[i].pid == pid)
			track += TIMELINE_NO_PID;
	}
	return pid;
}

static void put_process(FILE *out, const struct report *report, const struct process *process)
{
	char cmdline[512] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < process->n_argv && n < sizeof(cmdline); i++)
		n += (size_t)snprintf(cmdline + n, sizeof(cmdline) - n, "%s%s", i ? " " : "",
				      process->argv[i] ? process->argv[i] : "");
	fprintf(out,
		"\n{\"ph\":\"M\",\"name\":\"process_name\",\"pid\":%" PRId64
		",\"tid\":0,\"args\":{\"name\":",
		track_of(report, process->pid, process->started_at));
	utf8_cut(cmdline);
	put_json(out, n ? cmdline : "python");
	fputs("}}", out);
}

static void put_loop(FILE *out, const struct report *report, const struct loop *loop)
{
	int64_t track = track_of(report, loop->pid, loop->started_at);

	fprintf(out,
		"\n{\"ph\":\"M\",\"name\":\"thread_name\",\"pid\":%" PRId64 ",\"tid\":%" PRId32
		",\"args\":{\"name\":",
		track, loop->tid);
	put_json(out, loop->framework);
	fprintf(out,
		"}},\n{\"ph\":\"C\",\"name\":\"utilisation\",\"pid\":%" PRId64 ",\"tid\":%" PRId32
		",\"ts\":0,\"args\":{\"percent\":%.1f}}",
		track, loop->tid, loop_utilisation(loop) * 100);
}

static void put_name(FILE *out, const struct slice *slice)
{
	static const char *const names[] = {
		[SLICE_TURN] = "turn",	     [SLICE_CALLBACK] = "callback", [SLICE_CALL] = "call",
		[SLICE_PITFALL] = "pitfall", [SLICE_COLLECTION] = "gc",	    [SLICE_GIL] = "gil",
	};
	const char *name = slice->name ? slice->name : slice->place.function;

	put_json(out, name ? name : names[slice->what]);
	fprintf(out, ",\"cat\":\"%s\"", names[slice->what]);
}

static void put_waits(FILE *out, const struct slice *slice)
{
	if (slice->gil_wait_ns > 0)
		fprintf(out, ",\"gil_wait_ns\":%" PRId64, slice->gil_wait_ns);
	if (slice->gc_ns > 0)
		fprintf(out, ",\"gc_ns\":%" PRId64, slice->gc_ns);
	if (slice->run_queue_ns > 0)
		fprintf(out, ",\"run_queue_ns\":%" PRId64, slice->run_queue_ns);
}

static void put_args(FILE *out, const struct report *report, const struct slice *slice)
{
	const char *below = path_below(slice->place.file, report->root_dir);

	fprintf(out, ",\"args\":{\"%s\":%" PRIu32,
		slice->what == SLICE_COLLECTION ? "generation" : "n", slice->n);
	if (slice->place.file) {
		fputs(",\"file\":", out);
		put_json(out, below ? below : slice->place.file);
		fprintf(out, ",\"line\":%" PRId32, slice->place.line);
	}
	if (slice->place.function) {
		fputs(",\"function\":", out);
		put_json(out, slice->place.function);
	}
	if (slice->test) {
		fputs(",\"test\":", out);
		put_json(out, slice->test);
	}
	put_waits(out, slice);
	fputc('}', out);
}

static void put_slice(FILE *out, const struct report *report, const struct slice *slice)
{
	bool is_instant = slice->what == SLICE_PITFALL;

	fprintf(out, "\n{\"ph\":\"%s\",\"name\":", is_instant ? "i" : "X");
	put_name(out, slice);
	fprintf(out, ",\"pid\":%" PRId64 ",\"tid\":%" PRId32 ",\"ts\":",
		track_of(report, slice->pid, slice->started_at), slice->tid);
	put_micros(out, slice->at > report->started_at ? slice->at - report->started_at : 0);
	if (is_instant) {
		fputs(",\"s\":\"t\"", out);
	} else {
		fputs(",\"dur\":", out);
		put_micros(out, slice->span_ns);
	}
	put_args(out, report, slice);
	fputc('}', out);
}

static void put_other(FILE *out, const struct report *report)
{
	char words[VERDICT_BYTES], started[STAMP_BYTES];

	fprintf(out,
		"\n],\n\"displayTimeUnit\":\"ms\",\n\"otherData\":{\"tool\":\"loophound " LOOPHOUND_VERSION
		"\",\"started\":\"%s\",\"kept\":%" PRIu32 ",\"not_kept\":%" PRIu64
		",\n\"not_shown\":\"turns within the limit; collections and waits for the GIL "
		"under 1 ms and waits for a CPU are sums\",\n\"gates\":[",
		stamp_utc(report->started_at, started), report->n_slices, report->n_slices_lost);
	for (uint32_t i = 0; i < report->n_gates; i++) {
		fputs(i ? "," : "", out);
		put_json(out, verdict_words(&report->gates[i], report, words, sizeof(words)));
	}
	fputs("]}}\n", out);
}

void timeline_write(FILE *out, const struct report *report)
{
	bool is_further = false;

	fputs("{\"traceEvents\":[", out);
	for (uint32_t i = 0; i < report->n_processes; i++, is_further = true) {
		fputs(is_further ? "," : "", out);
		put_process(out, report, &report->processes[i]);
	}
	for (uint32_t i = 0; i < report->n_loops; i++, is_further = true) {
		fputs(is_further ? "," : "", out);
		put_loop(out, report, &report->loops[i]);
	}
	for (uint32_t i = 0; i < report->n_slices; i++, is_further = true) {
		fputs(is_further ? "," : "", out);
		put_slice(out, report, &report->slices[i]);
	}
	put_other(out, report);
}
