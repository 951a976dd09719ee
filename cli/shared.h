/* SPDX-License-Identifier: Apache-2.0 */
/* The options that verbs share */
#pragma once

#include <argp.h>
#include <limits.h>
#include <stdbool.h>

#include "allow.h"
#include "baseline.h"
#include "gate.h"
#include "output.h"
#include "text.h"
#include "wire/options.h"

struct daemon;

#define SHARED_MAX_OUTPUTS 16
#define SHARED_MAX_GATES   64

/* Whether the kernel is asked, where something in the process tells already. */
enum bpf_wish {
	BPF_UNSAID, /* it costs each sleep of a loop something, so it is not asked */
	BPF_AUTO,   /* if it lets us */
	BPF_ON,
	BPF_OFF,
};

struct shared {
	struct options limits;
	uint32_t kinds;
	const char *own_code;
	const char *service;
	const char *socket;
	enum bpf_wish bpf;
	bool is_quiet, is_json, annotates_github;
	bool are_outputs_old, are_gates_old, are_allowed_old; /* from a file */
	int is_colored;					      /* -1: when stderr is a terminal */
	struct output outputs[SHARED_MAX_OUTPUTS];
	unsigned int n_outputs;
	struct gate_rule gates[SHARED_MAX_GATES];
	unsigned int n_gates;
	struct allow allow;
	const char *baseline_path; /* NULL: none */
	struct baseline baseline;
	bool updates_baseline, accepts_new;
	char root_dir[PATH_MAX]; /* of the repository */
};

#define SHARED_INIT                                                                 \
	{                                                                           \
		.limits = OPTIONS_DEFAULT, .kinds = KIND_MASK_ALL, .is_colored = -1 \
	}

extern const struct argp shared_limits_argp;
extern const struct argp shared_output_argp;
extern const struct argp shared_later_argp;

void shared_take_environment(struct shared *shared);
void shared_to_environment(const struct shared *shared, char *buf, size_t buf_bytes);
void shared_check_gates(const struct shared *shared);
void shared_check_strict_gates(const struct shared *shared);
void shared_check_baseline(struct shared *shared);
int shared_judge(struct shared *shared, struct report *report);
int shared_store_baseline(struct shared *shared, const struct report *report);
void shared_begin_command_line(struct shared *shared);
void shared_annotate(const struct shared *shared, const struct report *report);
bool shared_wants_timeline(const struct shared *shared);
bool shared_wants_recording(const struct shared *shared);
void shared_say_gates(const struct shared *shared, const struct report *report);
void shared_report_options(const struct shared *shared, struct report_options *ret_options);
int shared_ask_kernel(const struct shared *shared, struct daemon *daemon);
int shared_open_outputs(struct shared *shared);
int shared_write_outputs(struct shared *shared, const struct report *report);
struct text_style shared_style(const struct shared *shared, int fd, char *cwd, size_t cwd_bytes);
