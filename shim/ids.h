/* SPDX-License-Identifier: Apache-2.0 */
/* Ids: a process changes who it is, for which it must have no thread of ours */
#pragma once

#include <stdbool.h>

bool ids_begin(void);
void ids_end(bool is_held);

/* The value of call, made while there is no watchdog. Keeps the errno of call. */
#define IDS_CHANGED(call)                            \
	({                                           \
		bool _is_held = ids_begin();         \
		__typeof__(call) _ids_result = call; \
                                                     \
		ids_end(_is_held);                   \
		_ids_result;                         \
	})
