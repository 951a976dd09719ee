/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel: of its types, the fields the probes read; the loader finds where they really are (CO-RE)
 */
#pragma once

/*
 * All that a vmlinux.h of some megabytes would give, pinned by hand: a struct may name fewer fields
 * than the kernel's, in any order, and fields that are not there are found out when the program is
 * loaded. The types of user space (__u64, the map types) are those of linux/bpf.h.
 */
#include <linux/bpf.h>
#include <stdbool.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct thread_struct {
	unsigned long fsbase; /* x86-64 */
};

struct sched_entity {
	unsigned long long sum_exec_runtime;
};

struct task_struct {
	unsigned int __state; /* 5.14; "state" before */
	unsigned int flags;
	int pid;
	int tgid;
	struct task_struct *group_leader;
	unsigned long long start_time; /* ns of CLOCK_MONOTONIC */
	unsigned long nvcsw;
	unsigned long nivcsw;
	struct sched_entity se;
	struct thread_struct thread;
};

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	unsigned long dx;
	unsigned long si;
	unsigned long di;
	unsigned long orig_ax;
	unsigned long ip;
	unsigned long sp;
};
#else
#error "loophound's probes know the registers of x86-64 only"
#endif

#pragma clang attribute pop

struct bpf_perf_event_data;
