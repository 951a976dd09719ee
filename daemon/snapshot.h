/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshot: the report of what a daemon knows now */
#pragma once

#include "daemon.h"

int snapshot_take(struct daemon *daemon, struct report *ret_report);
