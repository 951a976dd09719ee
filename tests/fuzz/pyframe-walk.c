/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz: a chain of frames, by every way of walking it */
#include <string.h>

#include "fuzz.h"
#include "pyframe-image.h"
#include "pyframe/trail.h"

static struct pyframe_trail trail;
static struct pyframe_stack by_walk, by_passes, by_trail;

/* Memory that stands still gives the same stack each way. */
static void check_same(const struct pyframe_stack *a, const struct pyframe_stack *b)
{
	image_check(a->n_frames == b->n_frames && a->end == b->end);
	image_check(!memcmp(a->frames, b->frames, a->n_frames * sizeof(a->frames[0])));
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct image_head head;
	uint32_t n_gone = 0;
	struct pyframe p;
	int r;

	if (!image_open(bytes, n_bytes, &head) || image_pyframe(&head, &p))
		return 0;
	memset(&trail, 0, sizeof(trail));
	r = pyframe_walk(&p, &image_mem, head.tstate_raddr, &by_walk);
	if (r == 0)
		image_check_stack(&by_walk);
	image_check(pyframe_walk_stable(&p, &image_mem, head.tstate_raddr, &by_passes) == r);
	for (int i = 0; i < 3; i++) {
		image_check(pyframe_sample(&p, &image_mem, head.tstate_raddr, &trail, &by_trail) ==
			    r);
		if (r == 0)
			check_same(&by_trail, &by_passes);
	}
	if (r == 0)
		check_same(&by_walk, &by_passes);
	if (r == 0 &&
	    pyframe_confirm(&p, &image_mem, head.tstate_raddr, &trail, &by_trail, &n_gone) == 0)
		image_check(n_gone == 0);
	return 0;
}
