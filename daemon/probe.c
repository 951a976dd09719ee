/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Probe: watches processes from the kernel
 *
 * The programs of bpf/ are loaded once and look at the processes they are told of: what has to be
 * known of one is kept with its first thread, found through a pidfd, so that no number has to be
 * translated between pid namespaces. Each process gets a watch like any other, in a region of our
 * own (scribe.c), which the daemon drains and judges as if a shim wrote it.
 *
 * The kernel tells through a ring, which is a source in the daemon's epoll set. Besides, threads
 * with loops are looked at every tick: what has not ended is told by nobody. When this process
 * ends, however it does, the programs go with its descriptors.
 *
 * The clocks by which long turns are looked at every millisecond run from when the kernel tells of
 * the first one until there has been none for a while: a service whose turns are short is not
 * interrupted, and neither is anybody else.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon.h"
#include "descent.h"
#include "kernel.h"
#include "loops-api.bpf.h"
#include "loops.skel.h"
#include "probe.h"
#include "probed.h"
#include "proc.h"
#include "process-locals.h"
#include "waits.h"

/* Threads with loops are looked at this often. */
#define PROBE_LOOK_NS (10 * NSEC_PER_MSEC)
/* Long turns come in series; and a program that starts, or is met, is likely to have some. */
#define PROBE_CLOCK_NS NSEC_PER_SEC
/* A thread that runs and that no timer has found: its CPU has no tick (nohz_full). */
#define PROBE_UNSEEN_NS (20 * NSEC_PER_MSEC)
/* Waits are told of from here on: shorter ones add up to nothing that matters. */
#define PROBE_CALL_NS (1 * NSEC_PER_MSEC)

struct probe {
	struct source source;
	struct daemon *daemon;
	struct loops_bpf *skeleton;
	struct ring_buffer *ring;
	struct probed *probed;
	int32_t root_pid; /* whom we were asked to watch; the others are its children */
	struct options limits;
	struct descent descent;
	int *clocks; /* of each CPU that is there */
	int n_clocks;
	nsec_t looked_ns;
	struct loops_losses counted;
};

/* The figures of a loop have been taken, and no more will come: its number is free. */
static void loop_free(struct probe *probe, uint32_t loop)
{
	static const struct loops_figures none;
	uint32_t index = loop - 1;

	if (!loop || loop > LOOPS_MAX_LOOPS)
		return;
	bpf_map_update_elem(bpf_map__fd(probe->skeleton->maps.figures), &index, &none, BPF_ANY);
	bpf_map_update_elem(bpf_map__fd(probe->skeleton->maps.free_loops), NULL, &index, BPF_ANY);
}

/*
 * Threads of a process that is let go of but lives on, as another program: nobody tells of their
 * switches until it is attached to again, which are not to be missed then.
 */
static void threads_forget(struct probe *probe, int32_t pid)
{
	int fd = bpf_map__fd(probe->skeleton->maps.threads);
	uint32_t tid, next;
	struct loops_thread thread;
	int r = bpf_map_get_next_key(fd, NULL, &next);

	for (unsigned int i = 0; !r && i < LOOPS_MAX_THREADS; i++) {
		tid = next;
		r = bpf_map_get_next_key(fd, &tid, &next);
		if (!bpf_map_lookup_elem(fd, &tid, &thread) &&
		    thread.event.our_pid == (uint32_t)pid)
			bpf_map_delete_elem(fd, &tid);
	}
}

static void probed_free(struct probe *probe, struct probed *probed)
{
	for (struct probed **at = &probe->probed; *at; at = &(*at)->next)
		if (*at == probed) {
			*at = probed->next;
			break;
		}
	if (probed->pidfd >= 0) {
		bpf_map_delete_elem(bpf_map__fd(probe->skeleton->maps.processes), &probed->pidfd);
		threads_forget(probe, probed->pid);
		close(probed->pidfd);
	}
	for (unsigned int i = 0; i < REGION_N_SLOTS; i++)
		loop_free(probe, probed->threads[i].loop);
	free(probed);
}

/* The daemon ends watches by itself: those of processes that have gone. */
static bool is_watched(const struct daemon *daemon, const struct probed *probed)
{
	for (const struct watch *watch = daemon->watches; watch; watch = watch->next)
		if (watch == probed->watch)
			return true;
	return false;
}

