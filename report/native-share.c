/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Native share
 *
 * Samples of one C call rarely agree in their innermost frames: each was taken somewhere else
 * inside of it. What they share is the function that Python called, the native frame next to the
 * innermost Python one, and it is also the one that a user of Python knows. Samples are counted by
 * it. Those without a native frame (taken without a stop of the thread) say nothing either way.
 */
#include <stdio.h>
#include <string.h>

#include "native-share.h"

/* The outermost of the native frames at the inner end. Return: NULL when there is none. */
static const struct frame *entered_of(const struct stack *stack)
{
	const struct frame *entered = NULL;

	for (uint32_t i = 0; i < stack->n_frames && stack->frames[i].kind == FRAME_NATIVE; i++)
		if (stack->frames[i].function)
			entered = &stack->frames[i];
	return entered;
}

static bool is_same(const struct frame *a, const struct frame *b)
{
	return !strcmp(a->function, b->function) &&
	       !strcmp(a->module ? a->module : "", b->module ? b->module : "");
}

static void share_add(struct native_share *shares, uint32_t *n, const struct frame *entered,
		      const struct stack *stack)
{
	uint32_t i = 0;

	while (i < *n && !is_same(shares[i].entered, entered))
		i++;
	if (i == NATIVE_SHARE_MAX)
		return;
	if (i == *n)
		shares[(*n)++] = (struct native_share){.entered = entered, .stack = stack};
	if (stack->count > shares[i].stack->count)
		shares[i].stack = stack;
	shares[i].count += stack->count;
}

/* Most often seen first. Return: how many; ret_n_samples: of all that have native frames. */
uint32_t native_shares(const struct finding *finding,
		       struct native_share ret_shares[NATIVE_SHARE_MAX], uint64_t *ret_n_samples)
{
	uint32_t n = 0;

	*ret_n_samples = 0;
	for (uint32_t i = 0; i < finding->n_stacks; i++) {
		const struct frame *entered = entered_of(finding->stacks[i]);

		if (!entered)
			continue;
		*ret_n_samples += finding->stacks[i]->count;
		share_add(ret_shares, &n, entered, finding->stacks[i]);
	}
	for (uint32_t i = 1; i < n; i++)
		for (uint32_t k = i; k && ret_shares[k].count > ret_shares[k - 1].count; k--) {
			struct native_share swap = ret_shares[k];

			ret_shares[k] = ret_shares[k - 1];
			ret_shares[k - 1] = swap;
		}
	return n;
}

/* A module as people know it: _json of _json.cpython-311-x86_64-linux-gnu.so. Return: buf */
const char *native_module(const char *module, char *buf, size_t buf_bytes)
{
	const char *slash = strrchr(module ? module : "?", '/'), *abi;

	snprintf(buf, buf_bytes, "%s", slash ? slash + 1 : module ? module : "?");
	abi = strstr(buf, ".cpython-");
	if (!abi)
		abi = strstr(buf, ".abi3.so");
	if (abi)
		buf[abi - buf] = '\0';
	return buf;
}
