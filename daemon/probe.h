/* SPDX-License-Identifier: Apache-2.0 */
/* Probe: watches processes from the kernel, with nothing put into them */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "wire/options.h"

struct daemon;
struct probe;

enum probe_result {
	_PROBE_E_OK = 0,
	PROBE_E_NOT_BUILT,  /* this loophound has none */
	PROBE_E_NO_BTF,	    /* the kernel does not describe itself: /sys/kernel/btf/vmlinux */
	PROBE_E_PRIVILEGE,  /* CAP_BPF, CAP_PERFMON or CAP_SYS_PTRACE is missing */
	PROBE_E_KERNEL,	    /* the kernel is too old, or refuses the programs */
	PROBE_E_NO_PROCESS, /* there is none of that number */
	PROBE_E_NO_PYTHON,  /* it runs no CPython */
	PROBE_E_LAYOUT,	    /* a CPython whose frames we cannot read */
};

int probe_new(struct daemon *daemon, struct probe **ret_probe);
struct probe *probe_free(struct probe *probe);
int probe_attach(struct probe *probe, int32_t pid, const struct options *limits);
void probe_tick(struct probe *probe);
void probe_finish(struct probe *probe);
int probe_drop_privileges(void);
const char *probe_complaint(int result);
