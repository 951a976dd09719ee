/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of the shim: constructor, fork, exit
 *
 * The constructor looks whether there is a CPython in the program and does nothing more if not. It
 * never waits and never fails: what cannot be had is left out. Python itself is not running yet;
 * an audit hook (py/bootstrap.c) tells us when asyncio is there.
 *
 * fork: the watchdog is ended before and made again by the next turn on either side. The child
 * drops its parent's region, socket and loops at once, since it shares that memory with it, and
 * opens a watch of its own with its first loop. vfork and posix_spawn do not come here and need
 * nothing: the child execs or ends. exec closes our descriptors and begins with the constructor.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "uplink.h"
#include "loop.h"
#include "py/bootstrap.h"
#include "real.h"
#include "watch.h"
#include "watchdog.h"

static void fork_prepare(void)
{
	int saved_errno = errno;

	watchdog_stop();
	errno = saved_errno;
}

static void fork_child(void)
{
	int saved_errno = errno;

	if (watch_is_open()) {
		watchdog_forget();
		loop_forget();
		uplink_forget();
		watch_forget();
	}
	errno = saved_errno;
}

static void process_exit(int status, void *unused)
{
	(void)unused;
	watch_exited(status);
	uplink_exit();
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
		watch.is_python = true;
		watch.clock_kind = clock_best_kind();
		clock_scale_start(watch.clock_kind, &watch.scale);
		if (loops_init() && bootstrap_init()) {
			pthread_atfork(fork_prepare, NULL, fork_child);
			on_exit(process_exit, NULL);
			if (uplink_is_wanted() && watch_open())
				uplink_try();
		}
	}
	errno = saved_errno;
}
