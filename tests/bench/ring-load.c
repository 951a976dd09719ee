/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Ring load: what the daemon's core makes of many records
 *
 * Regions as the shim makes them are filled through the ring, and drained by the core as the daemon
 * does it. Only the draining is timed, in CPU time of the one thread there is, so that what else
 * the machine does costs it caches and nothing more.
 *
 * "speed": as many records as are drained in SPEED_NS, of SPEED_PROCESSES processes with
 * SPEED_SITES sites each. "memory": each of MEMORY_PROCESSES processes tells once of each of
 * MEMORY_SITES sites; what the core has allocated then is what is resident and no file.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "drain.h"
#include "fake-watch.h"
#include "names.h"
#include "wire/arena.h"
#include "wire/ring.h"

#define N_FRAMES	 12
#define N_BASE		 8 /* frames that all stacks share: the server below the user's code */
#define SPEED_PROCESSES	 8
#define SPEED_SITES	 200
#define SPEED_NS	 (2 * NSEC_PER_SEC)
#define MEMORY_PROCESSES 1000
#define MEMORY_SITES	 10000
#define N_FILES		 100

/* One who tells, a watched process: its region, and where the names of its sites lie in it. */
struct teller {
	struct fake_watch fake;
	struct watch *watch;
	uint64_t turn_seq;
	uint32_t n_sites;
	uint32_t call_str;
	struct record_frame base[N_BASE];
	struct record_frame *sites; /* the user's own, N_FRAMES - N_BASE of each */
};

struct core {
	struct names *names;
	struct drain drain;
	struct live live;
};

static void core_open(struct core *core)
{
	memset(core, 0, sizeof(*core));
	assert(!names_new(&core->names) && !aggregate_new(&core->drain.aggregate));
	core->drain.live = &core->live;
	core->drain.kinds = UINT32_MAX;
	core->drain.now_ns = FAKE_START_NS + NSEC_PER_SEC;
}

static struct record_frame frame_of(struct teller *teller, const char *file, const char *function,
				    int32_t line)
{
	return (struct record_frame){
		.file_str = fake_string(&teller->fake, file),
		.function_str = fake_string(&teller->fake, function),
		.line = line,
		.first_line = line,
	};
}

/* Sites first_site, first_site + step, ... of n_all. */
static void teller_open(struct core *core, struct teller *teller, uint32_t n_sites,
			uint32_t first_site, uint32_t n_all)
{
	char file[128], function[64];
	uint32_t files[N_FILES];

	memset(teller, 0, sizeof(*teller));
	fake_open(&teller->fake);
	fake_slot(&teller->fake, 0, 1);
	teller->n_sites = n_sites;
	teller->call_str = fake_string(&teller->fake, "clock_nanosleep");
	for (int32_t i = 0; i < N_BASE; i++) {
		snprintf(file, sizeof(file), "/usr/lib/python3/dist-packages/framework/layer_%d.py",
			 i);
		snprintf(function, sizeof(function), "Layer%d.__call__", i);
		teller->base[i] = frame_of(teller, file, function, 100 + i);
	}
	teller->sites = calloc((size_t)n_sites * (N_FRAMES - N_BASE), sizeof(*teller->sites));
	assert(teller->sites);
	for (uint32_t i = 0; i < N_FILES; i++) {
		snprintf(file, sizeof(file), "/srv/application/package_%u/module_%u.py", i % 10, i);
		files[i] = fake_string(&teller->fake, file);
	}
	for (uint32_t i = 0; i < n_sites; i++) {
		struct record_frame *frames = &teller->sites[i * (N_FRAMES - N_BASE)];
		uint32_t site = (first_site + i) % n_all;

		snprintf(function, sizeof(function), "Handler.step_%u", site);
		for (uint32_t k = 0; k < N_FRAMES - N_BASE; k++)
			frames[k] = (struct record_frame){
				.file_str = files[(site + k) % N_FILES],
				.function_str = k ? teller->base[k].function_str
						  : fake_string(&teller->fake, function),
				.line = (int32_t)(10 + site % 500),
			};
		assert(frames[0].function_str);
	}
	assert(!watch_new_map(core->names, teller->fake.fd, &teller->watch));
	/* No process stands behind it: nothing is looked up under /proc. */
	watch_identify(teller->watch, 0, &(struct own_code){0});
}

static void put_frames(struct teller *teller, void *to, uint32_t site)
{
	struct record_frame *frames = to;
	uint32_t n_own = N_FRAMES - N_BASE;

	memcpy(frames, &teller->sites[site * n_own], n_own * sizeof(*frames));
	memcpy(frames + n_own, teller->base, sizeof(teller->base));
}

static bool put_call(struct teller *teller, uint32_t site)
{
	uint32_t size_bytes = sizeof(struct record_call) + N_FRAMES * sizeof(struct record_frame);
	struct record_call *call =
		(struct record_call *)ring_reserve(&teller->fake.region, size_bytes);

	if (!call)
		return false;
	memset((char *)call + sizeof(uint32_t), 0, sizeof(*call) - sizeof(uint32_t));
	call->head.type = RECORD_CALL;
	call->head.ticks = FAKE_START_NS + 30 * FAKE_MS;
	call->call_str = teller->call_str;
	call->turn_seq = call->callback_seq = teller->turn_seq;
	call->start = FAKE_START_NS;
	call->span = 30 * FAKE_MS;
	call->n_calls = 1;
	call->fd = -1;
	call->stack.n_frames = N_FRAMES;
	put_frames(teller, call + 1, site);
	ring_commit(&call->head, size_bytes);
	return true;
}

