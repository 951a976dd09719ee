/* SPDX-License-Identifier: Apache-2.0 */
/* Log-linear histogram of spans of ticks: 16 buckets for each power of two, one writer */
#pragma once

#include <stdint.h>

/* A bucket is at most 1/16 wide, so a percentile is within 6.25 % of the truth. */
#define HIST_SUB_BITS 4
#define HIST_SUB      (1u << HIST_SUB_BITS)
/* Below 2^10 ticks (about 0.4 us) nothing is told apart; above 2^43 (about an hour) neither. */
#define HIST_MIN_SHIFT 10
#define HIST_MAX_SHIFT 42
#define HIST_N_BUCKETS (1 + (HIST_MAX_SHIFT - HIST_MIN_SHIFT + 1) * HIST_SUB)

struct hist {
	uint64_t sum; /* ticks */
	uint64_t max; /* ticks */
	uint64_t n[HIST_N_BUCKETS];
};

/*
 * Without a branch: spans of real programs lie about a power of two as often as not, and a branch
 * that is guessed wrong costs more than all the rest of an edge but the clock.
 */
static inline unsigned int hist_bucket(uint64_t span)
{
	/* The last step before 2^10, which is the one that comes out as nought. */
	const uint64_t least = (2 * HIST_SUB - 1) << (HIST_MIN_SHIFT - 1 - HIST_SUB_BITS);
	const uint64_t most = (UINT64_C(1) << (HIST_MAX_SHIFT + 1)) - 1;
	uint64_t capped = span < most ? span : most, v = capped > least ? capped : least;
	unsigned int shift = 63 ^ (unsigned int)__builtin_clzll(v);

	/* v >> (shift - 4) is 16 to 31. */
	return shift * HIST_SUB + (unsigned int)(v >> (shift - HIST_SUB_BITS)) -
	       ((HIST_MIN_SHIFT + 1) * HIST_SUB - 1);
}

/* The first span in ticks that no longer belongs to the bucket. */
static inline uint64_t hist_upper(unsigned int bucket)
{
	unsigned int shift, sub;

	if (!bucket)
		return UINT64_C(1) << HIST_MIN_SHIFT;
	shift = HIST_MIN_SHIFT + (bucket - 1) / HIST_SUB;
	sub = (bucket - 1) % HIST_SUB;
	return (UINT64_C(1) << shift) + ((uint64_t)(sub + 1) << (shift - HIST_SUB_BITS));
}

/* One writer: plain stores, which a reader in another process sees a little later. */
static inline void hist_add(struct hist *hist, uint64_t span)
{
	hist->n[hist_bucket(span)]++;
	hist->sum += span;
	if (span > hist->max)
		hist->max = span;
}
