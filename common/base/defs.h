/* SPDX-License-Identifier: Apache-2.0 */
/* Words every file uses: cleanup attributes, ownership hand-over, branch hints, array length */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#define _cleanup_(fn)	    __attribute__((cleanup(fn)))
#define _cleanup_close_	    _cleanup_(close_p)
#define _hidden_	    __attribute__((visibility("hidden")))
#define _export_	    __attribute__((visibility("default")))
#define _cold_		    __attribute__((cold, noinline))
#define _unused_	    __attribute__((unused))
#define _printf_(fmt, args) __attribute__((format(printf, fmt, args)))

#define likely(x)	    __builtin_expect(!!(x), 1)
#define unlikely(x)	    __builtin_expect(!!(x), 0)
#define ARRAY_LEN(a)	    (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)	    ((a) < (b) ? (a) : (b))
#define MAX(a, b)	    ((a) > (b) ? (a) : (b))

/* Hand ownership over: the variable is left empty, so that its cleanup attribute does nothing. */
#define TAKE(p)                             \
	({                                  \
		__typeof__(p) _taken = (p); \
		(p) = NULL;                 \
		_taken;                     \
	})
#define TAKE_FD(fd)                   \
	({                            \
		int _taken_fd = (fd); \
		(fd) = -1;            \
		_taken_fd;            \
	})

/* One clock type for the tree: nanoseconds of CLOCK_MONOTONIC unless the name says otherwise. */
typedef uint64_t nsec_t;

#define NSEC_PER_SEC  UINT64_C(1000000000)
#define NSEC_PER_MSEC UINT64_C(1000000)
#define NSEC_PER_USEC UINT64_C(1000)

static inline void close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
