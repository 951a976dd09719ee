/* SPDX-License-Identifier: Apache-2.0 */
/* Line table: from an instruction of a code object to its source line */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pyframe/layout.h"

/* A search through one table, fed with its bytes in order, in pieces of any size. */
struct linetable {
	enum linetable_kind kind;
	uint64_t lasti;	    /* looked for, in bytes of bytecode */
	uint64_t end;	    /* of the bytecode covered so far */
	int64_t line;	    /* of the entry last decoded */
	bool is_done;	    /* no more bytes are needed */
	bool has_line;	    /* valid when done */
	uint8_t pending;    /* a byte or more of the current entry has been seen */
	uint8_t entry_code; /* LINETABLE_LOCATIONS: of the current entry */
	uint8_t entry_span; /* bytecode bytes of the current entry */
	uint8_t shift;
	uint64_t varint;
};

void linetable_init(enum linetable_kind kind, int32_t first_line, uint64_t lasti,
		    struct linetable *ret_table);
bool linetable_feed(struct linetable *table, const uint8_t *bytes, size_t n_bytes);
int32_t linetable_line(const struct linetable *table);
int32_t linetable_find(enum linetable_kind kind, const uint8_t *bytes, size_t n_bytes,
		       int32_t first_line, uint64_t lasti);
