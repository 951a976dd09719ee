/* SPDX-License-Identifier: Apache-2.0 */
/* Strict: calls that could have waited, counted by site and told of now and then */
#pragma once

#include "call.h"

bool strict_open(void);
void strict_forget(void);
bool strict_wants(const struct call_about *about, int error);
bool strict_count(struct loop *loop, const struct call_about *about, uint64_t now, int error);
void strict_flush(struct loop *loop);
void strict_turn_ended(struct loop *loop, uint64_t now);
