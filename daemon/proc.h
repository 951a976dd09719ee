/* SPDX-License-Identifier: Apache-2.0 */
/* Proc: what /proc says of a process, and waking shims that sleep for want of a daemon */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What tells the program that a process runs from the one before it. */
struct proc_image {
	uint64_t random[2];
};

int proc_pidfd(int32_t pid);
bool proc_has_ended(int pidfd);
bool proc_may_read(int32_t pid);
bool proc_image(int32_t pid, struct proc_image *ret_image);
bool proc_exit_status(int pidfd, int *ret_status);
bool proc_is_dying(int32_t pid);
bool proc_maps_region(int32_t pid, uint64_t inode);
int32_t proc_find_thread(int32_t pid, int32_t their_tid);
bool proc_has_our_root(int32_t pid);
int proc_root_fd(int32_t pid);
size_t proc_cwd(int32_t pid, char *buf, size_t buf_bytes);
unsigned int proc_wake_parked(void);
