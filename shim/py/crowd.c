/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Crowd: thousands of tasks made at one line, over many turns, that live at once
 *
 * Tasks are counted when they are made and when they are finalised; that is all up to an eighth of
 * the limit. From then on each new one is noted with its line, by its address, until it is
 * finalised: so a line is told of when, beside those before, it has more than the limit that have
 * not ended. Tasks that have ended and are still held do not count: they are sorted out when a line
 * seems to have too many, and that is asked again only after a number of new ones.
 *
 * A line is told of once, and again when less than half of the limit were left meanwhile. How many
 * they were at the most is told then as well, and when the loop stops; as long as they grow, each
 * time they have doubled. A flood within one turn (flood.c) is the same flood.
 *
 * All of it needs the GIL, which guards it.
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "intern.h"
#include "py/crowd.h"
#include "py/future.h"

/* Tasks that have a note: of more the limit is not watched. A power of two. */
#define CROWD_N	    32768
#define CROWD_MAX   (CROWD_N / 4 * 3)
#define CROWD_LINES 16
/* In place of a line: of a task that has ended and is held. */
#define CROWD_ENDED CROWD_LINES
/* New ones before they are looked at again, at the least: that goes through all notes. */
#define CROWD_MIN_STEP 16

struct note {
	PyObject *task; /* its address, no reference; NULL: free */
	uint32_t line;
};

struct crowd_line {
	struct record_frame frame;
	uint32_t n;	 /* notes of it that may not have ended; 0: free */
	uint32_t n_next; /* as many as there must be before they are looked at */
	uint32_t n_peak; /* the most that had not ended when they were looked at, once too many */
	uint32_t n_told; /* the most that has been told; UINT32_MAX: flood.c will */
	bool is_told;	 /* here or by flood.c */
	struct stack_buf stack; /* that it is told with; without frames: not yet */
};

_hidden_ uint32_t crowd_n_alive, crowd_n_noted;

static struct note notes[CROWD_N];
static struct crowd_line lines[CROWD_LINES];

