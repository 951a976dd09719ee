/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz: a task, its names, its coroutines and its awaiters */
#include <string.h>

#include "fuzz.h"
#include "pyframe-image.h"
#include "pyframe/dict.h"
#include "pyframe/task.h"

static struct task_chain chain;

static void check_chain(const struct pyframe *p, uint64_t coro_raddr)
{
	task_follow(p, &image_mem, coro_raddr, &chain);
	image_check(chain.n_links <= TASK_MAX_CHAIN && chain.end <= TASK_END_INVALID);
	for (uint32_t i = 0; i < chain.n_links; i++)
		image_check(chain.links[i].addr.code_raddr != 0);
}

static void check_place(const struct pyframe *p, const struct image_head *head)
{
	static struct pyframe_stack stack;
	struct task_place place;

	if (pyframe_walk(p, &image_mem, head->tstate_raddr, &stack) ||
	    task_find_place(p, &image_mem, head->tstate_raddr, head->coro_raddr, &stack, &place))
		return;
	image_check(place.inner <= place.outer && place.outer < stack.n_frames);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	uint64_t awaiters[TASK_MAX_AWAITERS], raddr;
	struct image_head head;
	struct task_layout t;
	char name[TASK_MAX_NAME];
	struct pyframe p;
	int r;

	if (!image_open(bytes, n_bytes, &head) || image_pyframe(&head, &p))
		return 0;
	check_chain(&p, head.coro_raddr);
	check_place(&p, &head);
	dict_find(&p, &image_mem, head.task_raddr, head.coro_raddr, &raddr);
	if (task_init(&p, &image_mem, IMAGE_RADDR, n_bytes, &t))
		return 0;
	if (task_coroutine(&p, &t, &image_mem, head.task_raddr, &raddr) == 0)
		check_chain(&p, raddr);
	r = task_name(&p, &t, &image_mem, head.task_raddr, name, sizeof(name));
	if (r >= 0)
		image_check_text(name, (size_t)r, sizeof(name));
	r = task_awaiters(&p, &t, &image_mem, head.task_raddr, awaiters, TASK_MAX_AWAITERS);
	image_check(r <= TASK_MAX_AWAITERS);
	task_of_callable(&p, &t, &image_mem, head.callable_raddr, &raddr);
	task_of_thread(&p, &t, &image_mem, head.tstate_raddr, &raddr);
	task_of_loop(&p, &t, &image_mem, head.callable_raddr, head.coro_raddr, &raddr);
	return 0;
}
