/* SPDX-License-Identifier: Apache-2.0 */
/* What people and programs write: options, durations, gates, globs, command lines, paths */
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gate.h"
#include "output.h"
#include "own-code.h"
#include "place.h"
#include "pool.h"
#include "stamp.h"
#include "wire/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct options options = OPTIONS_DEFAULT;
	char *text = malloc(n + 1), buf[64];
	struct own_code own = {0};
	unsigned int format;
	struct gate_error error;
	struct gate_rule rule;
	uint64_t at;

	if (!text)
		return 0;
	memcpy(text, bytes, n);
	text[n] = '\0';
	options_parse(text, &options, buf, sizeof(buf));
	if (gate_parse(text, &rule, &error) && error.at > n)
		abort();
	output_format_of(text, &format);
	own_code_add_cmdline(&own, text, n + 1);
	own_code_add_globs(&own, text);
	own_code_has(&own, text);
	place_of(text);
	place_module(place_inside(text) ? place_inside(text) : text, buf, sizeof(buf));
	stamp_parse(text, &at);
	utf8_cut(text);
	free(text);
	return 0;
}
