/* SPDX-License-Identifier: Apache-2.0 */
/* Task: the asyncio task of a callback, with its names */
#pragma once

#include "watch.h"

struct task *task_of_callback(const struct watch *watch, uint32_t slot, uint64_t turn_seq,
			      uint64_t callback_seq);
