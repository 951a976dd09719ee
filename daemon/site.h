/* SPDX-License-Identifier: Apache-2.0 */
/* Site: the frame to blame for a stall, and the user's frames that led to it */
#pragma once

#include "model.h"

/* Deeper chains tell no two sites apart that these do not. */
#define SITE_MAX_CHAIN 16

struct site {
	struct frame culprit; /* file NULL: nothing is known */
	uint32_t n_chain;
	const struct frame *chain[SITE_MAX_CHAIN]; /* outermost first, the culprit last */
};

void site_of_stack(const struct stack *stack, struct site *ret_site);
void site_of_samples(struct stack *const *stacks, uint32_t n_stacks, struct site *ret_site);
