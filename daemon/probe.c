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
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "daemon.h"
#include "loops-api.bpf.h"
#include "loops.skel.h"
#include "probe.h"
#include "probed.h"
#include "proc.h"
#include "process-locals.h"

/* Threads with loops are looked at this often. */
#define PROBE_LOOK_NS (10 * NSEC_PER_MSEC)
/* What a process has loaded is looked at this often: a tenth of a millisecond. */
#define PROBE_SEARCH_NS (200 * NSEC_PER_MSEC)
/* Waits are told of from here on: shorter ones add up to nothing that matters. */
#define PROBE_CALL_NS (1 * NSEC_PER_MSEC)
#define BTF_PATH      "/sys/kernel/btf/vmlinux"

struct probe {
	struct source source;
	struct daemon *daemon;
	struct loops_bpf *skeleton;
	struct ring_buffer *ring;
	struct probed *probed;
	struct bpf_link **clocks; /* of each CPU that is there */
	int n_clocks;
	nsec_t looked_ns, searched_ns;
	struct loops_losses counted;
};

static void probed_free(struct probe *probe, struct probed *probed)
{
	for (struct probed **at = &probe->probed; *at; at = &(*at)->next)
		if (*at == probed) {
			*at = probed->next;
			break;
		}
	if (probed->pidfd >= 0) {
		bpf_map_delete_elem(bpf_map__fd(probe->skeleton->maps.processes), &probed->pidfd);
		close(probed->pidfd);
	}
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
	for (int i = 0; i < probe->n_clocks; i++)
		bpf_link__destroy(probe->clocks[i]);
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

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	const char *debug = getenv("LOOPHOUND_DEBUG");

	if (level == LIBBPF_DEBUG || !debug)
		return 0;
	return vfprintf(stderr, format, args);
}

static int load_complaint(int r)
{
	if (access(BTF_PATH, R_OK))
		return PROBE_E_NO_BTF;
	return r == -EPERM || r == -EACCES ? PROBE_E_PRIVILEGE : PROBE_E_KERNEL;
}

static int probe_load(struct probe *probe)
{
	struct stat namespace;
	int r;

	probe->skeleton = loops_bpf__open();
	if (!probe->skeleton)
		return load_complaint(-errno);
	if (stat("/proc/self/ns/pid", &namespace))
		return -errno;
	probe->skeleton->rodata->cfg_pidns_dev = namespace.st_dev;
	probe->skeleton->rodata->cfg_pidns_ino = namespace.st_ino;
	r = loops_bpf__load(probe->skeleton);
	if (!r)
		r = loops_bpf__attach(probe->skeleton);
	return r ? load_complaint(r) : 0;
}

/* Return: 0, also for a CPU that is not there, or a negative errno. */
static int clock_open(struct probe *probe, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.size = sizeof(attr),
		.sample_period = LOOPS_SAMPLE_NS,
	};
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	struct bpf_link *link;

	if (fd < 0)
		return errno == ENODEV ? 0 : -errno;
	link = bpf_program__attach_perf_event(probe->skeleton->progs.on_sample, fd);
	if (!link) {
		close(fd);
		return -errno;
	}
	probe->clocks[probe->n_clocks++] = link;
	return 0;
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

/* Return: 0, an enum probe_result, or a negative errno. */
int probe_new(struct daemon *daemon, struct probe **ret_probe)
{
	_cleanup_(probe_freep) struct probe *probe = calloc(1, sizeof(*probe));
	int r;

	if (!probe)
		return -ENOMEM;
	libbpf_set_print(quiet);
	probe->daemon = daemon;
	r = probe_load(probe);
	if (r)
		return r;
	r = clocks_open(probe);
	if (r)
		return load_complaint(r);
	probe->ring =
		ring_buffer__new(bpf_map__fd(probe->skeleton->maps.events), on_event, probe, NULL);
	if (!probe->ring)
		return -errno;
	probe->source = (struct source){.fd = ring_buffer__epoll_fd(probe->ring),
					.dispatch = probe_dispatch};
	r = daemon_add_source(daemon, &probe->source);
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
	r = bpf_map_update_elem(bpf_map__fd(probe->skeleton->maps.processes), &probed->pidfd,
				&probed->process, BPF_ANY);
	return r;
}

static int attach_complaint(int r)
{
	switch (r) {
	case INTERPRETER_E_NONE:
		return PROBE_E_NO_PYTHON;
	case INTERPRETER_E_LAYOUT:
		return PROBE_E_LAYOUT;
	case -EPERM:
	case -EACCES:
		return PROBE_E_PRIVILEGE;
	case -ESRCH:
	case -ENOENT:
		return PROBE_E_NO_PROCESS;
	default:
		return r;
	}
}

