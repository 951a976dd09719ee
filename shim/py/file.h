/* SPDX-License-Identifier: Apache-2.0 */
/* File: files that code of a loop drops without closing them */
#pragma once

void file_loop_starts(void);
