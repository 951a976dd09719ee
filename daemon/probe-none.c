/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe, where it was not built: it says so
 */
#include "probe.h"

int probe_new(struct daemon *daemon, struct probe **ret_probe)
{
	(void)daemon;
	(void)ret_probe;
	return PROBE_E_NOT_BUILT;
}

struct probe *probe_free(struct probe *probe)
{
	(void)probe;
	return NULL;
}

int probe_attach(struct probe *probe, int32_t pid, const struct options *limits)
{
	(void)probe;
	(void)pid;
	(void)limits;
	return PROBE_E_NOT_BUILT;
}

bool probe_is_watching(const struct probe *probe)
{
	(void)probe;
	return false;
}

void probe_tick(struct probe *probe)
{
	(void)probe;
}

void probe_finish(struct probe *probe)
{
	(void)probe;
}
