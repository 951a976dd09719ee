/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names
 *
 * The module of an installed file stands in its path. For the user's own files only the file
 * system knows where the package begins: at the outermost directory that still has an
 * __init__.py. The process's own view of the file system is asked, through /proc/PID/root, since
 * it may live in a container; where that is not allowed or the process is gone, ours is.
 *
 * Each file is looked at once. The answers are kept by the file's pointer in the pool, which
 * stands for its name.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/defs.h"
#include "names.h"
#include "place.h"

/* Modules remembered, a power of two; when half are in use no more are, and each is asked again. */
#define NAMES_N_MODULES 32768
/* Packages nest a handful deep. A bound, so that a path made of thousands of parts costs little. */
#define NAMES_MAX_PARENT 16

struct module {
	const char *file;
	const char *module;
};

struct names {
	struct pool *pool;
	struct module *modules;
	size_t n_modules;
	struct frame_cache *frames;
};

int names_new(struct names **ret_names)
{
	_cleanup_(names_freep) struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return -ENOMEM;
	names->modules = calloc(NAMES_N_MODULES, sizeof(*names->modules));
	names->frames = calloc(1, sizeof(*names->frames));
	if (!names->modules || !names->frames || pool_new(&names->pool))
		return -ENOMEM;
	*ret_names = TAKE(names);
	return 0;
}

struct names *names_free(struct names *names)
{
	if (!names)
		return NULL;
	pool_free(names->pool);
	free(names->modules);
	free(names->frames);
	free(names);
	return NULL;
}

void names_freep(struct names **names)
{
	names_free(*names);
}

struct pool *names_pool(struct names *names)
{
	return names->pool;
}

struct frame_cache *names_frames(struct names *names)
{
	return names->frames;
}

static bool has_init(int32_t pid, const char *dir, size_t length)
{
	char path[POOL_MAX_STRING + 64];

	if (pid > 0) {
		snprintf(path, sizeof(path), "/proc/%d/root%.*s/__init__.py", pid, (int)length,
			 dir);
		if (!access(path, F_OK))
			return true;
		/* Not there in its view of the files: ours may be another. */
		snprintf(path, sizeof(path), "/proc/%d/root/", pid);
		if (!access(path, X_OK))
			return false;
	}
	snprintf(path, sizeof(path), "%.*s/__init__.py", (int)length, dir);
	return !access(path, F_OK);
}

/* Where the module's name begins in the path of a file of the user's own. */
static const char *module_start(int32_t pid, const char *file)
{
	const char *slash = strrchr(file, '/');

	for (unsigned int i = 0; slash && i < NAMES_MAX_PARENT; i++) {
		const char *parent;

		if (slash == file || *file != '/' || !has_init(pid, file, (size_t)(slash - file)))
			break;
		parent = memrchr(file, '/', (size_t)(slash - file));
		if (!parent)
			break;
		slash = parent;
	}
	return slash ? slash + 1 : file;
}

static struct module *module_slot(struct names *names, const char *file)
{
	size_t i = ((uintptr_t)file >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 49;

	while (names->modules[i].file && names->modules[i].file != file)
		i = (i + 1) & (NAMES_N_MODULES - 1);
	return &names->modules[i];
}

/* The dotted name of the module in a file, which is a string of the pool; NULL of NULL. */
const char *names_module(struct names *names, int32_t pid, const char *file)
{
	char module[POOL_MAX_STRING];
	struct module *slot;
	const char *inside;

	if (!file || !*file)
		return NULL;
	slot = module_slot(names, file);
	if (slot->file)
		return slot->module;
	inside = place_inside(file);
	if (!inside)
		inside = *file == '<' ? file : module_start(pid, file);
	place_module(inside, module, sizeof(module));
	utf8_cut(module);
	inside = pool_keep_text(names->pool, module);
	if (names->n_modules < NAMES_N_MODULES / 2) {
		names->n_modules++;
		*slot = (struct module){.file = file, .module = inside};
	}
	return inside;
}
