/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel: loading programs into it, so far as it is the same for all of them
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capability.h"
#include "kernel.h"
#include "probe.h"
#include "waits-api.bpf.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"
/* include/linux/proc_ns.h: the inode of the first pid namespace, whose numbers the programs see. */
#define INIT_PID_NAMESPACE 0xeffffffc

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	const char *debug = getenv("LOOPHOUND_DEBUG");

	if (level == LIBBPF_DEBUG || !debug)
		return 0;
	return vfprintf(stderr, format, args);
}

static bool is_old(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname name;

	return !uname(&name) && sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
	       (major < 5 || (major == 5 && minor < 17));
}

/*
 * Whether it is worth a try; libbpf's own words are for who looks for a fault of ours.
 *
 * Return: 0 or an enum probe_result.
 */
int kernel_init(void)
{
	libbpf_set_print(quiet);
	if (is_old())
		return PROBE_E_OLD;
	if (access(BTF_PATH, R_OK))
		return PROBE_E_NO_BTF;
	return capability_may_probe(CAP_BPF) && capability_may_probe(CAP_PERFMON)
		       ? 0
		       : PROBE_E_PRIVILEGE;
}

/* What a negative errno of loading means. Return: an enum probe_result. */
int kernel_complaint(int r)
{
	return r == -EPERM || r == -EACCES ? PROBE_E_PRIVILEGE : PROBE_E_KERNEL;
}

/* That in which we know processes by their numbers. Return: 0 or a negative errno. */
int kernel_pid_namespace(struct kernel_namespace *ret_namespace)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st))
		return -errno;
	*ret_namespace = (struct kernel_namespace){st.st_dev, st.st_ino};
	return 0;
}

/*
 * A process that is going to be watched: the programs look up those alone whose bit is set. Seen
 * from another pid namespace its number says nothing, and anybody may be the one.
 */
void kernel_meet(__u64 *bits, int32_t pid)
{
	struct kernel_namespace namespace;
	uint32_t bit = (uint32_t)pid % WAITS_N_MET_BITS;

	if (kernel_pid_namespace(&namespace) || namespace.inode != INIT_PID_NAMESPACE)
		memset(bits, 0xff, WAITS_N_MET_BITS / 8);
	else
		__atomic_fetch_or(&bits[bit / 64], 1ULL << bit % 64, __ATOMIC_RELAXED);
}