static bool put_sample(struct teller *teller, uint32_t site)
{
	uint32_t size_bytes = sizeof(struct record_sample) + N_FRAMES * sizeof(struct record_frame);
	struct record_sample *sample =
		(struct record_sample *)ring_reserve(&teller->fake.region, size_bytes);

	if (!sample)
		return false;
	memset((char *)sample + sizeof(uint32_t), 0, sizeof(*sample) - sizeof(uint32_t));
	sample->head.type = RECORD_SAMPLE;
	sample->head.ticks = FAKE_START_NS + 110 * FAKE_MS;
	sample->what = RECORD_WHAT_CALLBACK;
	sample->turn_seq = sample->callback_seq = teller->turn_seq;
	sample->start = sample->turn_start = FAKE_START_NS;
	sample->fd = -1;
	sample->stack.n_frames = N_FRAMES;
	put_frames(teller, sample + 1, site);
	ring_commit(&sample->head, size_bytes);
	return true;
}

static bool put_callback(struct teller *teller)
{
	struct record_callback *callback = (struct record_callback *)ring_reserve(
		&teller->fake.region, sizeof(struct record_callback));

	if (!callback)
		return false;
	memset((char *)callback + sizeof(uint32_t), 0, sizeof(*callback) - sizeof(uint32_t));
	callback->head.type = RECORD_CALLBACK;
	callback->head.ticks = FAKE_START_NS + 150 * FAKE_MS;
	callback->turn_seq = callback->callback_seq = teller->turn_seq;
	callback->start = FAKE_START_NS;
	callback->span = 150 * FAKE_MS;
	callback->cpu_ns = callback->run_queue_ns = callback->frozen_ns = callback->gil_wait_ns =
		-1;
	ring_commit(&callback->head, sizeof(*callback));
	return true;
}

/*
 * What a process in trouble tells: of three calls, and of a callback with two samples of it.
 *
 * Return: how many records, 0 when the ring is full.
 */
static uint32_t put_turn(struct teller *teller, uint32_t site)
{
	uint32_t n = 0;

	teller->turn_seq++;
	for (uint32_t i = 0; i < 3; i++)
		n += put_call(teller, (site + i) % teller->n_sites);
	n += put_sample(teller, site);
	n += put_sample(teller, site);
	n += put_callback(teller);
	return n;
}

static nsec_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (nsec_t)ts.tv_sec * NSEC_PER_SEC + (nsec_t)ts.tv_nsec;
}

static void drain_all(struct core *core, struct teller *teller)
{
	struct slot *slot = region_slot(&teller->fake.region, 0);

	/* All its turns are over. */
	atomic_store(&slot->turn_seq, teller->turn_seq + 1);
	drain_watch(&core->drain, teller->watch);
	assert(!teller->watch->is_corrupt && !teller->watch->lost.n[LOST_RECORD_CORRUPT]);
}

static void measure_speed(void)
{
	static struct teller tellers[SPEED_PROCESSES];
	struct core core;
	uint64_t n_records = 0;
	nsec_t spent_ns = 0;
	uint32_t site = 0;

	core_open(&core);
	for (uint32_t i = 0; i < SPEED_PROCESSES; i++)
		teller_open(&core, &tellers[i], SPEED_SITES, i * SPEED_SITES,
			    SPEED_PROCESSES * SPEED_SITES);
	while (spent_ns < SPEED_NS)
		for (uint32_t i = 0; i < SPEED_PROCESSES; i++) {
			uint32_t n;
			nsec_t started_ns;

			do {
				n = put_turn(&tellers[i], site++ % SPEED_SITES);
				n_records += n;
			} while (n == 6);
			started_ns = cpu_ns();
			drain_all(&core, &tellers[i]);
			spent_ns += cpu_ns() - started_ns;
		}
	printf("%.0f records a second, %llu records\n", (double)n_records * 1e9 / (double)spent_ns,
	       (unsigned long long)n_records);
}

static unsigned long anonymous_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	unsigned long kib = 0;
	char line[256];

	assert(file);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "RssAnon: %lu kB", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

static void measure_memory(void)
{
	static struct teller tellers[MEMORY_PROCESSES];
	struct rlimit files = {.rlim_cur = 4096, .rlim_max = 4096};
	unsigned long before_kib = anonymous_kib();
	struct finding **findings;
	uint64_t n_counted = 0, n_lost = 0;
	uint32_t n_findings;
	struct core core;

	assert(!setrlimit(RLIMIT_NOFILE, &files));
	core_open(&core);
	for (uint32_t i = 0; i < MEMORY_PROCESSES; i++) {
		struct teller *teller = &tellers[i];

		teller_open(&core, teller, MEMORY_SITES, i * 7919 % MEMORY_SITES, MEMORY_SITES);
		teller->watch->pid = (int32_t)(1000 + i);
		for (uint32_t site = 0; site < MEMORY_SITES; site++) {
			teller->turn_seq++;
			if (put_call(teller, site))
				continue;
			drain_all(&core, teller);
			assert(put_call(teller, site));
		}
		drain_all(&core, teller);
		n_lost += teller->watch->lost.n[LOST_FINDINGS];
		/* What it held is told; the machine has no GiB for what is empty. */
		fallocate(teller->fake.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  REGION_ARENA_OFFSET, REGION_BYTES - REGION_ARENA_OFFSET);
		free(teller->sites);
	}
	printf("%lu KiB, ", anonymous_kib() - before_kib);
	assert(!aggregate_copy(core.drain.aggregate, &findings, &n_findings));
	for (uint32_t i = 0; i < n_findings; i++)
		n_counted += findings[i]->count;
	printf("%u sites, %llu counted, %llu lost\n", n_findings, (unsigned long long)n_counted,
	       (unsigned long long)n_lost);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "speed"))
		measure_speed();
	else if (argc == 2 && !strcmp(argv[1], "memory"))
		measure_memory();
	else
		return 2;
	return 0;
}
