/* SPDX-License-Identifier: Apache-2.0 */
/* The real functions behind the hooked symbols */
#pragma once

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/defs.h"

enum hook {
#define HOOK(family, symbol, need) HOOK_##symbol,
#include "hooks.def"
#undef HOOK
	HOOK_N,
};

struct real {
#define HOOK(family, symbol, need) __typeof__(&symbol) symbol;
#include "hooks.def"
#undef HOOK
};

extern struct real real;
extern const char *const hook_names[HOOK_N];

void *real_resolve(enum hook hook);
void real_resolve_all(void);

/*
 * The real function, looked up now if a foreign constructor calls us before ours has run. Two
 * threads may look it up at once: both find the same address.
 */
#define REAL(symbol)                                                                         \
	({                                                                                   \
		__typeof__(&symbol) _real = __atomic_load_n(&real.symbol, __ATOMIC_RELAXED); \
		if (unlikely(!_real))                                                        \
			_real = (__typeof__(&symbol))real_resolve(HOOK_##symbol);            \
		_real;                                                                       \
	})
