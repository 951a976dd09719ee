/* SPDX-License-Identifier: Apache-2.0 */
/* Snippets: every hooked symbol called in a way whose result and errno are known beforehand */
#pragma once

/* Where a snippet is called from; some cannot be called in all frames. */
enum snippet_frame {
	SNIPPET_PLAIN = 0,
	SNIPPET_VFORK = 1, /* in a vfork child: nothing that forks */
};

/* All of it. */
#define SNIPPETS_TEXT_BYTES 32768

int snippets_run(enum snippet_frame frame, char *text, int text_bytes);
int snippets_run_in_signal(char *text, int text_bytes);
int snippets_run_in_fork(char *text, int text_bytes);
int snippets_run_in_vfork(char *text, int text_bytes);
