/* SPDX-License-Identifier: Apache-2.0 */
/* Attacks: what a program can do to a guest only in C */
#pragma once

#include <stddef.h>

void environment_churn(void);
void environment_rest(void);
void fork_storm(int n_threads, long count);
int fork_on_signal(long delay_ms);
int fork_side(void);
int sleep_on_small_stack(size_t size_bytes);
int sleep_near_stack_end(size_t left_bytes);
int cancel_in_calls(int itself);
int interrupt_storm(int n_waits);
int connect_near_stack_end(size_t left_bytes);
int handler_calls(long every_us);
int handler_sets_ids(long every_us);
int handler_has_run(int n);
int handler_rest(void);
int jump_out(long after_us, int has_stack);
int nap(long span_us);
