/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Site: who is to blame
 *
 * A stack is first reduced to its chain: the frames of the user's own code, outermost first, with
 * repeats one after the other (recursion) folded into one, and a comprehension folded into the
 * function it stands in, since CPython 3.12 no longer gives it a frame (PEP 709).
 * Native frames are never to blame: what a person can change is the Python line that led there.
 * Where there is none of the user's own, or only such as started the loop that runs what is none of
 * theirs, the chain is one frame: the innermost that is not of the standard library, else the
 * innermost.
 *
 * One stack of a call that blocked: the culprit is the chain's last frame.
 *
 * Samples of work on the CPU end in many places. The culprit is the deepest frame that more than
 * half of them share, walking down from the outermost: so work that is spread over two helpers is
 * blamed on the function that calls both, and the same work is blamed on the same function each
 * time. Its line is the one seen most often.
 */
#include <string.h>

#include "place.h"
#include "site.h"

/* A stack has at most RECORD_MAX_FRAMES frames; a stall keeps at most this many samples. */
#define SITE_MAX_SAMPLES 128

/* Strings of one pool: equal ones are the same pointer. */
static bool is_same_function(const struct frame *a, const struct frame *b)
{
	return a->file == b->file && a->function == b->function;
}

/* By its place a <string> is the user's; one that is not counts as the standard library's. */
static const struct frame *blame_foreign(const struct stack *stack)
{
	const struct frame *innermost = NULL;

	for (uint32_t i = stack->n_frames; i-- > 0;)
		if (stack->frames[i].kind == FRAME_PYTHON)
			innermost = &stack->frames[i];
	for (uint32_t i = 0; i < stack->n_frames; i++)
		if (stack->frames[i].kind == FRAME_PYTHON &&
		    place_of(stack->frames[i].file) == PLACE_LIBRARY)
			return &stack->frames[i];
	return innermost;
}

/* What asyncio's loop calls a callback by: Handle._run(). uvloop's has no frame. */
static bool is_handle(const struct frame *frame)
{
	return frame->kind == FRAME_PYTHON && text_ends(frame->function, "_run") &&
	       text_ends(frame->file, "/asyncio/events.py");
}

/*
 * Whether a loop runs something that is none of the user's own: who has started that loop, further
 * out, did not do it (a callback that is a C function or a library's).
 */
static bool is_others_callback(const struct stack *stack)
{
	for (uint32_t i = 0; i < stack->n_frames && !stack->frames[i].is_own; i++)
		if (is_handle(&stack->frames[i]))
			return true;
	return false;
}

/* Outermost first. Of a chain that is too long the innermost part is kept: the culprit is there. */
static uint32_t chain_of(const struct stack *stack, const struct frame *chain[SITE_MAX_CHAIN])
{
	bool is_own = !is_others_callback(stack);
	uint32_t n = 0;

	for (uint32_t i = stack->n_frames; is_own && i-- > 0;) {
		const struct frame *frame = &stack->frames[i];

		if (!frame->is_own)
			continue;
		if (n && frame_is_comprehension(frame) && chain[n - 1]->file == frame->file)
			continue;
		if (n && is_same_function(chain[n - 1], frame)) {
			chain[n - 1] = frame;
			continue;
		}
		if (n == SITE_MAX_CHAIN)
			memmove(chain, chain + 1, --n * sizeof(*chain));
		chain[n++] = frame;
	}
	if (!n && blame_foreign(stack))
		chain[n++] = blame_foreign(stack);
	return n;
}

/* Who is to blame for one stack; the stack has to outlive the site. */
void site_of_stack(const struct stack *stack, struct site *ret_site)
{
	memset(ret_site, 0, sizeof(*ret_site));
	if (!stack)
		return;
	ret_site->n_chain = chain_of(stack, ret_site->chain);
	if (ret_site->n_chain)
		ret_site->culprit = *ret_site->chain[ret_site->n_chain - 1];
}

struct sample_chain {
	uint32_t n;
	bool is_out; /* has left the path that most samples share */
	const struct frame *frames[SITE_MAX_CHAIN];
};

