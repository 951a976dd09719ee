/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waiting for descriptors: poll, select, and epoll in both its roles
 *
 * An epoll wait on the descriptor the loop itself sleeps on is the edge between two turns. Any
 * other epoll wait, poll or select inside an open turn is a call like any other: a synchronous
 * client with a selector of its own does not end the turn. With a timeout of nought nothing waits.
 */
#include <errno.h>

#include "call.h"
#include "unknown.h"

static void count_other_poll(int epoll_fd)
{
	if (unlikely(watch_is_open()))
		atomic_fetch_add_explicit(&watch.region.header->other_polls, 1,
					  memory_order_relaxed);
	if (unlikely(foreign_epoll_fd >= 0 && foreign_epoll_fd == epoll_fd))
		foreign_polls(epoll_fd);
}

static bool span_is_nought(const struct timespec *span)
{
	return span && !span->tv_sec && !span->tv_nsec;
}

/*
 * libc hands the span of epoll_pwait2() on to the kernel unread (glibc 2.35 to 2.41), so it may
 * lead anywhere. It matters only on the thread of a loop.
 */
static bool foreign_span_is_nought(const struct timespec *span)
{
	int saved_errno = errno;
	struct timespec copy;
	bool is_nought;

	if (!span || !thread_loop)
		return false;
	is_nought = !mem_read(&watch.remote, (uint64_t)(uintptr_t)span, &copy, sizeof(copy)) &&
		    span_is_nought(&copy);
	errno = saved_errno;
	return is_nought;
}

/* A turn ends, the loop sleeps, the next turn begins. */
#define LOOP_POLL(loop, symbol, args)                                                            \
	({                                                                                       \
		int _n;                                                                          \
                                                                                                 \
		loop_turn_end(loop);                                                             \
		_n = REAL(symbol) args;                                                          \
		/* A signal handler may have forked meanwhile: in the child there is no loop. */ \
		if (likely(thread_loop == loop && loop->epoll_key))                              \
			loop_turn_begin(loop);                                                   \
		_n;                                                                              \
	})

/* Any other epoll wait: a call when it can wait, and counted where no loop runs. */
#define OTHER_POLL(symbol, fd, is_nought, args)                                        \
	({                                                                             \
		if (!thread_loop)                                                      \
			count_other_poll(fd);                                          \
		is_nought ? REAL(symbol) args : CALL_FD(symbol, CALL_WAITS, fd, args); \
	})

/*
 * One of the epoll waits. A busy loop asks without sleeping; that is the way with the fewest steps,
 * and the others stand apart, so that it has no registers to save for them.
 */
#define EPOLL_WRAPPER(symbol, is_nought, parameters, args)                             \
	static __attribute__((noinline)) int symbol##_full parameters                  \
	{                                                                              \
		struct loop *loop = thread_loop;                                       \
                                                                                       \
		if (loop_owns(loop, epoll_fd) ||                                       \
		    (loop && loop->takes_epoll && loop_take_epoll(loop, epoll_fd)))    \
			return LOOP_POLL(loop, symbol, args);                          \
		return OTHER_POLL(symbol, epoll_fd, is_nought, args);                  \
	}                                                                              \
                                                                                       \
	_export_ int symbol parameters                                                 \
	{                                                                              \
		struct loop *loop = thread_loop;                                       \
                                                                                       \
		if ((is_nought) && likely(loop_owns(loop, epoll_fd)) && real.symbol && \
		    likely(loop_turn_pass(loop)))                                      \
			return real.symbol args;                                       \
		return symbol##_full args;                                             \
	}

EPOLL_WRAPPER(epoll_wait, !timeout_ms,
	      (int epoll_fd, struct epoll_event *events, int n_max, int timeout_ms),
	      (epoll_fd, events, n_max, timeout_ms))

EPOLL_WRAPPER(epoll_pwait, !timeout_ms,
	      (int epoll_fd, struct epoll_event *events, int n_max, int timeout_ms,
	       const sigset_t *mask),
	      (epoll_fd, events, n_max, timeout_ms, mask))

