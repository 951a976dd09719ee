/* SPDX-License-Identifier: Apache-2.0 */
/* Sum: the parts of a finding, added up */
#pragma once

#include "model.h"

void cause_add(struct cause *cause, const struct cause *more);
void call_merge(struct call *call, const struct call *more);
bool finding_has_stack(const struct finding *finding, const struct stack *stack);
void finding_add_stack(struct finding *finding, const struct stack *stack);
void finding_add_pid(struct finding *finding, int32_t pid);
void finding_add_test(struct finding *finding, const char *test);
void finding_add_task(struct finding *finding, const struct task *task, nsec_t span_ns);
