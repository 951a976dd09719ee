/* SPDX-License-Identifier: Apache-2.0 */
/* Daemon: the core that watches processes, hosted by loophoundd and by loophound run */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "aggregate.h"
#include "drain.h"
#include "live.h"
#include "model.h"
#include "names.h"
#include "own-code.h"
#include "tape.h"
#include "watch.h"

/* What a descriptor in the daemon's epoll set belongs to; embedded in its owner. */
struct source;
typedef int (*source_fn)(struct source *source, uint32_t events);

struct source {
	int fd;
	source_fn dispatch;
};

struct daemon_config {
	struct report_options options; /* what was asked for, for the report */
	struct own_code own;
	const char *service;
	const char *base_dir;
	bool has_slices; /* keep what held the loops one by one */
	bool has_tapes;	 /* keep all records, for a recording */
	bool is_live;	 /* tell stalls on stderr as they come */
};

struct client;

struct daemon {
	struct daemon_config config;
	int epoll_fd;
	struct source listener;
	char *socket_path;
	struct names *names;
	struct tracer *tracer;	 /* NULL: not needed yet */
	struct waits *waits;	 /* NULL: the kernel tells nothing */
	struct symbols *symbols; /* NULL: native frames were not asked for */
	struct aggregate *aggregate;
	struct slices slices;
	struct reel reel;
	struct live live;
	struct client *clients;
	uint32_t n_clients;
	struct watch *watches; /* of processes that have not ended */
	uint32_t n_watches;
	uint64_t n_hellos; /* processes that ever said hello, refused ones included */
	struct process *ended;
	int *ended_pidfds; /* of each: -1 when how it ended is known, or cannot be */
	uint32_t n_ended;
	struct loop *ended_loops;
	uint32_t n_ended_loops;
	struct losses lost; /* what belongs to no process */
	uint64_t started_at;
	uint64_t ended_at; /* of what was read from recordings; 0: it goes on */
	nsec_t drained_ns, reaped_ns;
};

int daemon_new(const struct daemon_config *config, struct daemon **ret_daemon);
struct daemon *daemon_free(struct daemon *daemon);
void daemon_learn_exits(struct daemon *daemon);
void daemon_freep(struct daemon **daemon);

int daemon_add_source(struct daemon *daemon, struct source *source);
void daemon_remove_source(struct daemon *daemon, struct source *source);
int daemon_dispatch(struct daemon *daemon, int timeout_ms);

struct drain daemon_drain_state(struct daemon *daemon);
void daemon_drain(struct daemon *daemon);
void daemon_link_watch(struct daemon *daemon, struct watch *watch);
void daemon_forget_watch(struct daemon *daemon, struct watch *watch);
void daemon_end_watch(struct daemon *daemon, struct watch *watch, bool is_killed);
void daemon_end_watch_at(struct daemon *daemon, struct watch *watch, bool is_killed,
			 nsec_t ended_ns);
