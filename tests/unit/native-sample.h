/* SPDX-License-Identifier: Apache-2.0 */
/* What test-symbol.c calls in native-sample.c */
#pragma once

typedef void (*sample_fn)(int line);
typedef __attribute__((noreturn)) void (*sample_last_fn)(void);

void sample_exported(sample_fn fn);
void sample_last(sample_last_fn fn);
