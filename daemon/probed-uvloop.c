/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probed: which threads run a loop of uvloop
 *
 * A thread of which nobody knows a loop is searched for one of uvloop when it waits, or has waited,
 * or is sampled; where there is one, the probe is told of it and knows its turns from then on. When
 * that loop is gone the probe sees it, and such a thread is searched again.
 */
#include <dirent.h>
#include <stdio.h>

#include "base/clock.h"
#include "probed.h"
#include "syscall-name.h"
#include "uvloop.h"

/* To read a stack takes a millisecond at most; in vain, it is done ever less often. */
#define SEARCH_FIRST_STEP_NS (5 * NSEC_PER_MSEC)
#define SEARCH_LAST_STEP_NS  (320 * NSEC_PER_MSEC)

/* The place of a thread's loop: where it had one before, or a free one. NULL: there is none. */
static struct loops_uvloop *place_of(struct probed *probed, uint64_t thread_raddr)
{
	struct loops_uvloop *uvloops = probed->process.uvloops, *free_one = NULL;

	for (unsigned int i = LOOPS_MAX_UVLOOPS; i-- > 0;) {
		if (uvloops[i].thread_raddr == thread_raddr)
			return &uvloops[i];
		if (!uvloops[i].thread_raddr)
			free_one = &uvloops[i];
	}
	return free_one;
}

/* Whether its module is loaded is asked no more often than this: it takes 0.1 ms. */
#define SEARCH_MODULE_NS (50 * NSEC_PER_MSEC)

/* A thread that was searched in vain is searched at once when it waits in another poll. */
static struct probed_search *search_of(struct probed *probed, const struct loops_event *event)
{
	uint64_t thread_raddr = event->thread_raddr;
	struct syscall_name name = syscall_name_of(event->syscall);
	struct probed_search *search =
		&probed->searches[(thread_raddr >> 12) % ARRAY_LEN(probed->searches)];

	if (search->thread_raddr != thread_raddr)
		*search = (struct probed_search){.thread_raddr = thread_raddr,
						 .step_ns = SEARCH_FIRST_STEP_NS};
	if (probed_is_poll(&name) && search->poll_fd != event->args[0]) {
		search->poll_fd = event->args[0];
		search->step_ns = SEARCH_FIRST_STEP_NS;
	}
	return search;
}

/* As long as none was found in its process, a thread is searched in each of its waits. */
static bool is_due(const struct probed *probed, struct probed_search *search, uint64_t start_ns,
		   nsec_t now_ns)
{
	bool is_other_wait = !probed->has_found_uvloop && start_ns != search->start_ns;

	if (!is_other_wait && now_ns - search->at_ns < search->step_ns)
		return false;
	search->start_ns = start_ns;
	search->at_ns = now_ns;
	search->step_ns = MIN(2 * search->step_ns, SEARCH_LAST_STEP_NS);
	return true;
}

/* Its calls outside of turns are told from now on: they may be those of such a loop. */
static bool has_uvloop(struct probed *probed)
{
	nsec_t now_ns = clock_monotonic();

	if (!probed->has_uvloop && now_ns - probed->asked_uvloop_ns < SEARCH_MODULE_NS)
		return false;
	probed->asked_uvloop_ns = now_ns;
	if (!probed->has_uvloop && interpreter_has_uvloop(probed->pid)) {
		probed->has_uvloop = true;
		probed->process.stranger_ns = probed->limits.blocking_call_ns;
		probed->is_changed = true;
	}
	return probed->has_uvloop;
}

/* Whether the turn in which a loop is now began before: to a millisecond. */
static bool is_turn_since(struct probed *probed, uint64_t uv_raddr, uint64_t start_ns)
{
	uint64_t time_ms;

	return !mem_read(&probed->scribe.interpreter.mem, uv_raddr + LOOPS_UV_TIME, &time_ms, 8) &&
	       time_ms * NSEC_PER_MSEC - (uint64_t)probed->process.clock_offset_ns <= start_ns;
}

/* A wait during which its loop was found is of that loop's turn, if it was not its poll. */
static bool is_found_meanwhile(struct probed *probed, const struct loops_event *event)
{
	const struct probed_search *search = search_of(probed, event);

	return event->kind == LOOPS_CALL && search->found_ns > event->start &&
	       search->found_fd != event->args[0] &&
	       (search->found_ns < event->at ||
		is_turn_since(probed, search->found_raddr, event->start));
}

/*
 * What a thread does, since start_ns, of which no loop is known. Return: whether it does so in a
 * turn of a loop of uvloop that was found.
 */
bool probed_search_uvloop(struct probed *probed, const struct loops_event *event, uint64_t start_ns)
{
	struct probed_search *search = search_of(probed, event);
	struct loops_uvloop found, *place;
	nsec_t now_ns = clock_monotonic();

	if (event->look.is_loop || !event->sp)
		return false;
	if (is_found_meanwhile(probed, event))
		return true;
	if (!is_due(probed, search, start_ns, now_ns) || !has_uvloop(probed) ||
	    uvloop_find(&probed->scribe.interpreter, event->thread_raddr, event->sp, &found))
		return is_found_meanwhile(probed, event);
	place = place_of(probed, event->thread_raddr);
	if (!place) {
		scribe_lost(&probed->scribe, LOSS_LOOP_UNKNOWN);
		return false;
	}
	*place = found;
	search->found_fd = found.fd;
	search->found_raddr = found.uv_raddr;
	search->found_ns = now_ns;
	search->step_ns = SEARCH_FIRST_STEP_NS;
	probed->has_found_uvloop = true;
	probed->is_changed = true;
	return is_found_meanwhile(probed, event);
}

/* A thread that sleeps: "NUMBER ARGUMENT1 ... ARGUMENT6 SP IP". */
static void search_sleeper(struct probed *probed, const char *tid)
{
	struct loops_uvloop found, *place;
	unsigned long long fd, sp;
	struct syscall_name name;
	char path[64];
	FILE *file;
	int number, n;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/syscall", probed->pid, tid);
	file = fopen(path, "re");
	if (!file)
		return;
	n = fscanf(file, "%d %llx %*x %*x %*x %*x %*x %llx", &number, &fd, &sp);
	fclose(file);
	name = n == 3 ? syscall_name_of(number) : (struct syscall_name){0};
	if (!probed_is_poll(&name) || uvloop_find(&probed->scribe.interpreter, 0, sp, &found) ||
	    found.fd != fd)
		return;
	place = place_of(probed, found.thread_raddr);
	if (!place)
		return;
	*place = found;
	probed->has_found_uvloop = true;
}

/* The loops of a process that is attached to sleep, most of the time. */
void probed_search_sleepers(struct probed *probed)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	if (!has_uvloop(probed))
		return;
	snprintf(path, sizeof(path), "/proc/%d/task", probed->pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			search_sleeper(probed, entry->d_name);
	closedir(dir);
}
