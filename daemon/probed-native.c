/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The native frames of a watched thread that waits
 *
 * Nothing is stopped for them: a thread that waits stands still. The probe of waits keeps the
 * registers it came into the kernel with, its stack is copied, and the unwind tables of its modules
 * lead from frame to frame (still.c), whether there are frame pointers or not. All of it is of one
 * moment when the wait is the same one before and after; it goes into the region just before the
 * call, as a shim would have written it.
 */
#include <assert.h>
#include <string.h>

#include "native.h"
#include "probed.h"
#include "still.h"
#include "symbol.h"
#include "waits-api.bpf.h"
#include "waits.h"
#include "watch.h"

/* An offset in a module, whatever is there. */
#define NATIVE_ANY 4096

static_assert((int)STILL_N_REGS == (int)WAITS_N_REGS, "registers by DWARF number");

static void fill(struct probed *probed, const struct still *still, struct probed_native *native)
{
	struct still_frame frames[STILL_MAX_FRAMES];
	enum pyframe_end end;
	uint32_t n = still_walk(still, frames, &end);

	for (uint32_t i = 0; i < n; i++)
		native->frames[i] = (struct record_native_frame){
			.module_str = scribe_string(&probed->scribe, frames[i].module,
						    strlen(frames[i].module)),
			.offset = frames[i].offset,
		};
	memcpy(native->record.entries, still->python.entries, sizeof(native->record.entries));
	native->record.head.type = RECORD_NATIVE;
	native->record.stack = (struct record_stack){n, end};
}

/* Return: a thread as it waits; NULL when it does not, or not any more. For still_free(). */
static struct still *take_waiting(struct probed *probed, const struct loops_thread *seen)
{
	struct still_target target = {
		.pid = probed->pid,
		.tid = (int32_t)seen->event.our_tid,
		.tstate_raddr = seen->tstate_raddr,
		.pyframe = probed->scribe.interpreter.pyframe,
	};
	struct waits_registers before, after;
	uint64_t regs[STILL_N_REGS];
	struct still *still;

	if (!probed->symbols || !probed->waits || !target.tstate_raddr ||
	    !waits_registers(probed->waits, target.tid, &before))
		return NULL;
	for (unsigned int i = 0; i < STILL_N_REGS; i++)
		regs[i] = before.regs[i];
	if (still_take_waiting(&target, regs, &still))
		return NULL;
	if (waits_registers(probed->waits, target.tid, &after) && after.since == before.since)
		return still;
	return still_free(still);
}

/*
 * The first name that is looked up in a module has its tables read, which can take half a second,
 * and in it waits would be missed. So one of the interpreter's and of the C library's is looked up
 * before anything is watched.
 */
void probed_open_native(struct probed *probed)
{
	uint64_t runtime_raddr = probed->scribe.interpreter.pyframe.runtime_raddr;
	_cleanup_(maps_deinit) struct maps maps = {0};
	struct symbol_view view = native_view(probed->watch);
	struct symbol symbol;

	if (!probed->symbols || maps_load(probed->pid, &maps))
		return;
	for (uint32_t i = 0; i < maps.n_maps; i++) {
		const struct map *map = &maps.maps[i];

		if (*map->path == '/' && ((!map->offset && strstr(map->path, "/libc.so.")) ||
					  map->end - 1 - map->begin >= runtime_raddr - map->begin))
			symbols_find(probed->symbols, &view, map->path, NATIVE_ANY, &symbol);
	}
}

/*
 * A loop that sleeps shows most of what stands on other stacks as well: its names are looked up
 * before there is anything to miss.
 */
void probed_prepare_native(struct probed *probed, const struct loops_thread *seen)
{
	_cleanup_(still_freep) struct still *still =
		probed->has_symbols ? NULL : take_waiting(probed, seen);
	struct symbol_view view = native_view(probed->watch);
	struct still_frame frames[STILL_MAX_FRAMES];
	enum pyframe_end end;
	struct symbol symbol;
	uint32_t n = still ? still_walk(still, frames, &end) : 0;

	for (uint32_t i = 0; i < n; i++)
		symbols_find(probed->symbols, &view, frames[i].module, frames[i].offset, &symbol);
	probed->has_symbols |= n != 0;
}

/* A thread as it waits, in a wait that began at call_start. */
void probed_take_native(struct probed *probed, const struct loops_thread *seen,
			struct probed_native *native)
{
	_cleanup_(still_freep) struct still *still = take_waiting(probed, seen);

	native->record.start = still ? seen->call_start : 0;
	if (still)
		fill(probed, still, native);
}

/* Written just before a call, if they are its; where there are none, that is said. */
void probed_write_native(struct probed *probed, struct probed_native *native,
			 const struct record_call *call)
{
	if (!probed->symbols)
		return;
	if (native->record.start != call->start) {
		probed->watch->lost.n[LOST_NATIVE_MISSED]++;
		return;
	}
	native->record.head.ticks = call->head.ticks;
	native->record.slot = call->slot;
	scribe_write_native(&probed->scribe, &native->record, native->frames);
	native->record.start = 0;
}
