/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz: a runtime that describes itself anyhow, and all that is read by what it says */
#include <string.h>

#include "base/defs.h"
#include "fuzz.h"
#include "pyframe-image.h"
#include "pyframe/memo.h"
#include "pyframe/task.h"
#include "pyframe/trail.h"

static struct pyframe_stack stack;
static struct pyframe_text text;
static struct pyframe_trail trail;
static struct memo_name names[PYFRAME_MAX_FRAMES];
static struct memo_entry entries[64];
static const struct memo memo = {entries, ARRAY_LEN(entries)};

/* Every reader, with a layout that was let in. */
static void read_all(const struct image_head *head, const struct pyframe *p)
{
	uint64_t raddr = head->tstate_raddr;
	struct task_layout t;
	char name[64];

	pyframe_find_thread(p, &image_mem, head->lasti, &raddr);
	for (int i = 0; i < 2; i++)
		if (pyframe_sample(p, &image_mem, raddr, &trail, &stack) == 0)
			image_check_stack(&stack);
	memo_recall(&memo, p, &image_mem, stack.frames, stack.n_frames, names);
	for (uint32_t i = 0; i < stack.n_frames; i++)
		if (pyframe_describe(p, &image_mem, &stack.frames[i], &text) == 0)
			image_check_text(text.file, text.file_len, sizeof(text.file));
	pyframe_check(p, &image_mem, raddr, head->code_raddr, 1);
	pyframe_coroutine_code(p, &image_mem, head->coro_raddr, &raddr);
	pyframe_coroutine_name(p, &image_mem, head->coro_raddr, name, sizeof(name));
	task_init(p, &image_mem, IMAGE_RADDR, 65536, &t);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct image_head head;
	struct pyframe p;

	if (!image_open(bytes, n_bytes, &head))
		return 0;
	memset(&trail, 0, sizeof(trail));
	memset(&stack, 0, sizeof(stack));
	if (pyframe_init(&image_mem, head.runtime_raddr, image_version(&head), head.code_type_raddr,
			 &p) == 0)
		read_all(&head, &p);
	return 0;
}
