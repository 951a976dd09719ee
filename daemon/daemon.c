/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Daemon: the core
 *
 * One thread, one epoll set. Connections, requests and signals of the host come through it; the
 * rings of the watched processes are looked at every DAEMON_TICK_MS while there are any, since a
 * process never tells that it has written: that would cost it a system call.
 *
 * Two seams are kept for later: what ends in the aggregate can also go into a store (history,
 * metrics, fleet), and a watch without a region can come from probes in the kernel.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "daemon.h"
#include "listen.h"
#include "proc.h"
#include "stamp.h"
#include "tracer.h"
#include "waits.h"

/*
 * A stall is told while it lasts within this much of its sample, and a ring of 1 MiB holds what a
 * process records in it many times over. Looking at an idle ring costs two loads.
 */
#define DAEMON_TICK_MS 20

/* The end of a process shows on its connection; this is for those where it does not. */
#define DAEMON_REAP_NS (250 * NSEC_PER_MSEC)

/* Ended processes that are still listed in the report of a daemon that runs for months. */
#define DAEMON_MAX_ENDED 512

int daemon_new(const struct daemon_config *config, struct daemon **ret_daemon)
{
	_cleanup_(daemon_freep) struct daemon *daemon = calloc(1, sizeof(*daemon));
	struct pool *pool;
	int r;

	if (!daemon)
		return -ENOMEM;
	daemon->config = *config;
	daemon->listener.fd = -1;
	daemon->live.is_on = config->is_live;
	daemon->live.base_dir = config->base_dir;
	daemon->started_at = stamp_now();
	daemon->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (daemon->epoll_fd < 0)
		return -errno;
	r = names_new(&daemon->names);
	if (!r)
		r = aggregate_new(&daemon->aggregate);
	if (r)
		return r;
	if (config->options.is_native)
		r = symbols_new(names_pool(daemon->names), &daemon->symbols);
	if (r)
		return r;
	/* Words of a command line need not be UTF-8; what stands in a report has to be. */
	pool = names_pool(daemon->names);
	daemon->config.service = pool_keep_text(pool, config->service);
	daemon->config.options.own_code = pool_keep_text(pool, config->options.own_code);
	*ret_daemon = TAKE(daemon);
	return 0;
}

/* Return: NULL */
struct daemon *daemon_free(struct daemon *daemon)
{
	if (!daemon)
		return NULL;
	while (daemon->clients)
		client_free(daemon->clients);
	while (daemon->watches) {
		struct watch *watch = daemon->watches;

		daemon->watches = watch->next;
		watch_free(watch);
	}
	tracer_free(daemon->tracer);
	waits_free(daemon->waits);
	for (uint32_t i = 0; i < daemon->n_ended; i++) {
		process_deinit(&daemon->ended[i]);
		close_p(&daemon->ended_pidfds[i]);
	}
	for (uint32_t i = 0; i < daemon->n_ended_loops; i++)
		loop_deinit(&daemon->ended_loops[i]);
	free(daemon->ended);
	free(daemon->ended_pidfds);
	free(daemon->ended_loops);
	listen_close(daemon);
	aggregate_free(daemon->aggregate);
	slices_deinit(&daemon->slices);
	reel_deinit(&daemon->reel);
	symbols_free(daemon->symbols);
	names_free(daemon->names);
	if (daemon->epoll_fd >= 0)
		close(daemon->epoll_fd);
	free(daemon);
	return NULL;
}

void daemon_freep(struct daemon **daemon)
{
	daemon_free(*daemon);
}

/* The source stays its owner's, who removes it before it goes. Return: 0 or a negative errno. */
int daemon_add_source(struct daemon *daemon, struct source *source)
{
	struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = source};

	return epoll_ctl(daemon->epoll_fd, EPOLL_CTL_ADD, source->fd, &event) ? -errno : 0;
}

