/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The real functions behind the hooked symbols
 *
 * All are looked up in our constructor, since dlsym() takes the loader's lock and may allocate.
 * Constructors of other libraries can run before ours, so each is also looked up on first use.
 * dlsym(RTLD_NEXT) gives the oldest version of a symbol before glibc 2.36 (sourceware bug 14932),
 * so what has an older one of other semantics on 64-bit glibc is asked for by its version.
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
 * The symbols that exist in two versions of other semantics (x86-64; later ports have the new ones
 * alone). Conditions were made anew; realpath() learnt to allocate its result, with EINVAL before;
 * posix_spawn() ran a script without an interpreter's line by the shell.
 */
static const struct {
	enum hook hook;
	const char *version;
} versioned[] = {
	{HOOK_pthread_cond_timedwait, "GLIBC_2.3.2"},
	{HOOK_pthread_cond_wait, "GLIBC_2.3.2"},
	{HOOK_realpath, "GLIBC_2.3"},
	{HOOK_posix_spawn, "GLIBC_2.15"},
	{HOOK_posix_spawnp, "GLIBC_2.15"},
};

static void *symbol_find(enum hook hook)
{
	void *symbol = NULL;

	for (unsigned int i = 0; !symbol && i < ARRAY_LEN(versioned); i++)
		if (versioned[i].hook == hook)
			symbol = dlvsym(RTLD_NEXT, hook_names[hook], versioned[i].version);
	return symbol ? symbol : dlsym(RTLD_NEXT, hook_names[hook]);
}

_hidden_ _cold_ void *real_resolve(enum hook hook)
{
	int saved_errno = errno;
	void **slot = (void **)&real + hook;
	void *symbol = symbol_find(hook);

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
