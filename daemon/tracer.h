/* SPDX-License-Identifier: Apache-2.0 */
/* Tracer: the thread of the daemon that stops threads of watched processes, one at a time */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "still.h"

/* Each takes half a megabyte until it is looked at. */
#define TRACER_MAX_JOBS 8

enum job_state {
	JOB_FREE = 0,
	JOB_ASKED,
	JOB_RUNNING,
	JOB_DONE,
};

struct tracer_job {
	enum job_state state; /* of this and the following the tracer's lock is */
	const void *owner;    /* NULL: nobody wants it any more */
	uint32_t slot;
	uint64_t number;
	struct still_target target;
	int result; /* as of still_take() */
	struct still *still;
};

/* How long threads stood. */
struct tracer_figures {
	uint64_t n_stills;
	nsec_t p50_ns, p99_ns, max_ns;
};

struct tracer;

int tracer_new(struct tracer **ret_tracer);
struct tracer *tracer_free(struct tracer *tracer);
bool tracer_ask(struct tracer *tracer, const void *owner, uint32_t slot,
		const struct still_target *target);
bool tracer_take(struct tracer *tracer, const void *owner, nsec_t wait_ns,
		 struct tracer_job *ret_job);
void tracer_forget(struct tracer *tracer, const void *owner);
struct tracer_figures tracer_figures(struct tracer *tracer);
