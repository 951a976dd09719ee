/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits, where kernel probes were not built: it says so, and so nothing else of it is ever called
 */
#include "probe.h"
#include "waits.h"

int waits_new(struct daemon *daemon, struct waits **ret_waits)
{
	(void)daemon;
	(void)ret_waits;
	return PROBE_E_NOT_BUILT;
}

struct waits *waits_free(struct waits *waits)
{
	(void)waits;
	return NULL;
}

int waits_begin_family(struct waits *waits)
{
	(void)waits;
	return PROBE_E_NOT_BUILT;
}

void waits_end_family(struct waits *waits)
{
	(void)waits;
}

void waits_take_watch(struct waits *waits, const struct watch *watch)
{
	(void)waits;
	(void)watch;
}

void waits_forget_watch(struct waits *waits, const struct watch *watch)
{
	(void)waits;
	(void)watch;
}

void waits_want(struct waits *waits, int32_t pid, int32_t tid)
{
	(void)waits;
	(void)pid;
	(void)tid;
}

bool waits_registers(struct waits *waits, int32_t tid, struct waits_registers *ret_registers)
{
	(void)waits;
	(void)tid;
	(void)ret_registers;
	return false;
}

bool waits_span(struct waits *waits, int32_t tid, nsec_t from, nsec_t to, nsec_t *ret_ns)
{
	(void)waits;
	(void)tid;
	(void)from;
	(void)to;
	(void)ret_ns;
	return false;
}

uint64_t waits_tick(struct waits *waits)
{
	(void)waits;
	return 0;
}
