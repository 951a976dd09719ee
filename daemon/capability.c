/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Capability: capget() and capset(), so far as they are needed here
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capability.h"

static int capabilities(struct __user_cap_header_struct *header,
			struct __user_cap_data_struct words[2])
{
	*header = (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
	return syscall(SYS_capget, header, words) ? -errno : 0;
}

bool capability_has(unsigned int capability)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct words[2];

	return !capabilities(&header, words) &&
	       words[capability / 32].effective >> capability % 32 & 1;
}

/* CAP_SYS_ADMIN stands for CAP_BPF and CAP_PERFMON, which were parts of it before Linux 5.8. */
bool capability_may_probe(unsigned int capability)
{
	return capability_has(capability) ||
	       ((capability == CAP_BPF || capability == CAP_PERFMON) &&
		capability_has(CAP_SYS_ADMIN));
}

/* What no program started from here can get either. Who may not give it up may not get it back:
 * a setuid program is what is left, and none is started with more rights than ours. */
static int bound(uint64_t kept)
{
	for (unsigned int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; i++)
		if (!(kept >> i & 1) && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) && errno != EPERM)
			return -errno;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -errno : 0;
}

/* Give up all but these (1 << CAP_X), for good: of this thread, and of those that it starts.
 * Return: 0 or a negative errno. */
int capability_keep(uint64_t kept)
{
	struct __user_cap_header_struct header;
	struct __user_cap_data_struct words[2];
	int r = bound(kept);

	if (!r)
		r = capabilities(&header, words);
	if (r)
		return r;
	for (unsigned int i = 0; i < 2; i++) {
		words[i].permitted &= (uint32_t)(kept >> 32 * i);
		words[i].effective &= (uint32_t)(kept >> 32 * i);
		words[i].inheritable = 0;
	}
	return syscall(SYS_capset, &header, words) ? -errno : 0;
}

/* What a core needs once all is loaded: to read other processes, and to tell the programs of them.
 * Return: 0 or a negative errno. */
int capability_keep_watching(uint64_t more)
{
	return capability_keep(UINT64_C(1) << CAP_BPF | UINT64_C(1) << CAP_SYS_PTRACE |
			       UINT64_C(1) << CAP_DAC_READ_SEARCH | more);
}
