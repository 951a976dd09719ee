/* SPDX-License-Identifier: Apache-2.0 */
/* Finding kinds: the names users know, how grave each is, and which of them are detected */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum finding_kind {
	KIND_BLOCKING_CALL,
	KIND_SLOW_CALLBACK,
	KIND_LONG_TURN,
	KIND_STUCK,
	KIND_NEVER_AWAITED,
	KIND_EXCEPTION_NEVER_RETRIEVED,
	KIND_TASK_DESTROYED_PENDING,
	KIND_TASK_NEVER_FINISHED,
	KIND_UNREFERENCED_TASK,
	KIND_GATHER_SIBLING_LOST,
	KIND_GATHER_EXCEPTIONS_IGNORED,
	KIND_SWALLOWED_CANCELLATION,
	KIND_IGNORED_CANCELLATION,
	KIND_SWALLOWED_EXCEPTION,
	KIND_UNHANDLED_TIMEOUT,
	KIND_TASK_FLOOD,
	KIND_NESTED_RUN,
	KIND_RESULT_BEFORE_DONE,
	KIND_TASKGROUP_MISUSE,
	KIND_UNHANDLED_GROUP,
	KIND_UNCLOSED_RESOURCE,
	_KIND_N,
};

enum severity {
	SEVERITY_ERROR, /* work was lost or the loop stood still */
	SEVERITY_WARNING,
	SEVERITY_NOTE,
};

#define KIND_MASK(kind) (UINT32_C(1) << (kind))
#define KIND_MASK_ALL	(KIND_MASK(_KIND_N) - 1)

const char *kind_summary(enum finding_kind kind);
const char *kind_name(enum finding_kind kind);
enum severity kind_severity(enum finding_kind kind);
bool kind_is_detected(enum finding_kind kind);
uint32_t kinds_detected(void);
uint32_t kinds_strict(void);
bool kind_is_timed(enum finding_kind kind);
bool kind_is_sized(enum finding_kind kind);
uint32_t kind_detectors(enum finding_kind kind);
int kind_parse(const char *text, size_t length, enum finding_kind *ret_kind);
const char *kind_nearest(const char *text, size_t length);
const char *detector_name(unsigned int bit);
const char *severity_name(enum severity severity);
