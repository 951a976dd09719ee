/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a probe could not do, in words
 */
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "capability.h"
#include "probe.h"

static const char *privilege_complaint(void)
{
	bool may_load = capability_may_probe(CAP_BPF),
	     may_trace = capability_may_probe(CAP_PERFMON);

	if (!may_load && !may_trace)
		return "it takes root, or the capabilities CAP_BPF and CAP_PERFMON, which are "
		       "missing";
	if (!may_load)
		return "it takes root, or the capability CAP_BPF, which is missing";
	if (!may_trace)
		return "it takes root, or the capability CAP_PERFMON, which is missing";
	return "the kernel does not let it, though CAP_BPF and CAP_PERFMON are there";
}

static const char *age_complaint(void)
{
	static char text[128];
	struct utsname name = {0};

	uname(&name);
	snprintf(text, sizeof(text), "Linux 5.17 or later is needed, and this is %.64s",
		 name.release);
	return text;
}

/* result: an enum probe_result or a negative errno. Valid until the next call. */
const char *probe_complaint(int result)
{
	switch (result) {
	case PROBE_E_NOT_BUILT:
		return "this loophound was built without kernel probes";
	case PROBE_E_OLD:
		return age_complaint();
	case PROBE_E_NO_BTF:
		return "the kernel does not describe itself (there is no /sys/kernel/btf/vmlinux)";
	case PROBE_E_PRIVILEGE:
		return privilege_complaint();
	case PROBE_E_KERNEL:
		return "the kernel refuses the programs";
	case PROBE_E_READ:
		return "its memory may not be read: it takes root, or the capability "
		       "CAP_SYS_PTRACE";
	case PROBE_E_NO_PROCESS:
		return "there is no such process, or it has ended";
	case PROBE_E_NO_PYTHON:
		return "it runs no CPython";
	case PROBE_E_LAYOUT:
		return "its CPython is none whose frames can be read (3.8 to 3.15)";
	default:
		return strerror(-result);
	}
}
