/* SPDX-License-Identifier: Apache-2.0 */
/* Still, on a machine where it is not known how to stop a thread unnoticed: always refused */
#include <stddef.h>

#include "still.h"

int still_take(const struct still_target *target, struct still **ret_still)
{
	(void)target;
	(void)ret_still;
	return STILL_E_REFUSED;
}

int still_take_waiting(const struct still_target *target, const uint64_t regs[STILL_N_REGS],
		       struct still **ret_still)
{
	(void)regs;
	return still_take(target, ret_still);
}

int still_take_anyhow(const struct still_target *target, struct still **ret_still)
{
	return still_take(target, ret_still);
}

struct still *still_free(struct still *still)
{
	(void)still;
	return NULL;
}

void still_freep(struct still **still)
{
	still_free(*still);
}

uint32_t still_walk(const struct still *still, struct still_frame frames[STILL_MAX_FRAMES],
		    enum pyframe_end *ret_end)
{
	(void)still;
	(void)frames;
	*ret_end = PYFRAME_END_UNREADABLE;
	return 0;
}