void daemon_remove_source(struct daemon *daemon, struct source *source)
{
	epoll_ctl(daemon->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
}

/* Where a drain of this moment puts what it finds. */
struct drain daemon_drain_state(struct daemon *daemon)
{
	return (struct drain){
		.aggregate = daemon->aggregate,
		.live = &daemon->live,
		.waits = daemon->waits,
		.symbols = daemon->symbols,
		.slices = daemon->config.has_slices ? &daemon->slices : NULL,
		.tracer = &daemon->tracer,
		.kinds = daemon->config.options.kinds,
		.now_ns = clock_monotonic(),
	};
}

/*
 * End watches whose processes have ended though their connection has not: a process that closed it
 * and lived on, or one whose child holds it still.
 */
static void daemon_reap(struct daemon *daemon, nsec_t now_ns)
{
	struct watch *next;

	if (now_ns - daemon->reaped_ns < DAEMON_REAP_NS)
		return;
	daemon->reaped_ns = now_ns;
	for (struct watch *watch = daemon->watches; watch; watch = next) {
		next = watch->next;
		/* A probe has read its last words first. */
		if (watch->is_probed || watch->pidfd < 0 || !proc_has_ended(watch->pidfd))
			continue;
		client_forget_watch(daemon, watch);
		daemon_end_watch(daemon, watch, true);
	}
}

/* Take what all processes have recorded since. */
void daemon_drain(struct daemon *daemon)
{
	struct drain drain = daemon_drain_state(daemon);

	if (daemon->waits)
		daemon->lost.n[LOST_WAITS] += waits_tick(daemon->waits);
	for (struct watch *watch = daemon->watches; watch; watch = watch->next)
		drain_watch(&drain, watch);
	daemon_reap(daemon, drain.now_ns);
	client_expire(daemon, drain.now_ns);
	live_tick(&daemon->live, drain.now_ns);
	daemon->drained_ns = drain.now_ns;
}

/*
 * Wait for something to happen, at most timeout_ms (-1: for ever), and see to it.
 *
 * Return: 0, or what a source of the host returned, or a negative errno.
 */
int daemon_dispatch(struct daemon *daemon, int timeout_ms)
{
	/* One at a time: seeing to one may close the source of another. */
	struct epoll_event event;
	bool is_busy = daemon->watches || daemon->clients;
	int n, r = 0;

	if (is_busy && (timeout_ms < 0 || timeout_ms > DAEMON_TICK_MS))
		timeout_ms = DAEMON_TICK_MS;
	n = epoll_wait(daemon->epoll_fd, &event, 1, timeout_ms);
	if (n < 0 && errno != EINTR)
		return -errno;
	if (n > 0) {
		struct source *source = event.data.ptr;

		r = source->dispatch(source, event.events);
	}
	if (clock_monotonic() - daemon->drained_ns >= DAEMON_TICK_MS * NSEC_PER_MSEC)
		daemon_drain(daemon);
	return r;
}

static void inherit_own_code(struct daemon *daemon, struct watch *watch)
{
	uint32_t ppid = watch->region.header->ppid;

	for (struct watch *other = daemon->watches; other; other = other->next)
		if (other->region.header->pid == ppid && other->uid == watch->uid) {
			own_code_add_all(&watch->own, &other->own);
			return;
		}
}

/* The watch becomes the daemon's. */
void daemon_link_watch(struct daemon *daemon, struct watch *watch)
{
	inherit_own_code(daemon, watch);
	if (daemon->waits && watch->pidfd >= 0) {
		waits_take_watch(daemon->waits, watch);
		watch->has_schedule = true;
	}
	if (daemon->config.has_tapes) {
		watch->tape = tape_new();
		if (!watch->tape && !daemon->reel.error)
			daemon->reel.error = -ENOMEM;
	}
	watch->next = daemon->watches;
	daemon->watches = watch;
	daemon->n_watches++;
}

static void daemon_unlink_watch(struct daemon *daemon, struct watch *watch)
{
	for (struct watch **at = &daemon->watches; *at; at = &(*at)->next)
		if (*at == watch) {
			*at = watch->next;
			daemon->n_watches--;
			return;
		}
}

/* The oldest ended process is no longer listed. */
static void daemon_forget_ended(struct daemon *daemon)
{
	struct process oldest = daemon->ended[0];
	uint32_t n = 0;

	process_deinit(&daemon->ended[0]);
	close_p(&daemon->ended_pidfds[0]);
	daemon->n_ended--;
	memmove(daemon->ended, daemon->ended + 1, daemon->n_ended * sizeof(*daemon->ended));
	memmove(daemon->ended_pidfds, daemon->ended_pidfds + 1,
		daemon->n_ended * sizeof(*daemon->ended_pidfds));
	for (uint32_t i = 0; i < daemon->n_ended_loops; i++)
		if (process_has_loop(&oldest, &daemon->ended_loops[i]))
			loop_deinit(&daemon->ended_loops[i]);
		else
			daemon->ended_loops[n++] = daemon->ended_loops[i];
	daemon->n_ended_loops = n;
	daemon->lost.n[LOST_PROCESSES]++;
}

/* A process that a signal killed could not say so. The kernel tells once its parent has been told.
 */
static void learn_exit(struct process *process, int *pidfd)
{
	int status;

	if (*pidfd < 0)
		return;
	if (process->exit_how == EXIT_UNKNOWN) {
		if (!proc_exit_status(*pidfd, &status))
			return;
		process->exit_how = WIFSIGNALED(status) ? EXIT_SIGNAL : EXIT_STATUS;
		process->exit_value = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
	}
	close_p(pidfd);
	*pidfd = -1;
}

/* Ask again how those have ended of whom it is not known yet. */
void daemon_learn_exits(struct daemon *daemon)
{
	for (uint32_t i = 0; i < daemon->n_ended; i++)
		learn_exit(&daemon->ended[i], &daemon->ended_pidfds[i]);
}

static int keep_process(struct daemon *daemon, struct watch *watch, bool is_killed)
{
	struct process *ended;
	int *pidfds;

	if (daemon->n_ended == DAEMON_MAX_ENDED)
		daemon_forget_ended(daemon);
	ended = reallocarray(daemon->ended, daemon->n_ended + 1, sizeof(*ended));
	if (!ended)
		return -ENOMEM;
	daemon->ended = ended;
	pidfds = reallocarray(daemon->ended_pidfds, daemon->n_ended + 1, sizeof(*pidfds));
	if (!pidfds)
		return -ENOMEM;
	daemon->ended_pidfds = pidfds;
	if (watch_process(watch, daemon->config.service, &ended[daemon->n_ended]))
		return -ENOMEM;
	/* After an exec the pid is another program's. */
	pidfds[daemon->n_ended] = is_killed ? TAKE_FD(watch->pidfd) : -1;
	learn_exit(&ended[daemon->n_ended], &pidfds[daemon->n_ended]);
	daemon->n_ended++;
	return 0;
}

static int keep_loops(struct daemon *daemon, const struct watch *watch)
{
	struct loop *loops = NULL, *all;
	uint32_t n_loops = 0;

	if (watch_loops(watch, &loops, &n_loops))
		return -ENOMEM;
	all = reallocarray(daemon->ended_loops, daemon->n_ended_loops + n_loops + 1, sizeof(*all));
	if (!all) {
		while (n_loops)
			loop_deinit(&loops[--n_loops]);
		free(loops);
		return -ENOMEM;
	}
	memcpy(all + daemon->n_ended_loops, loops, n_loops * sizeof(*loops));
	daemon->ended_loops = all;
	daemon->n_ended_loops += n_loops;
	free(loops);
	return 0;
}

/*
 * A process was gone at ended_ns (is_killed), or became another program. Its last records are
 * judged, its figures kept, its memory given back.
 */
void daemon_end_watch_at(struct daemon *daemon, struct watch *watch, bool is_killed,
			 nsec_t ended_ns)
{
	struct drain drain = daemon_drain_state(daemon);

	drain_last(&drain, watch, is_killed, ended_ns);
	reel_add(&daemon->reel, watch, is_killed, ended_ns);
	if (keep_process(daemon, watch, is_killed) || keep_loops(daemon, watch))
		daemon->lost.n[LOST_PROCESSES]++;
	daemon_unlink_watch(daemon, watch);
	if (watch->has_schedule)
		waits_forget_watch(daemon->waits, watch);
	watch_free(watch);
}

/* Likewise, now. */
void daemon_end_watch(struct daemon *daemon, struct watch *watch, bool is_killed)
{
	daemon_end_watch_at(daemon, watch, is_killed, clock_monotonic());
}

/* What turned out to be nothing to watch; it leaves no word in the report. */
void daemon_forget_watch(struct daemon *daemon, struct watch *watch)
{
	daemon_unlink_watch(daemon, watch);
	watch_free(watch);
}