static uint32_t home_of(const PyObject *task)
{
	return (uint32_t)(((uintptr_t)task >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 49);
}

/* The note of a task, or the free place that ends the search: some are always free. */
static struct note *note_find(const PyObject *task)
{
	uint32_t i = home_of(task);

	while (notes[i].task && notes[i].task != task)
		i = (i + 1) % CROWD_N;
	return &notes[i];
}

/* Those behind it that would not be found any more move up. */
static void note_free(struct note *note)
{
	uint32_t hole = (uint32_t)(note - notes), i = hole;

	for (i = (i + 1) % CROWD_N; notes[i].task; i = (i + 1) % CROWD_N) {
		uint32_t home = home_of(notes[i].task);

		if ((i - home) % CROWD_N < (i - hole) % CROWD_N)
			continue;
		notes[hole] = notes[i];
		hole = i;
	}
	notes[hole].task = NULL;
	crowd_n_noted--;
}

static struct crowd_line *line_find(const struct record_frame *frame)
{
	for (uint32_t i = 0; i < CROWD_LINES; i++)
		if (lines[i].n && lines[i].frame.file_str == frame->file_str &&
		    lines[i].frame.line == frame->line)
			return &lines[i];
	return NULL;
}

static struct crowd_line *line_take(const struct record_frame *frame)
{
	struct crowd_line *line = line_find(frame);

	for (uint32_t i = 0; !line && i < CROWD_LINES; i++)
		if (!lines[i].n) {
			line = &lines[i];
			line->frame = *frame;
			line->n_next = watch.options.task_flood;
			line->n_peak = line->n_told = 0;
			line->is_told = false;
			line->stack.stack.n_frames = 0;
		}
	return line;
}

/* It is over, or out of sight: the next flood of the line is another one. */
static void line_ends(struct crowd_line *line)
{
	if (line->n_peak > line->n_told && line->stack.stack.n_frames)
		crowd_tell(line);
	line->n_peak = line->n_told = 0;
	line->is_told = false;
}

static void line_leave(struct crowd_line *line)
{
	line->n--;
	if (line->is_told && line->n < watch.options.task_flood / 2)
		line_ends(line);
}

/* Sort out what has ended. */
static void line_look(struct crowd_line *line)
{
	uint32_t limit = watch.options.task_flood;

	for (uint32_t i = 0; i < CROWD_N; i++)
		if (notes[i].task && notes[i].line == (uint32_t)(line - lines) &&
		    !future_task_is_pending(notes[i].task)) {
			notes[i].line = CROWD_ENDED;
			line_leave(line);
		}
	if (line->n > limit)
		line->n_peak = MAX(line->n_peak, line->n);
	line->n_next = MAX(MAX(line->n, line->n_peak) + MAX(limit / 64, CROWD_MIN_STEP), limit);
}

/* Return: whether a new note of it makes it too many, or twice as many as when it was told. */
static bool line_is_crowded(struct crowd_line *line)
{
	if (line->n <= line->n_next)
		return false;
	line_look(line);
	return line->n_peak && line->n_peak / 2 >= line->n_told;
}

/*
 * A task that has not ended was made at a line, beside many others. Return: the line, when it is to
 * be told; if it has no stack yet, with the one that is put there.
 */
_hidden_ struct crowd_line *crowd_made(PyObject *task, const struct record_frame *frame)
{
	struct note *note = note_find(task);
	struct crowd_line *line = note->task ? NULL : line_take(frame);

	if (!line || crowd_n_noted == CROWD_MAX)
		return NULL;
	*note = (struct note){.task = task, .line = (uint32_t)(line - lines)};
	crowd_n_noted++;
	line->n++;
	return line_is_crowded(line) ? line : NULL;
}

_hidden_ struct stack_buf *crowd_stack(struct crowd_line *line)
{
	return &line->stack;
}

_hidden_ void crowd_tell(struct crowd_line *line)
{
	static const char words[] = "live at once";
	struct pitfall_facts facts = {
		.pitfall = PITFALL_TASK_FLOOD,
		.n = line->n_peak,
		.name_str = line->frame.function_str,
		.stack = &line->stack,
		.is_more = line->is_told,
	};

	if (!fork_watch_open())
		return;
	facts.detail_str = intern(words, sizeof(words) - 1);
	line->n_told = line->n_peak;
	line->is_told = true;
	emit_pitfall(&facts);
}

/* A line is flooded within one turn. Return: whether that is told of already; from now on it is. */
_hidden_ bool crowd_is_told(const struct record_frame *frame)
{
	struct crowd_line *line = line_find(frame);
	bool was_told = line && line->is_told;

	if (line && !was_told) {
		line->is_told = true;
		line->n_told = UINT32_MAX;
	}
	return was_told;
}

/* As many as that, its turn being over: more of them are news again. */
_hidden_ void crowd_was_told(const struct record_frame *frame, uint32_t n,
			     const struct stack_buf *stack)
{
	struct crowd_line *line = line_find(frame);

	if (!line || line->n_told != UINT32_MAX)
		return;
	line->n_told = n;
	line->stack = *stack;
}

/* What lives at once is told as far as it has come. */
_hidden_ void crowd_loop_stops(void)
{
	for (uint32_t i = 0; crowd_n_noted && i < CROWD_LINES; i++)
		if (lines[i].n && lines[i].n_peak > lines[i].n_told &&
		    lines[i].stack.stack.n_frames)
			crowd_tell(&lines[i]);
}

/* A task is finalised while there are notes. */
_hidden_ void crowd_ends(PyObject *task)
{
	struct note *note = note_find(task);
	int saved_errno = errno;

	if (!note->task)
		return;
	if (note->line != CROWD_ENDED)
		line_leave(&lines[note->line]);
	note_free(note);
	errno = saved_errno;
}

/* In a fork child: the names are the parent's. */
_hidden_ void crowd_forget(void)
{
	if (crowd_n_noted)
		memset(notes, 0, sizeof(notes));
	for (uint32_t i = 0; i < CROWD_LINES; i++)
		lines[i].n = 0;
	crowd_n_noted = 0;
}
