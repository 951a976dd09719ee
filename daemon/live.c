/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Live lines
 *
 * One line when a stall starts and one when it ends, for somebody who watches. A service in
 * trouble stalls many times a second at one place, so a site has one line a second at most: what
 * ends in between is held, and the next line says how much there was.
 *
 * Sites beyond LIVE_MAX_SITES take the place of the one that has been silent for longest.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "live.h"
#include "stamp.h"
#include "text.h"

#define LIVE_INTERVAL_NS NSEC_PER_SEC

static struct live_site *live_oldest(struct live *live)
{
	struct live_site *oldest = &live->sites[0];

	if (live->n_sites < LIVE_MAX_SITES)
		return &live->sites[live->n_sites++];
	for (uint32_t i = 1; i < live->n_sites; i++)
		if (live->sites[i].last_line_ns < oldest->last_line_ns)
			oldest = &live->sites[i];
	return oldest;
}

static struct live_site *live_site(struct live *live, const struct frame *culprit)
{
	struct live_site *site;

	for (uint32_t i = 0; i < live->n_sites; i++)
		if (live->sites[i].file == culprit->file &&
		    live->sites[i].function == culprit->function)
			return &live->sites[i];
	site = live_oldest(live);
	memset(site, 0, sizeof(*site));
	site->file = culprit->file;
	site->function = culprit->function;
	return site;
}

static bool is_due(const struct live_site *site, nsec_t now_ns)
{
	return !site->last_line_ns || now_ns - site->last_line_ns >= LIVE_INTERVAL_NS;
}

static void print_where(FILE *out, const struct live *live, const struct live_event *event)
{
	const struct frame *culprit = event->culprit;
	char path[512];

	text_print(out, text_path(culprit->file, live->base_dir, 60, path, sizeof(path)), 60);
	if (culprit->line > 0)
		fprintf(out, ":%d", culprit->line);
	fputc(' ', out);
	text_print(out, culprit->function ? culprit->function : "?", 40);
}

/* In one piece: the program writes to the same terminal. */
static void live_print(const struct live *live, const struct live_event *event, const char *what,
		       const char *after)
{
	char line[1024], clock[STAMP_BYTES];
	FILE *out = fmemopen(line, sizeof(line), "w");
	long n;

	if (!out)
		return;
	fprintf(out, "loophound: %s pid %d ", stamp_clock(stamp_now(), clock), event->pid);
	fputs(what, out);
	if (event->call) {
		fputs("by ", out);
		text_print(out, event->call, 30);
		fputc(' ', out);
	}
	fputs("at ", out);
	print_where(out, live, event);
	fputs(after, out);
	fputc('\n', out);
	n = ftell(out);
	if (!fclose(out) && n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		return;
}

/* The count of what was held back, as the end of a line. */
static void held_text(const struct live_site *site, char *buf, size_t buf_bytes)
{
	char span[STAMP_BYTES];

	*buf = '\0';
	if (site->n_held)
		snprintf(buf, buf_bytes, " (and %llu more held back, %s in all)",
			 (unsigned long long)site->n_held, stamp_span(site->held_ns, span));
}

static void live_line(struct live *live, struct live_site *site, nsec_t now_ns,
		      const struct live_event *event, const char *what)
{
	char held[96];

	held_text(site, held, sizeof(held));
	live_print(live, event, what, held);
	site->last_line_ns = now_ns;
	site->n_held = 0;
	site->held_ns = 0;
}

/* A stall has passed its limit and goes on. */
void live_start(struct live *live, nsec_t now_ns, const struct live_event *event)
{
	struct live_site *site;

	if (!live->is_on)
		return;
	site = live_site(live, event->culprit);
	if (is_due(site, now_ns))
		live_line(live, site, now_ns, event, "loop held ");
}

/*
 * A stall has become stuck and goes on.
 *
 * Return: whether it has been told, or never will be; else it is to be told again later.
 */
bool live_stuck(struct live *live, nsec_t now_ns, const struct live_event *event)
{
	char what[64], span[STAMP_BYTES];
	struct live_site *site;

	if (!live->is_on)
		return true;
	site = live_site(live, event->culprit);
	if (!is_due(site, now_ns))
		return false;
	snprintf(what, sizeof(what), "loop stuck for %s so far ", stamp_span(event->span_ns, span));
	live_line(live, site, now_ns, event, what);
	return true;
}

static void line_end(struct live *live, struct live_site *site, nsec_t now_ns,
		     const struct live_event *event)
{
	char what[96], span[STAMP_BYTES];

	snprintf(what, sizeof(what), "%s %s ",
		 event->kind != _KIND_N ? kind_name(event->kind)
		 : event->is_gil	? "another thread held the GIL, nobody blamed,"
					: "not scheduled, nobody blamed,",
		 stamp_span(event->span_ns, span));
	live_line(live, site, now_ns, event, what);
}

/* A stall has ended and is a finding. */
void live_end(struct live *live, nsec_t now_ns, const struct live_event *event)
{
	struct live_site *site;

	if (!live->is_on)
		return;
	site = live_site(live, event->culprit);
	if (is_due(site, now_ns)) {
		line_end(live, site, now_ns, event);
		return;
	}
	site->n_held++;
	site->held_ns += event->span_ns;
	site->held = *event;
	site->held_culprit = *event->culprit;
}

/* The last held one is told itself, so that it is not one of those held back. */
static void release(struct live *live, struct live_site *site, nsec_t now_ns)
{
	site->held.culprit = &site->held_culprit;
	site->n_held--;
	site->held_ns -= MIN(site->held_ns, site->held.span_ns);
	line_end(live, site, now_ns, &site->held);
}

/* Tell what was held for long enough. To be called every now and then. */
void live_tick(struct live *live, nsec_t now_ns)
{
	for (uint32_t i = 0; live->is_on && i < live->n_sites; i++)
		if (live->sites[i].n_held && is_due(&live->sites[i], now_ns))
			release(live, &live->sites[i], now_ns);
}

/* Nothing more will come: tell all that is still held. */
void live_flush(struct live *live)
{
	for (uint32_t i = 0; live->is_on && i < live->n_sites; i++)
		if (live->sites[i].n_held)
			release(live, &live->sites[i], live->sites[i].last_line_ns);
}
