/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tracer: the thread that stops threads
 *
 * It stands apart from the core for two reasons: ptrace() belongs to the thread that has seized,
 * and a thread that is to stop may have to wait for a CPU first, which the core must not do with
 * it. What it takes is raw; frames are found and named by the core, whose caches have no lock.
 *
 * The lock guards the jobs and the figures and is held for moments; nothing else is shared. A job
 * whose owner has gone is thrown away when it is done.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/defs.h"
#include "tracer.h"

/* Of all watched processes together: a stop costs a thread 100 us. */
#define TRACER_MAX_A_SECOND 20
#define TRACER_NICE	    -15
/* How long the last of them took, for the figures. */
#define TRACER_N_FIGURES 1024
/* A thread in the middle of a disk access stops when that is over; an end does not wait for it. */
#define TRACER_MAX_END_NS (1 * NSEC_PER_SEC)

struct tracer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t asked, done;
	bool is_ending;
	uint64_t n_asked;
	nsec_t second_ns;
	uint32_t n_this_second;
	struct tracer_job jobs[TRACER_MAX_JOBS];
	uint64_t n_stills;
	nsec_t stopped_ns[TRACER_N_FIGURES];
};

static struct tracer_job *job_oldest(struct tracer *tracer, enum job_state state, const void *owner)
{
	struct tracer_job *oldest = NULL;

	for (unsigned int i = 0; i < TRACER_MAX_JOBS; i++) {
		struct tracer_job *job = &tracer->jobs[i];

		if (job->state == state && (!owner || job->owner == owner) &&
		    (!oldest || job->number < oldest->number))
			oldest = job;
	}
	return oldest;
}

static void job_clear(struct tracer_job *job)
{
	still_free(job->still);
	*job = (struct tracer_job){0};
}

static void job_run(struct tracer *tracer, struct tracer_job *job)
{
	struct still_target target = job->target;
	struct still *still = NULL;
	int result;

	job->state = JOB_RUNNING;
	pthread_mutex_unlock(&tracer->lock);
	result = still_take(&target, &still);
	/* Now: when it is asked for, the process may have ended, and the tables be gone with it. */
	if (!result)
		still->n_frames = still_walk(still, still->frames, &still->frames_end);
	pthread_mutex_lock(&tracer->lock);
	if (!result)
		tracer->stopped_ns[tracer->n_stills++ % TRACER_N_FIGURES] = still->stopped_ns;
	job->result = result;
	job->still = still;
	job->state = JOB_DONE;
	if (!job->owner)
		job_clear(job);
	pthread_cond_broadcast(&tracer->done);
}

static void *tracer_run(void *at)
{
	struct tracer *tracer = at;

	/* While it waits for a CPU, so may a thread that it has stopped. It takes
	 * CAP_SYS_NICE. */
	setpriority(PRIO_PROCESS, (id_t)gettid(), TRACER_NICE);
	pthread_mutex_lock(&tracer->lock);
	while (!tracer->is_ending) {
		struct tracer_job *job = job_oldest(tracer, JOB_ASKED, NULL);

		if (job)
			job_run(tracer, job);
		else
			pthread_cond_wait(&tracer->asked, &tracer->lock);
	}
	pthread_mutex_unlock(&tracer->lock);
	return NULL;
}

