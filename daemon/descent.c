/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descent: the children of watched processes that may run a Python, now or soon
 *
 * A worker is forked, and is a Python at once; or it becomes one, which takes until its interpreter
 * is there. So a child is looked at a few times, ever less often, and let go of when it is still
 * none. Who tells of a new child cannot say its number in our pid namespace: /proc can.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/defs.h"
#include "descent.h"
#include "proc.h"

/* Looks are this far apart, or a quarter of the age of what is looked at. */
#define DESCENT_MIN_STEP_NS (5 * NSEC_PER_MSEC)
/* A large program may take so long to start. */
#define DESCENT_MAX_AGE_NS (5 * NSEC_PER_SEC)

static struct descendant *find(const struct descent *descent, int32_t pid)
{
	for (uint32_t i = 0; i < descent->n; i++)
		if (descent->all[i].pid == pid)
			return (struct descendant *)&descent->all[i];
	return NULL;
}

bool descent_has(const struct descent *descent, int32_t pid)
{
	return find(descent, pid) != NULL;
}

void descent_add(struct descent *descent, int32_t pid)
{
	struct descendant one = {.pid = pid, .added_ns = clock_monotonic()};

	if (find(descent, pid))
		return;
	if (descent->n == DESCENT_MAX) {
		descent->n_left_out++;
		return;
	}
	one.pidfd = proc_pidfd(pid);
	if (one.pidfd < 0)
		return;
	descent->all[descent->n++] = one;
}

static void add_children_of_thread(struct descent *descent, int32_t pid, const char *tid)
{
	char path[64];
	int32_t child;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/task/%.20s/children", pid, tid);
	file = fopen(path, "re");
	if (!file)
		return;
	while (fscanf(file, "%d", &child) == 1)
		descent_add(descent, child);
	fclose(file);
}

/* Those that are there already are not added again. */
void descent_add_children(struct descent *descent, int32_t pid)
{
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			add_children_of_thread(descent, pid, entry->d_name);
	closedir(dir);
}

static void drop_at(struct descent *descent, uint32_t i)
{
	close(descent->all[i].pidfd);
	descent->all[i] = descent->all[--descent->n];
}

/* Return: one that is to be looked at now, and who is not dropped then comes again; 0: none. */
int32_t descent_next(struct descent *descent, nsec_t now_ns)
{
	for (uint32_t i = 0; i < descent->n;) {
		struct descendant *one = &descent->all[i];
		/* It may have been added after that moment. */
		nsec_t age_ns = now_ns > one->added_ns ? now_ns - one->added_ns : 0;

		if (proc_has_ended(one->pidfd) || age_ns > DESCENT_MAX_AGE_NS) {
			drop_at(descent, i);
		} else if (one->due_ns <= now_ns) {
			one->due_ns = now_ns + MAX(DESCENT_MIN_STEP_NS, age_ns / 4);
			return one->pid;
		} else {
			i++;
		}
	}
	return 0;
}

void descent_drop(struct descent *descent, int32_t pid)
{
	struct descendant *one = find(descent, pid);

	if (one)
		drop_at(descent, (uint32_t)(one - descent->all));
}

void descent_deinit(struct descent *descent)
{
	while (descent->n)
		drop_at(descent, descent->n - 1);
}
