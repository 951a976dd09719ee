/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blocked time by stack
 *
 * The time of a finding is shared out among its stacks by how often each was seen. Where the stack
 * of a call has no native frames, the call itself is put on as the innermost. What has no duration
 * is not here.
 *
 * Folded: a line a stack, outermost first, and microseconds. Gates come first, in lines that end in
 * a word, which readers of this format leave out.
 * Speedscope: https://www.speedscope.app/file-format-schema.json, one sampled profile; the frames
 * are numbered by a first pass over all stacks, so that memory grows with distinct frames alone.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "put.h"
#include "verdict.h"
#include "weight.h"

struct weighed {
	const struct finding *finding;
	const struct stack *stack;
	uint64_t weight_ns;
	struct frame call; /* function NULL: none to be put on */
};

typedef void (*weighed_fn)(const struct weighed *weighed, void *userdata);

static void weigh_finding(const struct finding *finding, weighed_fn each, void *userdata)
{
	uint64_t n_seen = 0;

	for (uint32_t i = 0; i < finding->n_stacks; i++)
		n_seen += finding->stacks[i]->count;
	for (uint32_t i = 0; n_seen && i < finding->n_stacks; i++) {
		const struct stack *stack = finding->stacks[i];
		double share = (double)stack->count / (double)n_seen;
		struct weighed weighed = {
			.finding = finding,
			.stack = stack,
			.weight_ns = (uint64_t)((double)finding->total_ns * share),
		};

		if (!stack->n_frames)
			continue;
		if (stack->frames[0].kind == FRAME_PYTHON)
			weighed.call.function = finding->call.name;
		each(&weighed, userdata);
	}
}

static void weigh_all(const struct report *report, weighed_fn each, void *userdata)
{
	for (uint32_t i = 0; i < report->n_findings; i++)
		if (kind_is_timed(report->findings[i]->kind))
			weigh_finding(report->findings[i], each, userdata);
}

static void folded_frame(FILE *out, const struct frame *frame)
{
	put_folded(out, frame->function ? frame->function : "?");
	if (!frame->file)
		return;
	fputs(" (", out);
	put_folded(out, frame->file);
	if (frame->line > 0)
		fprintf(out, ":%" PRId32, frame->line);
	fputc(')', out);
}

static void folded_stack(const struct weighed *weighed, void *userdata)
{
	FILE *out = userdata;

	for (uint32_t i = weighed->stack->n_frames; i-- > 0;) {
		folded_frame(out, &weighed->stack->frames[i]);
		if (i)
			fputc(';', out);
	}
	if (weighed->call.function) {
		fputc(';', out);
		folded_frame(out, &weighed->call);
	}
	fprintf(out, " %" PRIu64 "\n", weighed->weight_ns / 1000);
}

void folded_write(FILE *out, const struct report *report)
{
	char words[VERDICT_BYTES];

	for (uint32_t i = 0; i < report->n_gates; i++)
		fprintf(out, "# %s: %s\n",
			verdict_words(&report->gates[i], report, words, sizeof(words)),
			report->gates[i].is_ok ? "ok" : "broken");
	weigh_all(report, folded_stack, out);
}

/* Distinct frames, numbered; strings of one pool are equal when their pointers are. */
struct numbers {
	struct numbered {
		struct frame frame;
		bool is_used;
		uint32_t number;
	} * slots; /* by hash */
	uint32_t n_slots, n_used;
	FILE *out;
	int r;
};

static uint32_t frame_slot(const struct numbers *numbers, const struct frame *frame)
{
	uint64_t hash = (uintptr_t)frame->file * UINT64_C(31) + (uintptr_t)frame->function;
	uint32_t i;

	hash = (hash * 31 + (uint64_t)frame->line) * UINT64_C(0x9e3779b97f4a7c15);
	for (i = (uint32_t)(hash >> 32) & (numbers->n_slots - 1); numbers->slots[i].is_used;
	     i = (i + 1) & (numbers->n_slots - 1)) {
		const struct frame *other = &numbers->slots[i].frame;

		if (other->file == frame->file && other->function == frame->function &&
		    other->line == frame->line)
			break;
	}
	return i;
}

