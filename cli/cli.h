/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs, and the ways in which they end */
#pragma once

#include "base/defs.h"
#include "kind.h"

#define CLI_EXIT_OK	   0
#define CLI_EXIT_USAGE	   2
#define CLI_EXIT_GATE	   3
#define CLI_EXIT_NO_JOB	   4
#define CLI_EXIT_NOT_EXEC  126
#define CLI_EXIT_NOT_FOUND 127
#define CLI_EXIT_BY_SIGNAL 128

void cli_say(const char *format, ...) _printf_(1, 2);
void cli_set_place(const char *path, unsigned int line);
size_t cli_indent(void);
void cli_usage(const char *format, ...) _printf_(1, 2) __attribute__((noreturn));

const char *explain_kind(enum finding_kind kind);

int cmd_attach(int argc, char **argv);
int cmd_doctor(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_explain(int argc, char **argv);