/* Return: 0, an enum probe_result, or a negative errno. */
int probe_attach(struct probe *probe, int32_t pid, const struct options *limits)
{
	struct interpreter interpreter;
	struct probed *probed;
	int r, pidfd = proc_pidfd(pid);

	if (pidfd < 0)
		return PROBE_E_NO_PROCESS;
	r = interpreter_find(pid, &interpreter);
	probed = r ? NULL : calloc(1, sizeof(*probed));
	if (!probed) {
		close(pidfd);
		return r ? attach_complaint(r) : -ENOMEM;
	}
	probed->pid = pid;
	probed->pidfd = pidfd;
	probed->limits = *limits;
	probed->next = probe->probed;
	probe->probed = probed;
	r = probed_start(probe, probed, &interpreter);
	if (!r)
		return 0;
	if (probed->watch)
		daemon_end_watch(probe->daemon, probed->watch, true);
	probed_free(probe, probed);
	return attach_complaint(r);
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
		for (struct probed *probed = probe->probed; probed; probed = probed->next)
			if ((uint32_t)probed->pid == thread.event.our_pid)
				probed_take_thread(probed, &thread, now_ns);
	}
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

/* What could not be told is charged to all that are watched: the ring is shared. */
static void probe_count_losses(struct probe *probe)
{
	const struct loops_losses *losses = &probe->skeleton->bss->losses;
	struct loops_losses *counted = &probe->counted;

	if (!probe->probed)
		return;
	for (; counted->ring_full < losses->ring_full; counted->ring_full++)
		scribe_lost(&probe->probed->scribe, LOSS_RING_FULL);
	for (; counted->switches_missed < losses->switches_missed; counted->switches_missed++)
		scribe_lost(&probe->probed->scribe, LOSS_RING_FULL);
	for (; counted->threads_full < losses->threads_full; counted->threads_full++)
		scribe_lost(&probe->probed->scribe, LOSS_SLOTS_FULL);
	for (; counted->frames_unread < losses->frames_unread; counted->frames_unread++)
		scribe_lost(&probe->probed->scribe, LOSS_STACK_UNREADABLE);
}

/* Loops that are not asyncio's own cannot be told from here: that they are there is said. */
static void probe_search_uvloop(struct probe *probe, nsec_t now_ns)
{
	if (now_ns - probe->searched_ns < PROBE_SEARCH_NS)
		return;
	probe->searched_ns = now_ns;
	for (struct probed *probed = probe->probed; probed; probed = probed->next) {
		if (probed->has_uvloop || !interpreter_has_uvloop(probed->pid))
			continue;
		probed->has_uvloop = true;
		scribe_lost(&probed->scribe, LOSS_LOOP_UNKNOWN);
	}
}

/*
 * To be called every few tens of ms: what is gone is let go of, what has not ended is looked at.
 * Watches that have ended by themselves are the daemon's to end.
 */
void probe_tick(struct probe *probe)
{
	nsec_t now_ns = clock_monotonic();
	struct probed *next;

	ring_buffer__consume(probe->ring);
	probe_count_loops(probe);
	for (struct probed *probed = probe->probed; probed; probed = next) {
		next = probed->next;
		if (!is_watched(probe->daemon, probed)) {
			probed_free(probe, probed);
		} else if (probed->has_execed || proc_has_ended(probed->pidfd)) {
			probed_flush(probed);
			daemon_end_watch(probe->daemon, probed->watch, !probed->has_execed);
			probed_free(probe, probed);
		}
	}
	probe_search_uvloop(probe, now_ns);
	if (now_ns - probe->looked_ns < PROBE_LOOK_NS)
		return;
	probe->looked_ns = now_ns;
	probe_look(probe, now_ns);
	probe_count_losses(probe);
}

/* The last words of what goes on. */
void probe_finish(struct probe *probe)
{
	probe->looked_ns = 0;
	probe_tick(probe);
	for (struct probed *probed = probe->probed; probed; probed = probed->next)
		probed_flush(probed);
}

/* The capabilities that are needed once all is loaded: to read other processes, and to tell the
 * programs of them. Return: 0 or a negative errno. */
int probe_drop_privileges(void)
{
	const uint64_t kept = UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_PERFMON |
			      UINT64_C(1) << CAP_SYS_PTRACE | UINT64_C(1) << CAP_DAC_READ_SEARCH;
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct words[2];

	if (syscall(SYS_capget, &header, words))
		return -errno;
	for (unsigned int i = 0; i < 2; i++) {
		words[i].permitted &= (uint32_t)(kept >> 32 * i);
		words[i].effective &= (uint32_t)(kept >> 32 * i);
		words[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, words) ? -errno : 0;
}
