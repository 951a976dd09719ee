/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real functions behind the hooked symbols
 *
 * All are looked up in our constructor, since dlsym() takes the loader's lock and may allocate.
 * Constructors of other libraries can run before ours, so each is also looked up on first use.
 * Plain dlsym(RTLD_NEXT) gives the default version of a symbol; of those in hooks.def only
 * pthread_cond_wait and pthread_cond_timedwait have older ones of other semantics on 64-bit glibc.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>

#include "real.h"

_hidden_ struct real real;

_hidden_ const char *const hook_names[HOOK_N_NAMES] = {
#define HOOK(family, symbol, need) [HOOK_##symbol] = #symbol,
#include "hooks.def"
#undef HOOK
	[HOOK_futex] = "futex",
	[HOOK_io_uring_enter] = "io_uring_enter",
};

/* What a program gets that found our symbol where its libc has none. */
static long real_missing(void)
{
	errno = ENOSYS;
	return -1;
}

/*
 * The symbols that exist in two versions of other semantics: conditions were made anew in glibc
 * 2.3.2 (x86-64; later ports have the new ones alone), and dlsym() may give the old one.
 */
static void *condition_find(const char *name)
{
	static const char *const versions[] = {"GLIBC_2.3.2", "GLIBC_2.17"};
	void *symbol = NULL;

	for (unsigned int i = 0; !symbol && i < ARRAY_LEN(versions); i++)
		symbol = dlvsym(RTLD_NEXT, name, versions[i]);
	return symbol ? symbol : dlsym(RTLD_NEXT, name);
}

static bool is_condition(enum hook hook)
{
	return hook == HOOK_pthread_cond_timedwait || hook == HOOK_pthread_cond_wait;
}

_hidden_ _cold_ void *real_resolve(enum hook hook)
{
	int saved_errno = errno;
	void **slot = (void **)&real + hook;
	void *symbol = is_condition(hook) ? condition_find(hook_names[hook])
					  : dlsym(RTLD_NEXT, hook_names[hook]);

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
