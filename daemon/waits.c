/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Waits: what the probe of that name tells, kept by thread
 *
 * The probe is told which processes are watched and which of their threads run loops; of those, and
 * of first threads, it sends steps, which become curves. The kernel wakes nobody for a step: they
 * are read when the rings of the processes are, and once more when the end of something is asked
 * for that is later. What a first thread did is there when its process says hello, however late
 * that is seen; the curves of those that never do go soon after their threads.
 *
 * A process is known to the probe by a pidfd, so no number has to be translated; its children are
 * known with it. loophound run makes itself known while it starts its program, and so all that
 * comes of it is watched from its first moment.
 *
 * Where loops are watched from the kernel as well, the probe of loops is told of the processes and
 * adds up their waits in its own programs; what it sends is the same.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "curve.h"
#include "daemon.h"
#include "interpreter.h"
#include "kernel.h"
#include "proc.h"
#include "waits.h"
#include "waits.skel.h"

/* A power of two; a host has some hundred loops. */
#define WAITS_N_BUCKETS 1024
/* A hello, and the last records of its process, are read long before. */
#define WAITS_FORGET_NS (2 * NSEC_PER_SEC)

struct waited {
	struct waited *next;
	int32_t pid, tid; /* as we see them */
	bool is_wanted;	  /* it runs a loop of a watch */
	nsec_t ended_ns;  /* 0: not yet */
	struct curve curve;
};

struct waits {
	struct source source;
	struct daemon *daemon;
	struct waits_bpf *skeleton; /* NULL: the programs are another's */
	struct waits_kernel kernel;
	struct ring_buffer *ring;
	nsec_t swept_ns;
	nsec_t read_ns; /* all that was told before has been read */
	uint64_t n_lost;
	struct waited *buckets[WAITS_N_BUCKETS];
};

static struct waited **waited_at(struct waits *waits, int32_t tid)
{
	struct waited **at = &waits->buckets[(uint32_t)tid % WAITS_N_BUCKETS];

	while (*at && (*at)->tid != tid)
		at = &(*at)->next;
	return at;
}

static void waited_remove(struct waited **at)
{
	struct waited *waited = *at;

	*at = waited->next;
	curve_deinit(&waited->curve);
	free(waited);
}

/* Return: NULL without memory. */
static struct waited *waited_get(struct waits *waits, int32_t pid, int32_t tid)
{
	struct waited **at = waited_at(waits, tid);

	if (!*at)
		*at = calloc(1, sizeof(**at));
	if (*at) {
		(*at)->pid = pid;
		(*at)->tid = tid;
	}
	return *at;
}

static int on_event(void *context, void *bytes, size_t n_bytes)
{
	struct waits *waits = context;
	const struct waits_event *event = bytes;
	struct waited *waited;

	if (n_bytes < sizeof(*event))
		return 0;
	waited = waited_get(waits, (int32_t)event->our_pid, (int32_t)event->our_tid);
	if (!waited)
		return 0;
	waited->ended_ns = event->to ? 0 : waits->read_ns;
	if (event->to)
		curve_add(&waited->curve, event);
	return 0;
}

/* Let go of what has ended and is of no watch. */
static void waits_sweep(struct waits *waits)
{
	waits->swept_ns = waits->read_ns;
	for (unsigned int i = 0; i < WAITS_N_BUCKETS; i++)
		for (struct waited **at = &waits->buckets[i]; *at;)
			if (!(*at)->is_wanted && (*at)->ended_ns &&
			    waits->read_ns - (*at)->ended_ns > WAITS_FORGET_NS)
				waited_remove(at);
			else
				at = &(*at)->next;
}

static void waits_read(struct waits *waits)
{
	waits->read_ns = clock_monotonic();
	ring_buffer__consume(waits->ring);
	if (waits->read_ns - waits->swept_ns > WAITS_FORGET_NS)
		waits_sweep(waits);
}

/* The ring is half full. */
static int waits_dispatch(struct source *source, uint32_t events)
{
	(void)events;
	waits_read((struct waits *)((char *)source - offsetof(struct waits, source)));
	return 0;
}

/* Return: NULL */
struct waits *waits_free(struct waits *waits)
{
	if (!waits)
		return NULL;
	for (unsigned int i = 0; i < WAITS_N_BUCKETS; i++)
		while (waits->buckets[i])
			waited_remove(&waits->buckets[i]);
	if (waits->ring) {
		daemon_remove_source(waits->daemon, &waits->source);
		ring_buffer__free(waits->ring);
	}
	waits_bpf__destroy(waits->skeleton);
	free(waits);
	return NULL;
}

static void waits_freep(struct waits **waits)
{
	waits_free(*waits);
}

static int waits_load(struct waits *waits)
{
	struct kernel_namespace namespace;
	int r = kernel_pid_namespace(&namespace);

	if (r)
		return r;
	waits->skeleton = waits_bpf__open();
	if (!waits->skeleton)
		return kernel_complaint(-errno);
	waits->skeleton->rodata->cfg_pidns_dev = namespace.dev;
	waits->skeleton->rodata->cfg_pidns_ino = namespace.inode;
	waits->skeleton->rodata->cfg_has_registers = waits->daemon->config.options.is_native;
	r = waits_bpf__load(waits->skeleton);
	if (!r)
		r = waits_bpf__attach(waits->skeleton);
	return r ? kernel_complaint(r) : 0;
}

