/* SPDX-License-Identifier: Apache-2.0 */
/* Object: what kind of Python object stands at an address */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "pyframe/pyframe.h"

/* Longer names are told apart by their first characters. */
#define OBJECT_MAX_TYPE_NAME 48

struct object_type {
	uint64_t raddr;
	uint64_t base_raddr;
	uint64_t size_bytes; /* of its instances */
	uint64_t flags;
	char name[OBJECT_MAX_TYPE_NAME];
};

/* tp_flags, Include/object.h, all versions. */
#define OBJECT_IS_HEAP_TYPE (UINT64_C(1) << 9)
#define OBJECT_IS_INT	    (UINT64_C(1) << 24)
#define OBJECT_IS_STR	    (UINT64_C(1) << 28)

int object_read_type(const struct pyframe *p, const struct mem *mem, uint64_t object_raddr,
		     uint64_t *ret_type_raddr);
int object_describe_type(const struct pyframe *p, const struct mem *mem, uint64_t type_raddr,
			 struct object_type *ret_type);
int object_read_int(const struct pyframe *p, const struct mem *mem, uint64_t int_raddr,
		    uint64_t *ret_value);
