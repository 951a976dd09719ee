/* SPDX-License-Identifier: Apache-2.0 */
/*
 * loophound doctor: what works on this host, and the one command that mends the rest
 *
 * Each check looks at one thing and says what it means for which verb. Nothing is changed; kernel
 * probes are loaded for a moment, since nothing else tells whether the kernel takes them.
 */
#include <argp.h>
#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <limits.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capability.h"
#include "cli.h"
#include "daemon.h"
#include "preload.h"
#include "probe.h"

#define DOCTOR_MAX_CHECKS   16
#define DOCTOR_MAX_PYTHONS  64
#define DOCTOR_OLDEST_MINOR 8 /* of Python 3 */

enum state {
	STATE_OK,
	STATE_LESS, /* something does not work without it */
	STATE_FACT, /* neither good nor bad */
};

struct check {
	const char *name;
	enum state state;
	char found[256];
	const char *effect; /* what does not work; NULL: nothing */
	const char *mend;   /* a command; NULL: there is none */
};

struct doctor {
	struct check checks[DOCTOR_MAX_CHECKS];
	unsigned int n_checks;
	char pythons[DOCTOR_MAX_PYTHONS][PATH_MAX];
	unsigned int n_pythons;
	unsigned int n_old_pythons; /* which nothing here can watch */
	bool is_json;
};

enum {
	KEY_JSON = 1024,
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct doctor *doctor = state->input;

	switch (key) {
	case KEY_JSON:
		doctor->is_json = true;
		return 0;
	case ARGP_KEY_ARG:
		cli_usage("doctor: there is nothing to be done with '%s'", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option options[] = {
	{"json", KEY_JSON, 0, 0, "JSON instead of text", 0},
	{0},
};

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.doc = "What of loophound works on this host, and what mends the rest.",
};

static struct check *add(struct doctor *doctor, const char *name, bool is_ok)
{
	struct check *check = &doctor->checks[doctor->n_checks++];

	*check = (struct check){.name = name, .state = is_ok ? STATE_OK : STATE_LESS};
	return check;
}

/* The first line of a file. Return: whether there is one. */
static bool read_line(const char *path, char *buf, size_t buf_bytes)
{
	FILE *file = fopen(path, "re");
	bool has_line = file && fgets(buf, (int)buf_bytes, file);

	if (file)
		fclose(file);
	if (has_line)
		buf[strcspn(buf, "\n")] = '\0';
	return has_line;
}

static void check_kernel(struct doctor *doctor)
{
	struct utsname name;
	struct check *check;
	unsigned int major = 0, minor = 0;

	if (uname(&name))
		return;
	sscanf(name.release, "%u.%u", &major, &minor);
	check = add(doctor, "kernel", major > 5 || (major == 5 && minor >= 17));
	snprintf(check->found, sizeof(check->found), "Linux %.64s, %.64s", name.release,
		 name.machine);
	if (check->state != STATE_OK)
		check->effect = "attach --no-inject needs Linux 5.17 or later";
}

static void check_shim(struct doctor *doctor)
{
	char path[PATH_MAX];
	int r = preload_find(path, sizeof(path));
	struct check *check = add(doctor, "shim", !r);

	snprintf(check->found, sizeof(check->found), "%.250s", r ? "not found" : path);
	if (r)
		check->effect = "run needs libloophound.so; LOOPHOUND_SHIM can say where it is";
}

static void check_btf(struct doctor *doctor)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";
	struct check *check = add(doctor, "btf", !access(path, R_OK));

	snprintf(check->found, sizeof(check->found), "%s%s", path,
		 check->state == STATE_OK ? "" : " is not there");
	if (check->state != STATE_OK)
		check->effect = "attach --no-inject needs a kernel built with "
				"CONFIG_DEBUG_INFO_BTF";
}

static void check_capabilities(struct doctor *doctor)
{
	static const struct {
		unsigned int number;
		const char *name, *effect;
	} wanted[] = {
		{CAP_BPF, "CAP_BPF",
		 "attach --no-inject cannot load its probes; run works, without exact causes"},
		{CAP_PERFMON, "CAP_PERFMON",
		 "attach --no-inject cannot trace or sample; run works, without exact causes"},
		{CAP_SYS_PTRACE, "CAP_SYS_PTRACE",
		 "attach --no-inject sees this user's own processes only, as far as ptrace may"},
	};

	for (size_t i = 0; i < ARRAY_LEN(wanted); i++) {
		bool has_it = capability_may_probe(wanted[i].number);
		struct check *check = add(doctor, wanted[i].name, has_it);

		snprintf(check->found, sizeof(check->found), "%s", has_it ? "there" : "not there");
		if (has_it)
			continue;
		check->effect = wanted[i].effect;
		check->mend = "sudo loophound ...";
	}
}

static void check_lockdown(struct doctor *doctor)
{
	struct check *check = add(doctor, "lockdown", true);
	char line[128];

	check->state = STATE_FACT;
	snprintf(check->found, sizeof(check->found), "%s",
		 read_line("/sys/kernel/security/lockdown", line, sizeof(line))
			 ? line
			 : "not told by this kernel");
}

static void check_ptrace(struct doctor *doctor)
{
	char line[32];
	bool has_scope = read_line("/proc/sys/kernel/yama/ptrace_scope", line, sizeof(line));
	bool is_ok = !has_scope || *line == '0' || capability_has(CAP_SYS_PTRACE);
	struct check *check = add(doctor, "ptrace", is_ok);

	snprintf(check->found, sizeof(check->found), has_scope ? "ptrace_scope %s" : "no limits",
		 line);
	if (!is_ok)
		check->effect = "run --native has no native frames of work on the CPU";
}

static void check_probes(struct doctor *doctor)
{
	struct daemon_config config = {0};
	struct daemon *daemon = NULL;
	struct probe *probe = NULL;
	int r = daemon_new(&config, &daemon);
	struct check *check;

	if (!r)
		r = probe_new(daemon, &probe);
	check = add(doctor, "probes", !r);
	snprintf(check->found, sizeof(check->found), "%s",
		 r ? probe_complaint(r) : "the kernel takes them");
	if (r)
		check->effect = "attach --no-inject does not work, and run has no exact causes";
	if (r == PROBE_E_PRIVILEGE)
		check->mend = "sudo loophound ...";
	if (r == PROBE_E_NOT_BUILT)
		check->mend = "apt-get install clang bpftool libbpf-dev, and build again";
	probe_free(probe);
	daemon_free(daemon);
}

/* By its name, and that of what it is a link to: none is run to be asked. */
static bool is_too_old(const char *python)
{
	char path[PATH_MAX];
	const char *slash = realpath(python, path) ? strrchr(path, '/') : NULL;
	unsigned int minor;

	return slash && sscanf(slash, "/python3.%u", &minor) == 1 && minor < DOCTOR_OLDEST_MINOR;
}

static void find_in(struct doctor *doctor, const char *dir, size_t length)
{
	char pattern[PATH_MAX];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "%.*s/python3*", (int)length, dir);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc && doctor->n_pythons < DOCTOR_MAX_PYTHONS; i++) {
		const char *name = strrchr(found.gl_pathv[i], '/') + strlen("/python3");

		if (name[strspn(name, ".0123456789t")] || access(found.gl_pathv[i], X_OK))
			continue;
		if (is_too_old(found.gl_pathv[i])) {
			doctor->n_old_pythons++;
			continue;
		}
		snprintf(doctor->pythons[doctor->n_pythons++], PATH_MAX, "%s", found.gl_pathv[i]);
	}
	globfree(&found);
}

