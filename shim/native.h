/* SPDX-License-Identifier: Apache-2.0 */
/* Native: the native frames of the calling thread, as they go into a record */
#pragma once

#include <stdbool.h>

#include "wire/record.h"

struct native_stack {
	struct record_stack stack;
	struct record_native_frame frames[RECORD_MAX_FRAMES];
};

/* In the constructor, when native frames are wanted. */
void native_init(void);

/* When a watch opens that wants them. Return: whether this machine and libc can. */
bool native_open(void);

/* In a fork child. */
void native_forget(void);

/* The hooked function's own wrapper comes first, the one frame of this library there. */
void native_walk(struct native_stack *ret_stack);
