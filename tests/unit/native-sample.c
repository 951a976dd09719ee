/* SPDX-License-Identifier: Apache-2.0 */
/* A module for test-symbol.c, built with debug information, without it, and stripped */

#include "native-sample.h"

static __attribute__((noinline)) void sample_static(sample_fn fn)
{
	fn(__LINE__);
	__asm__ volatile("");
}

static inline __attribute__((always_inline)) void sample_innermost(sample_fn fn)
{
	fn(0);
	__asm__ volatile("");
}

static inline __attribute__((always_inline)) void sample_inlined(sample_fn fn)
{
	sample_innermost(fn);
	__asm__ volatile("");
}

__attribute__((visibility("default"))) void sample_exported(sample_fn fn)
{
	fn(__LINE__);
	sample_static(fn);
	sample_inlined(fn);
	__asm__ volatile("");
}

/* The call is the last instruction: what it would return to is another function. */
__attribute__((visibility("default"))) void sample_last(sample_last_fn fn)
{
	fn();
}
