/* SPDX-License-Identifier: Apache-2.0 */
/* Allow list: findings that somebody has looked at and accepts, each with the reason */
#pragma once

#include <stddef.h>

#include "model.h"

#define ALLOW_MAX_ENTRIES 1024

/* What is NULL or 0 is not asked for; all that is there has to match. Patterns as in a shell. */
struct allow_entry {
	const char *reason;
	const char *origin; /* the file's name */
	unsigned int line;
	uint32_t kinds;	   /* KIND_MASK; 0: any */
	uint64_t until_at; /* ns of CLOCK_REALTIME: it holds before; 0: for ever */
	const char *function;
	const char *file;
	const char *library;
	const char *call;
	const char *target;
	const char *test;
};

struct allow {
	struct allow_entry entries[ALLOW_MAX_ENTRIES];
	unsigned int n_entries;
};

struct allow_error {
	unsigned int line;
	const char *text;
};

int allow_add(struct allow *allow, const char *origin, const char *text, size_t length,
	      struct allow_error *ret_error);
int allow_apply(const struct allow *allow, uint64_t now_at, struct report *report);
