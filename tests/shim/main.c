/* SPDX-License-Identifier: Apache-2.0 */
/* A program without Python that runs the snippets: the shim must not be there for it at all */
#include <stdio.h>
#include <string.h>

#include "snippets.h"

int main(int argc, char **argv)
{
	static char text[SNIPPETS_TEXT_BYTES];
	int used = -1;

	if (argc != 2)
		return 2;
	if (!strcmp(argv[1], "plain"))
		used = snippets_run(SNIPPET_PLAIN, text, sizeof(text));
	else if (!strcmp(argv[1], "signal"))
		used = snippets_run_in_signal(text, sizeof(text));
	else if (!strcmp(argv[1], "fork"))
		used = snippets_run_in_fork(text, sizeof(text));
	else if (!strcmp(argv[1], "vfork"))
		used = snippets_run_in_vfork(text, sizeof(text));
	if (used <= 0)
		return 1;
	fputs(text, stdout);
	return 0;
}
