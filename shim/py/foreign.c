/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Foreign: loops of frameworks that are not watched, so that nobody takes them for none
 *
 * "No loop ran" is a good result of a program that has none, and a bad one of a program whose loop
 * was not seen. So loops of twisted, curio and eventlet are counted as unknown, each when it first
 * waits (call-poll.c): they are known by the epoll object that is made while their module is there.
 */
#include <stdatomic.h>

#include "fork.h"
#include "py/foreign.h"
#include "unknown.h"
#include "watch.h"

_hidden_ _Atomic int foreign_epoll_fd = -1;

/* It waits on what a loop of these was given, and no loop that is known runs on this thread. */
_hidden_ _cold_ void foreign_polls(int epoll_fd)
{
	if (atomic_compare_exchange_strong(&foreign_epoll_fd, &epoll_fd, -1))
		watch_lost(LOSS_LOOP_UNKNOWN);
}

/* An epoll object has been made; no exception is set. */
_hidden_ void foreign_epoll_made(PyObject *epoll)
{
	static const char *const makers[] = {"twisted.internet.epollreactor", "curio.kernel",
					     "eventlet.hubs.epolls"};
	bool is_theirs = false;

	for (unsigned int i = 0; i < ARRAY_LEN(makers) && !is_theirs; i++)
		is_theirs = py_module(makers[i]);
	/* What is counted is told by a watch, and nothing else may open one here. */
	if (is_theirs && fork_watch_open())
		foreign_epoll_fd = py.PyObject_AsFileDescriptor(epoll);
	py.PyErr_Clear();
}
