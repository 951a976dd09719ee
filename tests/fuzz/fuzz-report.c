/* SPDX-License-Identifier: Apache-2.0 */
/* A JSON report that somebody found: read, combined with itself, held against itself, written */
#include "read-back.h"

#include "combine.h"
#include "diff.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n);

static void compare(const struct report *base, struct report *now)
{
	struct diff diff = {.base_path = "base", .now_path = "now"};
	struct text_style style = {.is_colored = true};
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);

	if (!out || diff_make(&diff, base, now))
		abort();
	diff_text(out, &diff, &style);
	if (diff_json(out, &diff))
		abort();
	fclose(out);
	free(text);
}

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t n)
{
	struct report report = REPORT_INIT, again = REPORT_INIT, sum = REPORT_INIT;
	struct pool *pool;

	if (pool_new(&pool))
		abort();
	if (!load_report_text((const char *)bytes, n, pool, &report)) {
		if (load_report_text((const char *)bytes, n, pool, &again) ||
		    report_combine(&sum, &report) || report_combine(&sum, &again))
			abort();
		load_report_text((const char *)bytes, n, pool, &report);
		compare(&sum, &report);
		json_read_back(&sum);
	}
	report_deinit(&report);
	report_deinit(&again);
	report_deinit(&sum);
	pool_free(pool);
	return 0;
}