EPOLL_WRAPPER(epoll_pwait2, foreign_span_is_nought(timeout),
	      (int epoll_fd, struct epoll_event *events, int n_max, const struct timespec *timeout,
	       const sigset_t *mask),
	      (epoll_fd, events, n_max, timeout, mask))

/*
 * poll and ppoll: the first descriptor stands for all. It is looked at after the call has not
 * failed, since before that fds may point anywhere.
 */
#define POLL_CALL(symbol, fds, n_fds, args)                                     \
	({                                                                      \
		struct loop *_loop = call_enter(HOOK_##symbol, CALL_WAITS, -1); \
		int _n = REAL(symbol) args;                                     \
                                                                                \
		if (unlikely(_loop) && call_is_ours(_loop)) {                   \
			struct call_about _about = {                            \
				.hook = HOOK_##symbol,                          \
				.nature = CALL_WAITS,                           \
				.subject = SUBJECT_FD,                          \
				.fd = _n >= 0 && (n_fds) ? (fds)[0].fd : -1,    \
				.caller = __builtin_return_address(0),          \
			};                                                      \
			call_leave(_loop, &_about, _n < 0 ? errno : 0);         \
		}                                                               \
		_n;                                                             \
	})

_export_ int poll(struct pollfd *fds, nfds_t n_fds, int timeout_ms)
{
	if (!timeout_ms)
		return REAL(poll)(fds, n_fds, timeout_ms);
	return POLL_CALL(poll, fds, n_fds, (fds, n_fds, timeout_ms));
}

_export_ int __poll_chk(struct pollfd *fds, nfds_t n_fds, int timeout_ms, size_t room_bytes)
{
	if (!timeout_ms)
		return REAL(__poll_chk)(fds, n_fds, timeout_ms, room_bytes);
	return POLL_CALL(__poll_chk, fds, n_fds, (fds, n_fds, timeout_ms, room_bytes));
}

_export_ int ppoll(struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout,
		   const sigset_t *mask)
{
	if (span_is_nought(timeout))
		return REAL(ppoll)(fds, n_fds, timeout, mask);
	return POLL_CALL(ppoll, fds, n_fds, (fds, n_fds, timeout, mask));
}

_export_ int __ppoll_chk(struct pollfd *fds, nfds_t n_fds, const struct timespec *timeout,
			 const sigset_t *mask, size_t room_bytes)
{
	if (span_is_nought(timeout))
		return REAL(__ppoll_chk)(fds, n_fds, timeout, mask, room_bytes);
	return POLL_CALL(__ppoll_chk, fds, n_fds, (fds, n_fds, timeout, mask, room_bytes));
}

/*
 * The highest descriptor that is waited for: everybody passes it plus one. The sets are not looked
 * at, since the kernel may find that they are no memory. None: a sleep, as time.sleep() up to
 * CPython 3.10 (Modules/timemodule.c, pysleep()).
 */
static int select_fd(int n_fds)
{
	return n_fds > 0 ? n_fds - 1 : -1;
}

_export_ int select(int n_fds, fd_set *readable, fd_set *writable, fd_set *exceptional,
		    struct timeval *timeout)
{
	if (timeout && !timeout->tv_sec && !timeout->tv_usec)
		return REAL(select)(n_fds, readable, writable, exceptional, timeout);
	return CALL_FD(select, CALL_WAITS, select_fd(n_fds),
		       (n_fds, readable, writable, exceptional, timeout));
}

_export_ int pselect(int n_fds, fd_set *readable, fd_set *writable, fd_set *exceptional,
		     const struct timespec *timeout, const sigset_t *mask)
{
	if (span_is_nought(timeout))
		return REAL(pselect)(n_fds, readable, writable, exceptional, timeout, mask);
	return CALL_FD(pselect, CALL_WAITS, select_fd(n_fds),
		       (n_fds, readable, writable, exceptional, timeout, mask));
}
