/* SPDX-License-Identifier: Apache-2.0 */
/* Rules of advice: what to write instead, by library, extension, target or call */
#pragma once

#include <stddef.h>

#include "model.h"

#define RULE_MAX 1024

enum rule_where {
	RULE_PYTHON,
	RULE_BUSY,
	RULE_NATIVE,
	RULE_TARGET,
	RULE_CALL,
	_RULE_N,
};

struct rule {
	enum rule_where where;
	const char *pattern; /* fnmatch(3) */
	const char *text;
};

struct rule_error {
	unsigned int line;
	const char *text;
};

int rules_add(const char *text, size_t length, struct rule_error *ret_error);
const char *rules_find(const struct finding *finding);
unsigned int rules_count(void);
const struct rule *rules_at(unsigned int index);
const char *rule_where_name(enum rule_where where);
