/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound: the command people type
 *
 * The first word is the verb; each has a file of its own. Verbs that are promised and not built
 * are said to be so.
 */
#include <argp.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

struct verb {
	const char *name;
	int (*run)(int argc, char **argv); /* NULL: not available yet */
};

static const struct verb verbs[] = {
	{"run", cmd_run},	  {"report", cmd_report}, {"status", cmd_status},
	{"explain", cmd_explain}, {"diff", cmd_diff},	  {"attach", cmd_attach},
	{"detach", NULL},	  {"top", NULL},	  {"doctor", cmd_doctor},
};

static void help(FILE *out)
{
	fputs("loophound: find what blocks a Python event loop\n"
	      "  loophound run [OPTION...] -- CMD...   start CMD watched, report at its end\n"
	      "  loophound attach --no-inject PID      watch a process that runs, from the kernel\n"
	      "  loophound report [FILE...]            recordings, JSON reports, or loophoundd\n"
	      "  loophound diff BASE NEW               what got worse, is new, is gone\n"
	      "  loophound status                      what loophoundd watches\n"
	      "  loophound doctor                      what works on this host\n"
	      "  loophound explain [KIND | WORD]       a kind of finding; what to write instead\n"
	      "\n"
	      "  loophound run -- python3 app.py\n"
	      "  loophound run --report r.json -- uvicorn app:app --workers 4\n"
	      "  loophound run --fail-on any --fail-on 'lag-p99>50ms' -- pytest\n"
	      "\n"
	      "loophound VERB --help lists the options of a verb.\n",
	      out);
}

int main(int argc, char **argv)
{
	static char long_help[] = "--help"; /* argp has -? for it, which nobody types */
	const char *name = argc > 1 ? argv[1] : NULL;

	argp_err_exit_status = CLI_EXIT_USAGE;
	if (!name || !strcmp(name, "--help") || !strcmp(name, "help") || !strcmp(name, "-h")) {
		help(name ? stdout : stderr);
		return name ? CLI_EXIT_OK : CLI_EXIT_USAGE;
	}
	if (!strcmp(name, "--version")) {
		puts("loophound " LOOPHOUND_VERSION);
		return CLI_EXIT_OK;
	}
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(name, verbs[i].name))
			continue;
		if (!verbs[i].run)
			cli_usage("%s is not available yet", name);
		if (argc > 2 && !strcmp(argv[2], "-h"))
			argv[2] = long_help;
		return verbs[i].run(argc - 1, argv + 1);
	}
	cli_usage("there is no verb '%s'; loophound --help lists them", name);
}
