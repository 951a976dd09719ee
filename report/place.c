/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Place
 *
 * By the path alone: this also has to work for a recording from another machine, and for a process
 * that is gone. The standard library is lib/pythonX.Y/ without site-packages or dist-packages
 * below it, lib/pythonXY.zip, and code that is frozen into the interpreter. Names in angle
 * brackets that are not frozen come from exec() and the like: code of whoever wrote the string, so
 * the user's.
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "place.h"

static const char *after(const char *file, const char *part)
{
	const char *last = NULL;

	/* The last one: an environment may itself lie in somebody's site-packages. */
	for (const char *p = strstr(file, part); p; p = strstr(p + 1, part))
		last = p + strlen(part);
	return last;
}

/* Behind "/lib/python3.11/" or "/lib64/python3.11/"; NULL when the path has no such part. */
static const char *after_stdlib(const char *file)
{
	static const char *const parts[] = {"/lib/python", "/lib64/python"};

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		const char *p = after(file, parts[i]);

		if (!p || !isdigit((unsigned char)*p))
			continue;
		while (isdigit((unsigned char)*p) || *p == '.' || *p == 't')
			p++;
		if (*p == '/')
			return p + 1;
		if (!strncmp(p, "zip/", 4))
			return p + 4;
	}
	return NULL;
}

static const char *after_packages(const char *file)
{
	const char *site = after(file, "/site-packages/");
	const char *dist = after(file, "/dist-packages/");

	return MAX(site, dist);
}

/* Whose code the file is. NULL and "" are nobody's and count as a library's. */
enum place place_of(const char *file)
{
	if (!file || !*file)
		return PLACE_LIBRARY;
	if (!strncmp(file, "<frozen ", 8))
		return PLACE_STDLIB;
	if (*file == '<')
		return PLACE_OWN;
	if (after_packages(file))
		return PLACE_LIBRARY;
	return after_stdlib(file) ? PLACE_STDLIB : PLACE_OWN;
}

/*
 * The part of the path that makes the module's name, for a file that is installed or comes with
 * Python; NULL for the user's own, where only the file system knows where the package begins.
 */
const char *place_inside(const char *file)
{
	const char *inside = after_packages(file);

	return inside ? inside : after_stdlib(file);
}

/* "a/b/__init__.py" as "a.b", "<frozen runpy>" as "runpy". */
void place_module(const char *inside, char *buf, size_t buf_bytes)
{
	static const char frozen[] = "<frozen ";
	bool is_frozen = !strncmp(inside, frozen, sizeof(frozen) - 1);
	size_t n;

	snprintf(buf, buf_bytes, "%s", inside + (is_frozen ? sizeof(frozen) - 1 : 0));
	n = strlen(buf);
	if (is_frozen && n)
		buf[n -= 1] = '\0';
	else if (n > 3 && !strcmp(buf + n - 3, ".py"))
		buf[n -= 3] = '\0';
	if (n > 9 && !strcmp(buf + n - 9, "/__init__"))
		buf[n - 9] = '\0';
	for (char *p = buf; *p; p++)
		if (*p == '/')
			*p = '.';
}