static int waits_open(struct waits *waits)
{
	waits->ring = ring_buffer__new(waits->kernel.steps_fd, on_event, waits, NULL);
	if (!waits->ring)
		return -errno;
	waits->source = (struct source){.fd = ring_buffer__epoll_fd(waits->ring),
					.dispatch = waits_dispatch};
	return daemon_add_source(waits->daemon, &waits->source);
}

/* Return: 0, an enum probe_result, or a negative errno. */
int waits_new(struct daemon *daemon, struct waits **ret_waits)
{
	_cleanup_(waits_freep) struct waits *waits = calloc(1, sizeof(*waits));
	int r;

	if (!waits)
		return -ENOMEM;
	waits->daemon = daemon;
	r = kernel_init();
	if (!r)
		r = waits_load(waits);
	if (r)
		return r;
	waits->kernel = (struct waits_kernel){
		.steps_fd = bpf_map__fd(waits->skeleton->maps.steps),
		.wanted_fd = bpf_map__fd(waits->skeleton->maps.wanted),
		.registers_fd = bpf_map__fd(waits->skeleton->maps.registers),
		.processes_fd = bpf_map__fd(waits->skeleton->maps.processes),
		.losses = &waits->skeleton->bss->waits_losses,
	};
	r = waits_open(waits);
	if (r)
		return r;
	*ret_waits = TAKE(waits);
	return 0;
}

/* By programs that are loaded already, and stay. Return: 0 or a negative errno. */
int waits_new_of(struct daemon *daemon, const struct waits_kernel *kernel, struct waits **ret_waits)
{
	_cleanup_(waits_freep) struct waits *waits = calloc(1, sizeof(*waits));
	int r;

	if (!waits)
		return -ENOMEM;
	waits->daemon = daemon;
	waits->kernel = *kernel;
	r = waits_open(waits);
	if (r)
		return r;
	*ret_waits = TAKE(waits);
	return 0;
}

static int tell_process(struct waits *waits, int32_t pid, int pidfd,
			const struct waits_process *process)
{
	kernel_meet(waits->skeleton->bss->met_processes, pid);
	return bpf_map_update_elem(waits->kernel.processes_fd, &pidfd, process, BPF_ANY);
}

/* All that this process starts until waits_end_family() is watched. Return: 0 or negative. */
int waits_begin_family(struct waits *waits)
{
	static const struct waits_process unknown;
	_cleanup_close_ int pidfd = proc_pidfd(getpid());

	return pidfd < 0 ? -errno : tell_process(waits, getpid(), pidfd, &unknown);
}

void waits_end_family(struct waits *waits)
{
	_cleanup_close_ int pidfd = proc_pidfd(getpid());

	if (pidfd >= 0)
		bpf_map_delete_elem(waits->kernel.processes_fd, &pidfd);
}

/* From now on its threads are looked at, and its GIL is known. */
void waits_take_watch(struct waits *waits, const struct watch *watch)
{
	struct waits_process process = {0};
	struct interpreter interpreter;

	if (watch->pidfd < 0 || waits->kernel.processes_fd < 0)
		return;
	if (!interpreter_find(watch->pid, &interpreter)) {
		process.runtime_raddr = interpreter.pyframe.runtime_raddr;
		process.runtime_end_raddr = interpreter.runtime_end_raddr;
	}
	tell_process(waits, watch->pid, watch->pidfd, &process);
}

void waits_forget_watch(struct waits *waits, const struct watch *watch)
{
	for (unsigned int i = 0; i < WAITS_N_BUCKETS; i++)
		for (struct waited **at = &waits->buckets[i]; *at;) {
			uint32_t tid = (uint32_t)(*at)->tid;

			if ((*at)->pid != watch->pid) {
				at = &(*at)->next;
				continue;
			}
			bpf_map_delete_elem(waits->kernel.wanted_fd, &tid);
			waited_remove(at);
		}
}

/* A thread that runs a loop. What it waited for from now on can be asked. */
void waits_want(struct waits *waits, int32_t pid, int32_t tid)
{
	struct waited *waited = waited_get(waits, pid, tid);
	uint32_t key = (uint32_t)tid, value = 1;

	if (!waited)
		return;
	waited->is_wanted = true;
	bpf_map_update_elem(waits->kernel.wanted_fd, &key, &value, BPF_ANY);
}

/* Where a thread waits, or has waited last. Return: false: it is not known. */
bool waits_registers(struct waits *waits, int32_t tid, struct waits_registers *ret_registers)
{
	uint32_t key = (uint32_t)tid;

	return !bpf_map_lookup_elem(waits->kernel.registers_fd, &key, ret_registers);
}

/*
 * What a thread waited for in a stretch of time that is over: WAITS_N times of it.
 *
 * Return: false when it is not known.
 */
bool waits_span(struct waits *waits, int32_t tid, nsec_t from, nsec_t to, nsec_t *ret_ns)
{
	const struct waited *waited;

	if (to >= waits->read_ns)
		waits_read(waits);
	waited = *waited_at(waits, tid);
	return waited && curve_span(&waited->curve, from, to, ret_ns);
}

/* To be called every few tens of ms. Return: how much could not be told since the last time. */
uint64_t waits_tick(struct waits *waits)
{
	const struct waits_losses *losses = waits->kernel.losses;
	uint64_t n_lost = losses->ring_full + losses->threads_full, n = n_lost - waits->n_lost;

	waits_read(waits);
	waits->n_lost = n_lost;
	return n;
}
