/* SPDX-License-Identifier: Apache-2.0 */
/* A recording that somebody found: read and reported as text and JSON */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "daemon.h"
#include "fuzz.h"
#include "read-back.h"
#include "recording.h"
#include "snapshot.h"
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct daemon_config config = {.options = {.kinds = KIND_MASK_ALL}};
	struct text_style style = {.is_colored = true, .base_dir = "/srv"};
	struct report report = REPORT_INIT;
	struct daemon *daemon;
	char *text = NULL;
	size_t n_text = 0;
	FILE *out;

	if (daemon_new(&config, &daemon))
		abort();
	recording_read(daemon, bytes, n);
	if (!snapshot_take(daemon, &report)) {
		json_read_back(&report);
		out = open_memstream(&text, &n_text);
		text_report(out, &report, &style);
		fclose(out);
		free(text);
	}
	report_deinit(&report);
	daemon_free(daemon);
	return 0;
}
