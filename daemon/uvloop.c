/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Uvloop: a loop of uvloop, found on the stack of its thread
 *
 * uv_run() and the functions it calls keep the address of their uv_loop_t in registers, which they
 * save on the stack before they use them for something else. So it is among the words above the
 * stack pointer of a thread that sleeps in its loop's epoll_wait() or runs a callback. A word is
 * taken for it when what it points at has a descriptor at its place and points at an object whose
 * type is uvloop.loop.Loop, or made of it, which points back and says that it runs, and in that
 * thread: others have its address on their stacks as well, of call_soon_threadsafe().
 *
 * uv_loop_t is the same in all of libuv 1.x (include/uv.h, include/uv/unix.h, include/uv/linux.h).
 * Loop begins with its table of methods and the uv_loop_t, and its flags follow (uvloop/loop.pxd,
 * 0.11 to 0.23).
 */
#include <errno.h>
#include <string.h>

#include "base/defs.h"
#include "pyframe/object.h"
#include "uvloop.h"

/* uv__io_poll() alone has 12 KB of events; below it are the C frames of a callback. */
#define STACK_BYTES	 (64u << 10)
#define STACK_PIECE	 4096u
#define MAX_BASES	 8
#define LOOP_TYPE	 "uvloop.loop.Loop"
#define MIN_RADDR	 UINT64_C(0x10000)
#define MAX_RADDR	 (UINT64_C(1) << 47)
#define LOOP_RUNNING	 56
#define UV_METRICS_COUNT 8 /* behind the flags, from libuv 1.45 on */

/* struct uv_loop_s */
struct uv_loop {
	uint64_t data;
	uint64_t active_handles;
	uint64_t handle_queue[2];
	uint64_t active_requests;
	uint64_t internal_fields;
	uint64_t stop_flag;
	uint64_t flags;
	int32_t backend_fd;
};

/* struct __pyx_obj_6uvloop_4loop_Loop */
struct loop_object {
	uint64_t references;
	uint64_t type;
	uint64_t methods;
	uint64_t uv_loop;
	uint64_t more[2];
	int32_t is_closed;
	int32_t reserved;
	int32_t is_running;
	int32_t is_stopping;
	uint64_t thread_id; /* the pthread_t of the thread that runs it */
};

static bool is_address(uint64_t word)
{
	return word >= MIN_RADDR && word < MAX_RADDR && word % 8 == 0;
}

static bool is_loop_type(const struct interpreter *in, uint64_t type_raddr)
{
	struct object_type type;

	for (int i = 0; is_address(type_raddr) && i < MAX_BASES; i++) {
		if (object_describe_type(&in->pyframe, &in->mem, type_raddr, &type))
			return false;
		if (!strcmp(type.name, LOOP_TYPE))
			return true;
		type_raddr = type.base_raddr;
	}
	return false;
}

/* thread_raddr: 0 for any, and then the one it says. */
static bool is_uv_loop(const struct interpreter *in, uint64_t raddr, uint64_t *thread_raddr,
		       struct uv_loop *uv)
{
	struct loop_object object;
	bool is_one = !mem_read(&in->mem, raddr, uv, sizeof(*uv)) && uv->backend_fd >= 0 &&
		      is_address(uv->data) && is_address(uv->internal_fields) &&
		      !mem_read(&in->mem, uv->data, &object, sizeof(object)) &&
		      object.uv_loop == raddr && object.is_running == 1 && !object.is_closed &&
		      (!*thread_raddr || object.thread_id == *thread_raddr) &&
		      is_loop_type(in, object.type);

	if (is_one)
		*thread_raddr = object.thread_id;
	return is_one;
}

static bool search_words(const struct interpreter *in, const uint64_t *words, uint32_t n_words,
			 uint64_t thread_raddr, struct loops_uvloop *uvloop)
{
	struct uv_loop uv;
	uint64_t last = 0;

	for (uint32_t i = 0; i < n_words; i++) {
		if (!is_address(words[i]) || words[i] == last)
			continue;
		last = words[i];
		if (!is_uv_loop(in, last, &thread_raddr, &uv))
			continue;
		uvloop->thread_raddr = thread_raddr;
		uvloop->uv_raddr = last;
		uvloop->running_raddr = uv.data + LOOP_RUNNING;
		uvloop->count_raddr = uv.internal_fields + UV_METRICS_COUNT;
		uvloop->fd = (uint64_t)uv.backend_fd;
		return true;
	}
	return false;
}

/* That of a thread, by its pthread_t (0: not known) and stack pointer. Return: 0, or -ENOENT. */
int uvloop_find(const struct interpreter *interpreter, uint64_t thread_raddr, uint64_t sp_raddr,
		struct loops_uvloop *ret_uvloop)
{
	struct loops_uvloop uvloop = {0};
	uint64_t words[STACK_PIECE / 8];
	uint64_t raddr = sp_raddr & ~UINT64_C(7), end_raddr = raddr + STACK_BYTES, n_bytes;

	_Static_assert(offsetof(struct loop_object, is_running) == LOOP_RUNNING,
		       "as uvloop has it");
	for (; raddr < end_raddr; raddr += n_bytes) {
		/* Not across the end of a page: the stack ends with one. */
		n_bytes = STACK_PIECE - raddr % STACK_PIECE;
		if (mem_read(&interpreter->mem, raddr, words, n_bytes))
			return -ENOENT;
		if (!search_words(interpreter, words, (uint32_t)(n_bytes / 8), thread_raddr,
				  &uvloop))
			continue;
		*ret_uvloop = uvloop;
		return 0;
	}
	return -ENOENT;
}