static void check_pythons(struct doctor *doctor)
{
	const char *path = getenv("PATH");
	struct check *check;
	int n;

	for (size_t length; path && *path; path += length + (path[length] == ':')) {
		length = strcspn(path, ":");
		find_in(doctor, path, length);
	}
	check = add(doctor, "pythons", doctor->n_pythons > 0);
	n = snprintf(check->found, sizeof(check->found), "%u on PATH", doctor->n_pythons);
	if (doctor->n_old_pythons)
		snprintf(check->found + n, sizeof(check->found) - (size_t)n,
			 ", and %u older than 3.%d", doctor->n_old_pythons, DOCTOR_OLDEST_MINOR);
	if (!doctor->n_pythons)
		check->effect = "there is nothing to be watched";
}

static const char *const state_names[] = {"ok", "missing", "fact"};

static void print_text(const struct doctor *doctor)
{
	const char *mend = NULL;

	for (unsigned int i = 0; i < doctor->n_checks; i++) {
		const struct check *check = &doctor->checks[i];

		printf("%-8s %-15s %s\n",
		       check->state == STATE_FACT ? "" : state_names[check->state], check->name,
		       check->found);
		if (check->effect)
			printf("%-8s %-15s %s\n", "", "", check->effect);
		mend = mend ? mend : check->mend;
	}
	for (unsigned int i = 0; i < doctor->n_pythons; i++)
		printf("%-8s %-15s %s\n", "", "", doctor->pythons[i]);
	if (mend)
		printf("\nTo mend it: %s\n", mend);
}

static void print_json(const struct doctor *doctor)
{
	json_t *checks = json_array(), *pythons = json_array(), *all;

	for (unsigned int i = 0; i < doctor->n_checks; i++) {
		const struct check *check = &doctor->checks[i];

		json_array_append_new(
			checks, json_pack("{s:s, s:s, s:s, s:s?, s:s?}", "name", check->name,
					  "state", state_names[check->state], "found", check->found,
					  "effect", check->effect, "mend", check->mend));
	}
	for (unsigned int i = 0; i < doctor->n_pythons; i++)
		json_array_append_new(pythons, json_string(doctor->pythons[i]));
	all = json_pack("{s:s, s:o, s:o}", "schema", "loophound.doctor/1", "checks", checks,
			"pythons", pythons);
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(all);
}

int cmd_doctor(int argc, char **argv)
{
	static struct doctor doctor;
	static char name[] = "loophound doctor";

	argv[0] = name;
	argp_parse(&argp, argc, argv, 0, NULL, &doctor);
	check_kernel(&doctor);
	check_shim(&doctor);
	check_btf(&doctor);
	check_capabilities(&doctor);
	check_lockdown(&doctor);
	check_ptrace(&doctor);
	check_probes(&doctor);
	check_pythons(&doctor);
	if (doctor.is_json)
		print_json(&doctor);
	else
		print_text(&doctor);
	for (unsigned int i = 0; i < doctor.n_checks; i++)
		if (doctor.checks[i].state == STATE_LESS)
			return CLI_EXIT_NO_JOB;
	return CLI_EXIT_OK;
}
