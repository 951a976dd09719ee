/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel: what all probes need to be loaded, and what may be given up then */
#pragma once

#include <linux/types.h>
#include <stdint.h>

struct kernel_namespace {
	uint64_t dev, inode;
};

int kernel_init(void);
int kernel_complaint(int r);
void kernel_meet(__u64 *bits, int32_t pid);
int kernel_pid_namespace(struct kernel_namespace *ret_namespace);
