/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the shim: constructor and exit
 *
 * The constructor looks whether there is a CPython in the program and does nothing more if not. It
 * never waits and never fails: what cannot be had is left out. Python itself is not running yet;
 * an audit hook (py/bootstrap.c) tells us when asyncio is there.
 *
 * All that needs the loader (dlsym) or the environment is done here. Later a thread may hold the
 * GIL that another one waits for in a constructor, with the loader's lock held.
 *
 * exec closes our descriptors and begins with the constructor again. For fork see fork.c.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "config.h"
#include "fork.h"
#include "uplink.h"
#include "loop.h"
#include "py/bootstrap.h"
#include "real.h"
#include "room.h"
#include "strict.h"
#include "thread.h"
#include "watch.h"
#include "watchdog.h"

static void process_exit(int status, void *unused)
{
	(void)unused;
	/* A vfork child that fails to exec comes here with its parent's memory. */
	if (!loops_run_here())
		return;
	if (thread_loop)
		strict_flush(thread_loop);
	/* What follows is ours and not the callback's, if one runs still. */
	thread_loop = NULL;
	watch_exited(status);
	watchdog_finish();
}

/* Not a descendant of exit(): what os._exit() and multiprocessing's children end with. */
_export_ void _exit(int status)
{
	process_exit(status, NULL);
	REAL(_exit)(status);
	__builtin_unreachable();
}

_export_ void _Exit(int status)
{
	process_exit(status, NULL);
	REAL(_Exit)(status);
	__builtin_unreachable();
}

__attribute__((constructor)) static void shim_init(void)
{
	int saved_errno = errno;

	real_resolve_all();
	if (dlsym(RTLD_DEFAULT, "_PyRuntime")) {
		config_read();
		watch_init();
		room_init();
		thread_init();
		if (loops_init() && bootstrap_init()) {
			fork_init();
			on_exit(process_exit, NULL);
			if (uplink_is_wanted() && watch_open())
				uplink_open();
		}
	}
	errno = saved_errno;
}
