/* SPDX-License-Identifier: Apache-2.0 */
/* System call: what it is called in a report, and what its arguments mean */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct syscall_name {
	const char *name; /* of the C library's function that makes it */
	bool has_fd;	  /* its first argument is a descriptor */
};

struct syscall_name syscall_name_of(int32_t number);
