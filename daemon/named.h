/* SPDX-License-Identifier: Apache-2.0 */
/* Named: stacks with native frames as a recording keeps them, by name and no longer by address */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "model.h"
#include "wire/recording.h"
#include "wire/region.h"

struct watch;

/* Of a call that comes next in its slot. */
struct named_call {
	uint64_t start;
	struct stack *stack; /* NULL: none */
};

struct named_table {
	struct named_call calls[REGION_N_SLOTS];
};

void named_deinit(struct named_table *table);
int named_write(FILE *out, const struct named_stack *head, const struct stack *stack);
int named_read(struct watch *watch, const unsigned char *bytes, size_t n_bytes);
struct stack *named_take(struct named_table *table, uint32_t slot, uint64_t start);
