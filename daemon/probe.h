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
	PROBE_E_OLD,	    /* the kernel is */
	PROBE_E_NO_BTF,	    /* it does not describe itself: /sys/kernel/btf/vmlinux */
	PROBE_E_PRIVILEGE,  /* CAP_BPF or CAP_PERFMON is missing */
	PROBE_E_KERNEL,	    /* the kernel refuses the programs */
	PROBE_E_READ,	    /* the process may not be read: CAP_SYS_PTRACE is missing */
	PROBE_E_NO_PROCESS, /* there is none of that number */
	PROBE_E_NO_PYTHON,  /* it runs no CPython */
	PROBE_E_LAYOUT,	    /* a CPython whose frames we cannot read */
};

int probe_new(struct daemon *daemon, struct probe **ret_probe);
struct probe *probe_free(struct probe *probe);
int probe_attach(struct probe *probe, int32_t pid, const struct options *limits);
bool probe_is_watching(const struct probe *probe);
void probe_tick(struct probe *probe);
void probe_finish(struct probe *probe);
const char *probe_complaint(int result);
