/* SPDX-License-Identifier: Apache-2.0 */
/* Gates: what --fail-on asks for, read once and held against a report */
#pragma once

#include <stddef.h>

#include "model.h"

enum gate_subject {
	GATE_ANY,	 /* any finding at all */
	GATE_KIND,	 /* a finding of the kind */
	GATE_KIND_SPAN,	 /* one longer than the limit */
	GATE_KIND_SIZE,	 /* one of more things than the limit */
	GATE_KIND_COUNT, /* more of them than the limit */
	GATE_LAG_P99,
	GATE_TURN_MAX,
	GATE_UTILISATION,
	GATE_LOST,
};

struct gate_rule {
	const char *expr; /* the caller's */
	enum gate_subject subject;
	enum finding_kind kind;
	double limit; /* ns, a number, or a share of 1 */
};

struct gate_error {
	size_t at; /* where in the expression */
	const char *text;
	const char *nearest; /* the name that may be meant; NULL: none */
};

uint32_t gate_needs(const struct gate_rule *rule);
bool gate_lacks_strict(const struct gate_rule *rule, const struct report *report);
int gate_parse(const char *expr, struct gate_rule *ret_rule, struct gate_error *ret_error);
void gate_judge(const struct gate_rule *rule, const struct report *report, struct gate *ret_gate);
int gates_judge(const struct gate_rule *rules, size_t n_rules, struct report *report);
bool gates_hold(const struct report *report);
