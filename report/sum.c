/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sum: what several incidents, or several reports of a finding, have in common
 *
 * What is a number is added or compared; of what cannot be added (stacks, tests, processes) so many
 * are kept as the model has room for, the first that came. Strings are of one pool.
 */
#include <stdlib.h>

#include "sum.h"

static bool stack_equal(const struct stack *a, const struct stack *b)
{
	if (a->n_frames != b->n_frames)
		return false;
	for (uint32_t i = 0; i < a->n_frames; i++)
		if (a->frames[i].file != b->frames[i].file ||
		    a->frames[i].function != b->frames[i].function ||
		    a->frames[i].line != b->frames[i].line)
			return false;
	return true;
}

bool finding_has_stack(const struct finding *finding, const struct stack *stack)
{
	for (uint32_t i = 0; stack && i < finding->n_stacks; i++)
		if (stack_equal(finding->stacks[i], stack))
			return true;
	return false;
}

/* Without room the stack is left out: the finding's counts do not depend on it. */
void finding_add_stack(struct finding *finding, const struct stack *stack)
{
	if (!stack || !stack->n_frames)
		return;
	for (uint32_t i = 0; i < finding->n_stacks; i++)
		if (stack_equal(finding->stacks[i], stack)) {
			finding->stacks[i]->count += stack->count;
			return;
		}
	if (finding->n_stacks == MODEL_MAX_STACKS)
		return;
	finding->stacks[finding->n_stacks] = stack_copy(stack);
	if (finding->stacks[finding->n_stacks])
		finding->n_stacks++;
}

void finding_add_pid(struct finding *finding, int32_t pid)
{
	for (uint32_t i = 0; i < finding->n_pids; i++)
		if (finding->pids[i] == pid)
			return;
	if (finding->n_pids < MODEL_MAX_PIDS)
		finding->pids[finding->n_pids++] = pid;
}

/* Strings of one pool: equal ones are the same pointer. */
void finding_add_test(struct finding *finding, const char *test)
{
	for (uint32_t i = 0; i < finding->n_tests; i++)
		if (finding->tests[i] == test)
			return;
	if (!test)
		return;
	if (finding->n_tests < MODEL_MAX_TESTS)
		finding->tests[finding->n_tests++] = test;
	else
		finding->has_more_tests = true;
}

/* Numbers come from strangers: a sum stays where eight of its like can be added. */
static int64_t sum_ns(int64_t a, int64_t b)
{
	const int64_t most = INT64_MAX / 8;

	return MIN(MIN(MAX(a, INT64_C(0)), most) + MIN(MAX(b, INT64_C(0)), most), most);
}

static int64_t sum_measured(int64_t a, int64_t b)
{
	return a < 0 || b < 0 ? -1 : sum_ns(a, b);
}

/* A part that was not measured once is not measured in sum; its time is unknown then. */
void cause_add(struct cause *cause, const struct cause *more)
{
	struct {
		int64_t *sum_ns, more_ns;
	} parts[] = {
		{&cause->on_cpu_ns, more->on_cpu_ns},
		{&cause->run_queue_ns, more->run_queue_ns},
		{&cause->gil_wait_ns, more->gil_wait_ns},
		{&cause->page_fault_ns, more->page_fault_ns},
		{&cause->blocked_ns, more->blocked_ns},
		{&cause->uninterruptible_ns, more->uninterruptible_ns},
		{&cause->gc_ns, more->gc_ns},
	};
	int64_t unknown_ns = sum_ns(cause->unknown_ns, more->unknown_ns);

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int64_t whole_ns = sum_ns(*parts[i].sum_ns, parts[i].more_ns);

		*parts[i].sum_ns = sum_measured(*parts[i].sum_ns, parts[i].more_ns);
		if (*parts[i].sum_ns < 0)
			unknown_ns = sum_ns(unknown_ns, whole_ns);
	}
	cause->unknown_ns = unknown_ns;
}

/* What is not the same in every incident of a finding is not a property of it. */
void call_merge(struct call *call, const struct call *more)
{
	if (call->fd != more->fd)
		call->fd = -1;
	if (call->gil_held != more->gil_held)
		call->gil_held = -1;
	call->n_calls = MAX(call->n_calls, more->n_calls);
}

/* Without room it is left out, as a stack is. */
void finding_add_task(struct finding *finding, const struct task *task, nsec_t span_ns)
{
	struct task *copy;

	if (!task || (finding->task && finding->task->span_ns >= span_ns))
		return;
	copy = task_copy(task);
	if (!copy)
		return;
	copy->span_ns = span_ns;
	free(finding->task);
	finding->task = copy;
}
