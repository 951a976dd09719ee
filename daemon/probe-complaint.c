/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a probe could not do, in words
 */
#include <string.h>

#include "probe.h"

/* result: an enum probe_result or a negative errno. */
const char *probe_complaint(int result)
{
	switch (result) {
	case PROBE_E_NOT_BUILT:
		return "this loophound was built without kernel probes";
	case PROBE_E_NO_BTF:
		return "the kernel does not describe itself (there is no /sys/kernel/btf/vmlinux)";
	case PROBE_E_PRIVILEGE:
		return "it takes root, or the capabilities CAP_BPF, CAP_PERFMON and "
		       "CAP_SYS_PTRACE";
	case PROBE_E_KERNEL:
		return "the kernel refuses the programs: Linux 5.17 or later is needed";
	case PROBE_E_NO_PROCESS:
		return "there is no such process";
	case PROBE_E_NO_PYTHON:
		return "it runs no CPython";
	case PROBE_E_LAYOUT:
		return "its CPython is none whose frames can be read (3.8 to 3.15)";
	default:
		return strerror(-result);
	}
}
