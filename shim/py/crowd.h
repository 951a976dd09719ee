/* SPDX-License-Identifier: Apache-2.0 */
/* Crowd: thousands of tasks made at one line, over many turns, that live at once */
#pragma once

#include "emit.h"
#include "py/api.h"

/* Tasks that have been made and not finalised, and how many of them have a note. */
extern uint32_t crowd_n_alive, crowd_n_noted;

struct crowd_line;

struct crowd_line *crowd_made(PyObject *task, const struct record_frame *frame);
struct stack_buf *crowd_stack(struct crowd_line *line);
void crowd_tell(struct crowd_line *line);
bool crowd_is_told(const struct record_frame *frame);
void crowd_was_told(const struct record_frame *frame, uint32_t n, const struct stack_buf *stack);
void crowd_loop_stops(void);
void crowd_ends(PyObject *task);
void crowd_forget(void);
