/* SPDX-License-Identifier: Apache-2.0 */
/* Output: the file a report is written to, in the format its suffix names */
#pragma once

#include "model.h"

enum output_result {
	_OUTPUT_E_OK = 0,
	OUTPUT_E_LATER,	 /* a format that is promised, but not written by this version */
	OUTPUT_E_SUFFIX, /* no format has that suffix */
};

struct output {
	const char *path;
	unsigned int format; /* of the table in output.c */
	int fd;
};

#define OUTPUT_INIT      \
	{                \
		.fd = -1 \
	}

int output_format_of(const char *path, unsigned int *ret_format);
const char *output_suffix(unsigned int format);
bool output_is_timeline(const struct output *output);
bool output_is_recording(const struct output *output);
int output_open(struct output *output, const char *path, unsigned int format);
int output_write(struct output *output, const struct report *report);
void output_close(struct output *output);
