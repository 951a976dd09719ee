/* SPDX-License-Identifier: Apache-2.0 */
/* Piece: the part of a function that the compiler has put elsewhere, without a name */
#pragma once

#include <libelf.h>
#include <stdbool.h>
#include <stdint.h>

/* Addresses of the file, from a function's first byte to behind its last. */
struct piece {
	uint64_t begin;
	uint64_t end;
};

/* What the file is read by: libelf and a descriptor of the same file. */
bool piece_find(Elf *elf, int fd, struct piece function, struct piece *ret_rest);