/* The function most samples have at this depth, and in how many; NULL for none. */
static const struct frame *most_common(const struct sample_chain *chains, uint32_t n_chains,
				       uint32_t depth, uint32_t *ret_votes)
{
	const struct frame *best = NULL;

	*ret_votes = 0;
	for (uint32_t i = 0; i < n_chains; i++) {
		uint32_t votes = 0;

		if (chains[i].is_out || depth >= chains[i].n)
			continue;
		for (uint32_t k = 0; k < n_chains; k++)
			votes += !chains[k].is_out && depth < chains[k].n &&
				 is_same_function(chains[k].frames[depth], chains[i].frames[depth]);
		if (votes > *ret_votes) {
			best = chains[i].frames[depth];
			*ret_votes = votes;
		}
	}
	return best;
}

static void leave_others(struct sample_chain *chains, uint32_t n_chains, uint32_t depth,
			 const struct frame *best)
{
	for (uint32_t i = 0; i < n_chains; i++)
		if (depth >= chains[i].n || !is_same_function(chains[i].frames[depth], best))
			chains[i].is_out = true;
}

static int32_t most_common_line(const struct sample_chain *chains, uint32_t n_chains,
				const struct frame *culprit, uint32_t depth)
{
	uint32_t best_votes = 0;
	int32_t best = culprit->line;

	for (uint32_t i = 0; i < n_chains; i++) {
		uint32_t votes = 0;

		if (depth >= chains[i].n || !is_same_function(chains[i].frames[depth], culprit))
			continue;
		for (uint32_t k = 0; k < n_chains; k++)
			votes += depth < chains[k].n &&
				 is_same_function(chains[k].frames[depth], culprit) &&
				 chains[k].frames[depth]->line == chains[i].frames[depth]->line;
		if (votes > best_votes) {
			best_votes = votes;
			best = chains[i].frames[depth]->line;
		}
	}
	return best;
}

/* No outermost frame is shared by most: blame the culprit that one sample gives most often. */
static void blame_plurality(const struct sample_chain *chains, uint32_t n_chains,
			    struct site *ret_site)
{
	uint32_t best_votes = 0;

	for (uint32_t i = 0; i < n_chains; i++) {
		const struct frame *last = chains[i].n ? chains[i].frames[chains[i].n - 1] : NULL;
		uint32_t votes = 0;

		for (uint32_t k = 0; last && k < n_chains; k++)
			votes += chains[k].n &&
				 is_same_function(chains[k].frames[chains[k].n - 1], last);
		if (votes > best_votes) {
			best_votes = votes;
			ret_site->culprit = *last;
			ret_site->n_chain = 1;
			ret_site->chain[0] = last;
		}
	}
}

/* Who is to blame for work that was sampled; the stacks have to outlive the site. */
void site_of_samples(struct stack *const *stacks, uint32_t n_stacks, struct site *ret_site)
{
	struct sample_chain chains[SITE_MAX_SAMPLES];
	uint32_t n_chains = MIN(n_stacks, (uint32_t)SITE_MAX_SAMPLES), n_known = 0;

	memset(ret_site, 0, sizeof(*ret_site));
	for (uint32_t i = 0; i < n_chains; i++) {
		chains[i].n = chain_of(stacks[i], chains[i].frames);
		chains[i].is_out = false;
		n_known += chains[i].n > 0;
	}
	for (uint32_t depth = 0; depth < SITE_MAX_CHAIN; depth++) {
		uint32_t votes;
		const struct frame *best = most_common(chains, n_chains, depth, &votes);

		if (!best || votes * 2 <= n_known)
			break;
		leave_others(chains, n_chains, depth, best);
		ret_site->chain[ret_site->n_chain++] = best;
		ret_site->culprit = *best;
		ret_site->culprit.line = most_common_line(chains, n_chains, best, depth);
	}
	if (!ret_site->n_chain)
		blame_plurality(chains, n_chains, ret_site);
}
