/* SPDX-License-Identifier: Apache-2.0 */
/* Native share: which native function of a finding was entered from Python, and how often seen */
#pragma once

#include "model.h"

#define NATIVE_SHARE_MAX 16

struct native_share {
	const struct frame *entered; /* the native frame next to Python */
	const struct stack *stack;   /* the one it was seen in most often */
	uint64_t count;		     /* samples of it */
};

uint32_t native_shares(const struct finding *finding,
		       struct native_share ret_shares[NATIVE_SHARE_MAX], uint64_t *ret_n_samples);
const char *native_module(const char *module, char *buf, size_t buf_bytes);
