/* SPDX-License-Identifier: Apache-2.0 */
/* Ask: a question to the daemon of this host, and its answer */
#pragma once

#include "model.h"
#include "wire/hello.h"

int ask_daemon(const char *socket_path, enum request_verb verb, struct pool *pool,
	       struct report *ret_report);
