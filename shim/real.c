/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real functions behind the hooked symbols
 *
 * All are looked up in our constructor, since dlsym() takes the loader's lock and may allocate.
 * Constructors of other libraries can run before ours, so each is also looked up on first use.
 * Plain dlsym(RTLD_NEXT) gives the default version of a symbol; none of those in hooks.def has an
 * older version of other semantics on 64-bit glibc.
 */
#include <dlfcn.h>
#include <errno.h>

#include "real.h"

_hidden_ struct real real;

_hidden_ const char *const hook_names[HOOK_N] = {
#define HOOK(family, symbol, need) [HOOK_##symbol] = #symbol,
#include "hooks.def"
#undef HOOK
};

/* What a program gets that found our symbol where its libc has none. */
static long real_missing(void)
{
	errno = ENOSYS;
	return -1;
}

_hidden_ _cold_ void *real_resolve(enum hook hook)
{
	int saved_errno = errno;
	void **slot = (void **)&real + hook;
	void *symbol = dlsym(RTLD_NEXT, hook_names[hook]);

	if (!symbol)
		symbol = (void *)real_missing;
	__atomic_store_n(slot, symbol, __ATOMIC_RELAXED);
	errno = saved_errno;
	return symbol;
}

_hidden_ void real_resolve_all(void)
{
	for (unsigned int hook = 0; hook < HOOK_N; hook++)
		real_resolve((enum hook)hook);
}
