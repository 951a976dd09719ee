/* SPDX-License-Identifier: Apache-2.0 */
/* Native: the native frames of calls, kept until their calls come, and joined to their stacks */
#pragma once

#include <stdint.h>

#include "model.h"
#include "symbol.h"
#include "wire/record.h"
#include "wire/region.h"

struct watch;

/* The last of each slot. */
struct native_table {
	struct record_native *kept[REGION_N_SLOTS];
};

void native_deinit(struct native_table *table);
void native_keep(struct native_table *table, const struct record_native *native);
void native_join(struct symbols *symbols, struct watch *watch, const struct record_call *call,
		 struct stack **stack);
struct symbol_view native_view(const struct watch *watch);
