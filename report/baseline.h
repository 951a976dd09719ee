/* SPDX-License-Identifier: Apache-2.0 */
/* Baseline: the findings that were known, in a file that can only shrink by itself */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "model.h"

#define BASELINE_VERSION 1

/* All findings of one fingerprint. */
struct baseline_entry {
	char fingerprint[17];
	enum finding_kind kind;
	uint64_t count;
	nsec_t max_ns;
	uint32_t n_lines; /* of code: two sleeps in one function are one entry */
	char *site;	  /* for people */
	char **ways;	  /* the callers that led there, as baseline_way() says them */
	uint32_t n_ways;
	bool is_seen; /* by the last report it was held against */
};

struct baseline {
	struct baseline_entry *entries; /* by fingerprint */
	size_t n_entries, n_room;
};

struct baseline_error {
	unsigned int line; /* 0: the file as a whole */
	const char *text;
};

struct baseline_changes {
	size_t n_removed, n_lowered, n_added;
};

#define BASELINE_INIT \
	{             \
		0     \
	}

void baseline_deinit(struct baseline *baseline);
int baseline_parse(struct baseline *baseline, const char *text, size_t length,
		   struct baseline_error *ret_error);
int baseline_mark(struct baseline *baseline, const char *path, struct report *report);
int baseline_update(struct baseline *baseline, const struct report *report, bool accepts_new,
		    struct baseline_changes *ret_changes);
void baseline_write(const struct baseline *baseline, FILE *out);

/* For its two halves. */
nsec_t baseline_round_up(nsec_t span_ns);
void baseline_sort(struct baseline *baseline);
struct baseline_entry *baseline_find(const struct baseline *baseline, const char *fingerprint);
struct baseline_entry *baseline_add(struct baseline *baseline);
void baseline_entry_deinit(struct baseline_entry *entry);
bool baseline_entry_has_way(const struct baseline_entry *entry, const char *way);
int baseline_entry_add_way(struct baseline_entry *entry, const char *way, size_t length);