static void probed_tell_kernel(struct probe *probe, struct probed *probed)
{
	if (!bpf_map_update_elem(bpf_map__fd(probe->skeleton->maps.processes), &probed->pidfd,
				 &probed->process, BPF_ANY))
		probed->is_changed = false;
}

/* Nothing reads what it counts: that it comes round is a timer, and so a look. */
static int clock_open(struct probe *probe, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_period = LOOPS_SAMPLE_NS,
		.disabled = 1,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);

	/* A CPU that is not there. */
	if (fd < 0)
		return errno == ENODEV ? 0 : -errno;
	probe->clocks[probe->n_clocks++] = fd;
	return 0;
}

static void clocks_set(struct probe *probe, bool is_on)
{
	if (probe->skeleton->bss->has_clock == is_on)
		return;
	probe->skeleton->bss->has_clock = is_on;
	for (int i = 0; i < probe->n_clocks; i++)
		ioctl(probe->clocks[i], is_on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

/* There is, or is likely to be, something to look at. */
static void clocks_want(struct probe *probe, nsec_t now_ns)
{
	probe->skeleton->bss->clock_asked = now_ns;
	clocks_set(probe, true);
}

static int on_event(void *context, void *bytes, size_t n_bytes)
{
	struct probe *probe = context;
	const struct loops_event *event = bytes;

	if (n_bytes < offsetof(struct loops_event, frames) ||
	    event->look.n_frames > LOOPS_MAX_FRAMES)
		return 0;
	for (struct probed *probed = probe->probed; probed; probed = probed->next) {
		if ((uint32_t)probed->pid != event->our_pid || !is_watched(probe->daemon, probed))
			continue;
		if (event->kind == LOOPS_CLOCK)
			clocks_set(probe, true);
		if (event->kind == LOOPS_FORK)
			descent_add_children(&probe->descent, probed->pid);
		probed_take_event(probed, event);
		if (probed->is_changed)
			probed_tell_kernel(probe, probed);
		break;
	}
	return 0;
}

static int probe_dispatch(struct source *source, uint32_t events)
{
	struct probe *probe = (struct probe *)((char *)source - offsetof(struct probe, source));

	(void)events;
	ring_buffer__consume(probe->ring);
	return 0;
}

/* Return: NULL */
struct probe *probe_free(struct probe *probe)
{
	if (!probe)
		return NULL;
	while (probe->probed)
		probed_free(probe, probe->probed);
	probe->daemon->waits = waits_free(probe->daemon->waits);
	descent_deinit(&probe->descent);
	for (int i = 0; i < probe->n_clocks; i++)
		close(probe->clocks[i]);
	free(probe->clocks);
	if (probe->ring) {
		daemon_remove_source(probe->daemon, &probe->source);
		ring_buffer__free(probe->ring);
	}
	loops_bpf__destroy(probe->skeleton);
	free(probe);
	return NULL;
}

static void probe_freep(struct probe **probe)
{
	probe_free(*probe);
}

static int probe_load(struct probe *probe)
{
	struct kernel_namespace namespace;
	int r = kernel_pid_namespace(&namespace);

	if (r)
		return r;
	probe->skeleton = loops_bpf__open();
	if (!probe->skeleton)
		return kernel_complaint(-errno);
	probe->skeleton->rodata->cfg_pidns_dev = namespace.dev;
	probe->skeleton->rodata->cfg_pidns_ino = namespace.inode;
	probe->skeleton->rodata->cfg_has_registers = probe->daemon->config.options.is_native;
	r = loops_bpf__load(probe->skeleton);
	if (!r)
		r = loops_bpf__attach(probe->skeleton);
	return r ? kernel_complaint(r) : 0;
}

/*
 * A clock on each CPU. One that runs with a thread would have to be set and stopped at each of its
 * context switches, which costs more than all else that is done there.
 */
static int clocks_open(struct probe *probe)
{
	int n_cpus = libbpf_num_possible_cpus(), r = 0;

	if (n_cpus < 0)
		return n_cpus;
	probe->clocks = calloc((size_t)n_cpus, sizeof(*probe->clocks));
	if (!probe->clocks)
		return -ENOMEM;
	for (int cpu = 0; cpu < n_cpus && !r; cpu++)
		r = clock_open(probe, cpu);
	return r;
}

static int probe_open_ring(struct probe *probe)
{
	probe->ring =
		ring_buffer__new(bpf_map__fd(probe->skeleton->maps.events), on_event, probe, NULL);
	if (!probe->ring)
		return -errno;
	probe->source = (struct source){.fd = ring_buffer__epoll_fd(probe->ring),
					.dispatch = probe_dispatch};
	return daemon_add_source(probe->daemon, &probe->source);
}

/* Why threads did not run is told by the same programs; the daemon asks for it as it does beside a
 * shim. */
static int probe_open_waits(struct probe *probe)
{
	const struct waits_kernel kernel = {
		.steps_fd = bpf_map__fd(probe->skeleton->maps.steps),
		.wanted_fd = bpf_map__fd(probe->skeleton->maps.wanted),
		.registers_fd = bpf_map__fd(probe->skeleton->maps.registers),
		.processes_fd = -1,
		.losses = &probe->skeleton->bss->waits_losses,
	};

	return waits_new_of(probe->daemon, &kernel, &probe->daemon->waits);
}

/* The daemon has waits as well then. Return: 0, an enum probe_result, or a negative errno. */
int probe_new(struct daemon *daemon, struct probe **ret_probe)
{
	_cleanup_(probe_freep) struct probe *probe = calloc(1, sizeof(*probe));
	int r;

	if (!probe)
		return -ENOMEM;
	probe->daemon = daemon;
	r = kernel_init();
	if (!r)
		r = probe_load(probe);
	if (r)
		return r;
	r = clocks_open(probe);
	if (r)
		return kernel_complaint(r);
	r = probe_open_ring(probe);
	if (!r)
		r = probe_open_waits(probe);
	if (r)
		return r;
	*ret_probe = TAKE(probe);
	return 0;
}

/* How far a clock of another time namespace is from ours: "monotonic SECONDS NANOSECONDS". */
static int64_t clock_offset(int32_t pid)
{
	long long seconds = 0, ours_seconds = 0;
	long nanos = 0, ours_nanos = 0;
	char path[64];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/timens_offsets", pid);
	file = fopen(path, "re");
	if (file) {
		if (fscanf(file, "monotonic %lld %ld", &seconds, &nanos) != 2)
			seconds = nanos = 0;
		fclose(file);
	}
	file = fopen("/proc/self/timens_offsets", "re");
	if (file) {
		if (fscanf(file, "monotonic %lld %ld", &ours_seconds, &ours_nanos) != 2)
			ours_seconds = ours_nanos = 0;
		fclose(file);
	}
	return (seconds - ours_seconds) * (int64_t)NSEC_PER_SEC + (nanos - ours_nanos);
}

static int probed_open_watch(struct probe *probe, struct probed *probed,
			     const struct interpreter *interpreter)
{
	_cleanup_close_ int region_fd = -1;
	struct watch *watch;
	char path[64];
	struct stat st;
	int r;

	r = scribe_region(interpreter, &probed->limits, &region_fd);
	if (!r)
		r = watch_new_map(probe->daemon->names, region_fd, &watch);
	if (r)
		return r < 0 ? r : -EPROTO;
	scribe_init(&probed->scribe, interpreter, &watch->region);
	scribe_describe(&probed->scribe);
	snprintf(path, sizeof(path), "/proc/%d", probed->pid);
	if (!stat(path, &st))
		watch->uid = st.st_uid;
	watch->is_probed = true;
	watch_identify(watch, probed->pid, &probe->daemon->config.own);
	daemon_link_watch(probe->daemon, watch);
	probed->watch = watch;
	return 0;
}

static void probed_describe(struct probed *probed, const struct interpreter *interpreter)
{
	process_layout(interpreter, &probed->process);
	probed->process.our_pid = (uint32_t)probed->pid;
	probed->process.clock_offset_ns = clock_offset(probed->pid);
	probed->process.call_ns = MIN(PROBE_CALL_NS, probed->limits.blocking_call_ns);
	probed->process.stranger_ns = UINT64_MAX;
	probed->process.callback_ns = probed->limits.slow_callback_ns;
	probed->process.turn_ns = probed->limits.long_turn_ns;
}

static int probed_start(struct probe *probe, struct probed *probed,
			const struct interpreter *interpreter)
{
	int r;

	probed_describe(probed, interpreter);
	r = probed_open_watch(probe, probed, interpreter);
	if (r)
		return r;
	probed_search_threads(probed);
	probed_search_sleepers(probed);
	probed_open_native(probed);
	kernel_meet(probe->skeleton->bss->met_processes, probed->pid);
	r = bpf_map_update_elem(bpf_map__fd(probe->skeleton->maps.processes), &probed->pidfd,
				&probed->process, BPF_ANY);
	return r;
}

/* What has ended has no memory, and so no Python; it may have done so at any moment. */
static int attach_complaint(int r, int pidfd)
{
	if (proc_has_ended(pidfd))
		return PROBE_E_NO_PROCESS;
	switch (r) {
	case INTERPRETER_E_NONE:
		return PROBE_E_NO_PYTHON;
	case INTERPRETER_E_LAYOUT:
		return PROBE_E_LAYOUT;
	case -EPERM:
	case -EACCES:
		return PROBE_E_READ;
	case -ESRCH:
	case -ENOENT:
		return PROBE_E_NO_PROCESS;
	default:
		return r;
	}
}

/* The kernel tells of an exec once it knows of the process: of one that came before it does not. */
static bool has_execed_since(int32_t pid, const struct proc_image *image)
{
	struct proc_image now = {{0}};

	proc_image(pid, &now);
	return memcmp(&now, image, sizeof(now)) != 0;
}

static int attach_one(struct probe *probe, int32_t pid)
{
	struct proc_image image = {{0}};
	struct interpreter interpreter;
	struct probed *probed;
	int r, pidfd = proc_pidfd(pid);

	if (pidfd < 0)
		return PROBE_E_NO_PROCESS;
	proc_image(pid, &image);
	r = proc_may_read(pid) ? interpreter_find(pid, &interpreter) : -EPERM;
	probed = r ? NULL : calloc(1, sizeof(*probed));
	if (!probed) {
		r = r ? attach_complaint(r, pidfd) : -ENOMEM;
		close(pidfd);
		return r;
	}
	probed->pid = pid;
	probed->pidfd = pidfd;
	probed->waits = probe->daemon->waits;
	probed->symbols = probe->daemon->symbols;
	probed->limits = probe->limits;
	probed->next = probe->probed;
	probe->probed = probed;
	r = probed_start(probe, probed, &interpreter);
	if (!r) {
		probed->has_execed |= has_execed_since(pid, &image);
		clocks_want(probe, clock_monotonic());
		return 0;
	}
	if (probed->watch)
		daemon_end_watch(probe->daemon, probed->watch, true);
	r = attach_complaint(r, pidfd);
	probed_free(probe, probed);
	return r;
}

static bool is_attached(const struct probe *probe, int32_t pid)
{
	for (const struct probed *probed = probe->probed; probed; probed = probed->next)
		if (probed->pid == pid)
			return true;
	return false;
}

/* Children that run a Python by now are watched as well, and so are theirs. */
static void probe_follow(struct probe *probe, nsec_t now_ns)
{
	int32_t pid;

	while ((pid = descent_next(&probe->descent, now_ns))) {
		descent_add_children(&probe->descent, pid);
		if (is_attached(probe, pid) || !attach_one(probe, pid))
			descent_drop(&probe->descent, pid);
	}
}

/* It and its children, now and later. Return: 0, an enum probe_result, or a negative errno. */
int probe_attach(struct probe *probe, int32_t pid, const struct options *limits)
{
	int r;

	probe->root_pid = pid;
	probe->limits = *limits;
	r = attach_one(probe, pid);
	if (r)
		return r;
	descent_add_children(&probe->descent, pid);
	probe_follow(probe, clock_monotonic());
	return 0;
}

/* Whether whom we were asked to watch is there still, if only as another program. */
bool probe_is_watching(const struct probe *probe)
{
	return is_attached(probe, probe->root_pid) || descent_has(&probe->descent, probe->root_pid);
}

static void probe_look(struct probe *probe, nsec_t now_ns)
{
	int fd = bpf_map__fd(probe->skeleton->maps.threads);
	uint32_t tid, *from = NULL;
	struct loops_thread thread;

	for (unsigned int i = 0; i < LOOPS_MAX_THREADS && !bpf_map_get_next_key(fd, from, &tid);
	     i++) {
		from = &tid;
		if (bpf_map_lookup_elem(fd, &tid, &thread))
			continue;
		if (thread.is_loop && thread.wait == LOOPS_RUNNING &&
		    now_ns - MIN(MAX(thread.since, thread.sampled), now_ns) > PROBE_UNSEEN_NS)
			clocks_want(probe, now_ns);
		for (struct probed *probed = probe->probed; probed; probed = probed->next)
			if ((uint32_t)probed->pid == thread.event.our_pid)
				probed_take_thread(probed, &thread, now_ns);
	}
	for (struct probed *probed = probe->probed; probed; probed = probed->next)
		if (probed->is_changed)
			probed_tell_kernel(probe, probed);
}

/* Threads that were there at no look from now_ns on have ended, or are about to. */
static void probe_close_ended(struct probe *probe, nsec_t now_ns)
{
	uint32_t loop;

	for (struct probed *probed = probe->probed; probed; probed = probed->next)
		while (is_watched(probe->daemon, probed) &&
		       probed_close_ended(probed, now_ns, &loop))
			loop_free(probe, loop);
}

static void probe_count_loops(struct probe *probe)
{
	int fd = bpf_map__fd(probe->skeleton->maps.figures);
	struct loops_figures figures;

	for (uint32_t i = 0; i < MIN(probe->skeleton->bss->n_loops, LOOPS_MAX_LOOPS); i++) {
		if (bpf_map_lookup_elem(fd, &i, &figures))
			continue;
		for (struct probed *probed = probe->probed; probed; probed = probed->next)
			if (is_watched(probe->daemon, probed))
				probed_take_figures(probed, i + 1, &figures);
	}
}

/* What could not be told is charged to who has been watched longest: the ring is shared. */
static void probe_count_losses(struct probe *probe)
{
	struct probed *first = probe->probed;
	const struct loops_losses *losses = &probe->skeleton->bss->losses;
	struct loops_losses *counted = &probe->counted;

	if (!first)
		return;
	while (first->next)
		first = first->next;
	for (; counted->ring_full < losses->ring_full; counted->ring_full++)
		scribe_lost(&first->scribe, LOSS_RING_FULL);
	for (; counted->switches_missed < losses->switches_missed; counted->switches_missed++)
		scribe_lost(&first->scribe, LOSS_RING_FULL);
	for (; counted->threads_full < losses->threads_full; counted->threads_full++)
		scribe_lost(&first->scribe, LOSS_SLOTS_FULL);
	for (; counted->frames_unread < losses->frames_unread; counted->frames_unread++)
		scribe_lost(&first->scribe, LOSS_STACK_UNREADABLE);
}

/* A child in which no loop ran is no process that the report has. */
static bool is_forgotten(const struct probe *probe, const struct probed *probed)
{
	return probed->pid != probe->root_pid && !probed->has_loops;
}

static void probe_end(struct probe *probe, struct probed *probed)
{
	if (probed->has_execed)
		descent_add(&probe->descent, probed->pid);
	if (is_forgotten(probe, probed)) {
		daemon_forget_watch(probe->daemon, probed->watch);
	} else {
		probed_flush(probed);
		daemon_end_watch(probe->daemon, probed->watch, !probed->has_execed);
	}
	probed_free(probe, probed);
}

/*
 * To be called every few tens of ms: what is gone is let go of, what has not ended is looked at.
 */
void probe_tick(struct probe *probe)
{
	nsec_t now_ns = clock_monotonic();
	struct probed *next;

	/* Who has ended before all is read has nothing more to say. */
	for (struct probed *probed = probe->probed; probed; probed = probed->next)
		probed->has_ended = proc_has_ended(probed->pidfd);
	ring_buffer__consume(probe->ring);
	/* While there is somebody to charge them to. */
	probe_count_losses(probe);
	probe_count_loops(probe);
	for (struct probed *probed = probe->probed; probed; probed = next) {
		next = probed->next;
		if (!is_watched(probe->daemon, probed)) {
			probed_free(probe, probed);
		} else if (probed->has_execed || probed->has_ended) {
			probe_end(probe, probed);
		}
	}
	probe_follow(probe, now_ns);
	if (now_ns - probe->looked_ns < PROBE_LOOK_NS)
		return;
	/* What was known at no look since the last one had ended before all was read just now. */
	probe_close_ended(probe, probe->looked_ns);
	probe->looked_ns = now_ns;
	probe_look(probe, now_ns);
	if (now_ns - MIN(probe->skeleton->bss->clock_asked, now_ns) > PROBE_CLOCK_NS)
		clocks_set(probe, false);
}

/* The last words of what goes on. */
void probe_finish(struct probe *probe)
{
	struct probed *next;

	probe->looked_ns = 0;
	probe_tick(probe);
	for (struct probed *probed = probe->probed; probed; probed = next) {
		next = probed->next;
		if (!is_forgotten(probe, probed)) {
			probed_flush(probed);
			continue;
		}
		daemon_forget_watch(probe->daemon, probed->watch);
		probed_free(probe, probed);
	}
}
