/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The system's log
 *
 * libc sends each line by a socket of its own that waits while the other side is behind. What is
 * logged is never looked at.
 */
#include "call.h"

static inline void log_leave(struct loop *loop, enum hook hook, const void *caller)
{
	struct call_about about = {.hook = hook, .nature = CALL_WAITS, .fd = -1, .caller = caller};

	if (unlikely(loop) && call_is_ours(loop))
		call_leave(loop, &about, 0);
}

_export_ void vsyslog(int priority, const char *format, va_list args)
{
	struct loop *loop = call_enter(HOOK_vsyslog, CALL_WAITS, -1);

	REAL(vsyslog)(priority, format, args);
	log_leave(loop, HOOK_vsyslog, __builtin_return_address(0));
}

_export_ void __vsyslog_chk(int priority, int flag, const char *format, va_list args)
{
	struct loop *loop = call_enter(HOOK___vsyslog_chk, CALL_WAITS, -1);

	REAL(__vsyslog_chk)(priority, flag, format, args);
	log_leave(loop, HOOK___vsyslog_chk, __builtin_return_address(0));
}

_export_ void syslog(int priority, const char *format, ...)
{
	struct loop *loop = call_enter(HOOK_syslog, CALL_WAITS, -1);
	va_list args;

	va_start(args, format);
	REAL(vsyslog)(priority, format, args);
	va_end(args);
	log_leave(loop, HOOK_syslog, __builtin_return_address(0));
}

_export_ void __syslog_chk(int priority, int flag, const char *format, ...)
{
	struct loop *loop = call_enter(HOOK___syslog_chk, CALL_WAITS, -1);
	va_list args;

	va_start(args, format);
	REAL(__vsyslog_chk)(priority, flag, format, args);
	va_end(args);
	log_leave(loop, HOOK___syslog_chk, __builtin_return_address(0));
}