/* Return: 0 or -ENOMEM. */
static int numbers_grow(struct numbers *numbers)
{
	struct numbers bigger = {.n_slots = MAX(numbers->n_slots * 2, 1024u),
				 .n_used = numbers->n_used,
				 .out = numbers->out};

	if (numbers->n_used < numbers->n_slots / 2)
		return 0;
	bigger.slots = calloc(bigger.n_slots, sizeof(*bigger.slots));
	if (!bigger.slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < numbers->n_slots; i++)
		if (numbers->slots[i].is_used)
			bigger.slots[frame_slot(&bigger, &numbers->slots[i].frame)] =
				numbers->slots[i];
	free(numbers->slots);
	*numbers = bigger;
	return 0;
}

static void number_frame(struct numbers *numbers, const struct frame *frame)
{
	uint32_t slot;

	if (numbers->r)
		return;
	numbers->r = numbers_grow(numbers);
	if (numbers->r)
		return;
	slot = frame_slot(numbers, frame);
	if (numbers->slots[slot].is_used)
		return;
	numbers->slots[slot] = (struct numbered){*frame, true, numbers->n_used++};
	fputs(numbers->n_used > 1 ? ",\n{\"name\":" : "\n{\"name\":", numbers->out);
	put_json(numbers->out, frame->function ? frame->function : "?");
	if (frame->file) {
		fputs(",\"file\":", numbers->out);
		put_json(numbers->out, frame->file);
	}
	if (frame->line > 0)
		fprintf(numbers->out, ",\"line\":%" PRId32, frame->line);
	fputc('}', numbers->out);
}

static void number_stack(const struct weighed *weighed, void *userdata)
{
	struct numbers *numbers = userdata;

	for (uint32_t i = 0; i < weighed->stack->n_frames; i++)
		number_frame(numbers, &weighed->stack->frames[i]);
	if (weighed->call.function)
		number_frame(numbers, &weighed->call);
}

struct samples {
	const struct numbers *numbers;
	FILE *out;
	uint64_t total_ns;
	bool is_weights;
	bool is_further;
};

static void sample_stack(const struct weighed *weighed, void *userdata)
{
	struct samples *samples = userdata;
	const struct numbers *numbers = samples->numbers;

	fputs(samples->is_further ? ",\n" : "\n", samples->out);
	samples->is_further = true;
	if (samples->is_weights) {
		fprintf(samples->out, "%" PRIu64, weighed->weight_ns);
		samples->total_ns += weighed->weight_ns;
		return;
	}
	fputc('[', samples->out);
	for (uint32_t i = weighed->stack->n_frames; i-- > 0;)
		fprintf(samples->out, "%" PRIu32 "%s",
			numbers->slots[frame_slot(numbers, &weighed->stack->frames[i])].number,
			i ? "," : "");
	if (weighed->call.function)
		fprintf(samples->out, ",%" PRIu32,
			numbers->slots[frame_slot(numbers, &weighed->call)].number);
	fputc(']', samples->out);
}

/* Gates stand in the name, the one place that is free for words and that is shown. */
static void put_name(FILE *out, const struct report *report)
{
	char words[VERDICT_BYTES], *name = NULL;
	size_t n;
	FILE *text = open_memstream(&name, &n);

	if (!text)
		return;
	fputs("loophound", text);
	for (uint32_t i = 0; i < report->n_gates; i++)
		fprintf(text, "; %s",
			verdict_words(&report->gates[i], report, words, sizeof(words)));
	fclose(text);
	put_json(out, name);
	free(name);
}

/* Return: 0 or -ENOMEM. */
int speedscope_write(FILE *out, const struct report *report)
{
	struct numbers numbers = {.out = out};
	struct samples samples = {.numbers = &numbers, .out = out};

	fputs("{\"$schema\":\"https://www.speedscope.app/file-format-schema.json\",\n"
	      "\"exporter\":\"loophound@" LOOPHOUND_VERSION "\",\n\"name\":",
	      out);
	put_name(out, report);
	fputs(",\n\"activeProfileIndex\":0,\n\"shared\":{\"frames\":[", out);
	weigh_all(report, number_stack, &numbers);
	fputs("]},\n\"profiles\":[{\"type\":\"sampled\",\"name\":\"blocked time\","
	      "\"unit\":\"nanoseconds\",\"samples\":[",
	      out);
	if (!numbers.r)
		weigh_all(report, sample_stack, &samples);
	samples.is_further = false;
	samples.is_weights = true;
	fputs("],\n\"weights\":[", out);
	weigh_all(report, sample_stack, &samples);
	fprintf(out, "],\n\"startValue\":0,\"endValue\":%" PRIu64 "}]}\n", samples.total_ns);
	free(numbers.slots);
	return numbers.r;
}