static int tracer_start(struct tracer *tracer)
{
	sigset_t all, old;
	int r;

	/* Signals are the host's to see to. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = -pthread_create(&tracer->thread, NULL, tracer_run, tracer);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return r;
}

/* Return: 0 or a negative errno. */
int tracer_new(struct tracer **ret_tracer)
{
	struct tracer *tracer = calloc(1, sizeof(*tracer));
	pthread_condattr_t monotonic;
	int r;

	if (!tracer)
		return -ENOMEM;
	pthread_mutex_init(&tracer->lock, NULL);
	pthread_cond_init(&tracer->asked, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&tracer->done, &monotonic);
	pthread_condattr_destroy(&monotonic);
	r = tracer_start(tracer);
	if (r) {
		free(tracer);
		return r;
	}
	*ret_tracer = tracer;
	return 0;
}

static struct timespec timespec_of(nsec_t ns)
{
	return (struct timespec){(time_t)(ns / NSEC_PER_SEC), (long)(ns % NSEC_PER_SEC)};
}

/* Return: NULL */
struct tracer *tracer_free(struct tracer *tracer)
{
	struct timespec until;

	if (!tracer)
		return NULL;
	pthread_mutex_lock(&tracer->lock);
	tracer->is_ending = true;
	pthread_cond_signal(&tracer->asked);
	pthread_mutex_unlock(&tracer->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += TRACER_MAX_END_NS / NSEC_PER_SEC;
	/* The process ends with it, and the kernel lets its tracees go. */
	if (pthread_timedjoin_np(tracer->thread, NULL, &until))
		return NULL;
	for (unsigned int i = 0; i < TRACER_MAX_JOBS; i++)
		job_clear(&tracer->jobs[i]);
	free(tracer);
	return NULL;
}

static bool tracer_may_ask(struct tracer *tracer)
{
	nsec_t now_ns = clock_monotonic();

	if (now_ns - tracer->second_ns >= NSEC_PER_SEC) {
		tracer->second_ns = now_ns;
		tracer->n_this_second = 0;
	}
	return tracer->n_this_second++ < TRACER_MAX_A_SECOND;
}

/* Return: whether there was room for it. */
bool tracer_ask(struct tracer *tracer, const void *owner, uint32_t slot,
		const struct still_target *target)
{
	struct tracer_job *job;

	pthread_mutex_lock(&tracer->lock);
	job = job_oldest(tracer, JOB_FREE, NULL);
	if (job && !tracer_may_ask(tracer))
		job = NULL;
	if (job)
		*job = (struct tracer_job){
			.state = JOB_ASKED,
			.owner = owner,
			.slot = slot,
			.number = ++tracer->n_asked,
			.target = *target,
		};
	pthread_cond_signal(&tracer->asked);
	pthread_mutex_unlock(&tracer->lock);
	return job != NULL;
}

/* Take what is done for an owner, the oldest first; what is not done is waited for. The still
 * becomes the caller's. Return: whether there was one. */
bool tracer_take(struct tracer *tracer, const void *owner, nsec_t wait_ns,
		 struct tracer_job *ret_job)
{
	struct timespec until = timespec_of(clock_monotonic() + wait_ns);
	struct tracer_job *job;
	int r = 0;

	pthread_mutex_lock(&tracer->lock);
	while (!(job = job_oldest(tracer, JOB_DONE, owner)) && wait_ns && !r &&
	       (job_oldest(tracer, JOB_ASKED, owner) || job_oldest(tracer, JOB_RUNNING, owner)))
		r = pthread_cond_timedwait(&tracer->done, &tracer->lock, &until);
	if (job) {
		*ret_job = *job;
		*job = (struct tracer_job){0};
	}
	pthread_mutex_unlock(&tracer->lock);
	return job != NULL;
}

/* The owner goes. */
void tracer_forget(struct tracer *tracer, const void *owner)
{
	pthread_mutex_lock(&tracer->lock);
	for (unsigned int i = 0; i < TRACER_MAX_JOBS; i++) {
		struct tracer_job *job = &tracer->jobs[i];

		if (!job->state || job->owner != owner)
			continue;
		if (job->state == JOB_RUNNING)
			job->owner = NULL;
		else
			job_clear(job);
	}
	pthread_mutex_unlock(&tracer->lock);
}

static int figure_compare(const void *a, const void *b)
{
	nsec_t x = *(const nsec_t *)a, y = *(const nsec_t *)b;

	return (x > y) - (x < y);
}

struct tracer_figures tracer_figures(struct tracer *tracer)
{
	nsec_t sorted[TRACER_N_FIGURES];
	struct tracer_figures figures;
	size_t n;

	pthread_mutex_lock(&tracer->lock);
	figures.n_stills = tracer->n_stills;
	n = MIN(tracer->n_stills, (uint64_t)TRACER_N_FIGURES);
	memcpy(sorted, tracer->stopped_ns, sizeof(sorted));
	pthread_mutex_unlock(&tracer->lock);
	qsort(sorted, n, sizeof(*sorted), figure_compare);
	figures.p50_ns = n ? sorted[n / 2] : 0;
	figures.p99_ns = n ? sorted[n - 1 - n / 100] : 0;
	figures.max_ns = n ? sorted[n - 1] : 0;
	return figures;
}
