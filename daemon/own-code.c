/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Own code
 *
 * An application that is installed like any library is recognised by the program that was started:
 * "python -m PKG", a console script of the package's name, or the application that a server was
 * given ("uvicorn PKG.mod:app"). --own-code adds to that.
 *
 * A pattern with a slash is matched against the whole path, one without against the name of the
 * installed package.
 *
 * multiprocessing starts its children, its fork server and its resource tracker as "python -c 'from
 * multiprocessing.spawn import spawn_main; ...'": the <string> of such a process is not the user's.
 */
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/defs.h"
#include "own-code.h"
#include "place.h"

/* Far more words than a command line has before its program is known. */
#define OWN_CODE_MAX_WORDS 64

/* Started by these, the application is what they are told to serve, test or trace. */
static const char *const launchers[] = {
	"uvicorn",  "gunicorn", "hypercorn", "daphne",	"granian",	 "pytest",  "py",
	"coverage", "celery",	"fastapi",   "aiohttp", "opentelemetry", "ddtrace", "watchfiles",
};

static void own_code_add(struct own_code *own, const char *pattern, size_t length)
{
	if (!length || length >= OWN_CODE_MAX_PATTERN || own->n_patterns == OWN_CODE_MAX_PATTERNS)
		return;
	memcpy(own->patterns[own->n_patterns], pattern, length);
	own->patterns[own->n_patterns++][length] = '\0';
}

/* Add a list of patterns with commas between them; what does not fit is left out. */
void own_code_add_globs(struct own_code *own, const char *globs)
{
	while (globs && *globs) {
		size_t length = strcspn(globs, ",");

		own_code_add(own, globs, length);
		globs += length + (globs[length] == ',');
	}
}

void own_code_add_all(struct own_code *own, const struct own_code *more)
{
	for (unsigned int i = 0; i < more->n_patterns; i++)
		own_code_add(own, more->patterns[i], strlen(more->patterns[i]));
}

static bool is_launcher(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(launchers); i++)
		if (!strcmp(name, launchers[i]))
			return true;
	return false;
}

static size_t identifier_length(const char *text)
{
	size_t n = 0;

	if (isdigit((unsigned char)*text))
		return 0;
	while (isalnum((unsigned char)text[n]) || text[n] == '_' || (unsigned char)text[n] >= 0x80)
		n++;
	return n;
}

static size_t dotted_length(const char *text)
{
	size_t n = identifier_length(text), m;

	while (n && text[n] == '.' && (m = identifier_length(text + n + 1)))
		n += 1 + m;
	return n;
}

/* Whether a word is "package.module:attribute", which "localhost:8000" is not. */
static bool is_application(const char *word)
{
	size_t n = dotted_length(word);

	return n && word[n] == ':' && identifier_length(word + n + 1);
}

/* What follows the launcher: the first word that names an application. */
static void own_code_add_served(struct own_code *own, const char *const *words, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (is_application(words[i])) {
			own_code_add(own, words[i], identifier_length(words[i]));
			return;
		}
}

/* A console script or the argument of -m: its package has the same name, dashes being "_". */
static void own_code_add_program(struct own_code *own, const char *name, const char *const *rest,
				 unsigned int n_rest)
{
	const char *slash = strrchr(name, '/');
	char package[OWN_CODE_MAX_PATTERN];

	snprintf(package, sizeof(package), "%s", slash ? slash + 1 : name);
	for (char *p = package; *p; p++)
		if (*p == '-')
			*p = '_';
	package[identifier_length(package)] = '\0';
	if (is_launcher(package))
		own_code_add_served(own, rest, n_rest);
	else
		own_code_add(own, package, strlen(package));
}

static bool is_python(const char *program)
{
	const char *slash = strrchr(program, '/');

	return !strncmp(slash ? slash + 1 : program, "python", 6);
}

static void own_code_take_string(struct own_code *own, const char *code)
{
	static const char start[] = "from multiprocessing.";

	if (!strncmp(code, start, sizeof(start) - 1))
		own->is_string_foreign = true;
}

static unsigned int split_words(const char *cmdline, size_t length,
				const char *words[OWN_CODE_MAX_WORDS])
{
	unsigned int n = 0;

	for (size_t at = 0; at < length && n < OWN_CODE_MAX_WORDS; at += strlen(cmdline + at) + 1)
		words[n++] = cmdline + at;
	return n;
}

/* The words of a command line, each ended by NUL; the last one needs its NUL too. */
void own_code_add_cmdline(struct own_code *own, const char *cmdline, size_t length)
{
	const char *words[OWN_CODE_MAX_WORDS];
	unsigned int n = split_words(cmdline, length, words), i = 1;

	if (!n)
		return;
	if (!is_python(words[0])) {
		own_code_add_program(own, words[0], words + 1, n - 1);
		return;
	}
	for (; i < n && words[i][0] == '-' && words[i][1]; i++) {
		if (words[i][1] == 'c') {
			own_code_take_string(own, words[i][2] ? words[i] + 2
						  : i + 1 < n ? words[i + 1]
							      : "");
			return;
		}
		if (words[i][1] == 'm')
			break;
		/* -X and -W take the next word when nothing stands behind the letter. */
		if ((words[i][1] == 'X' || words[i][1] == 'W') && !words[i][2])
			i++;
	}
	if (i < n && words[i][0] == '-' && words[i][1] == 'm' && words[i][2])
		own_code_add_program(own, words[i] + 2, words + i + 1, n - i - 1);
	else if (i + 1 < n && words[i][0] == '-' && words[i][1] == 'm')
		own_code_add_program(own, words[i + 1], words + i + 2, n - i - 2);
	else if (i < n)
		own_code_add_program(own, words[i], words + i + 1, n - i - 1);
}

static void package_of(const char *inside, char *buf, size_t buf_bytes)
{
	size_t length = strcspn(inside, "/");

	if (!inside[length] && length > 3 && !strcmp(inside + length - 3, ".py"))
		length -= 3;
	snprintf(buf, buf_bytes, "%.*s", (int)MIN(length, buf_bytes - 1), inside);
}

/* Whether a file that is not the user's own by its place is so by what was said or started. */
bool own_code_has(const struct own_code *own, const char *file)
{
	const char *inside = file ? place_inside(file) : NULL;
	char package[OWN_CODE_MAX_PATTERN] = "";

	if (inside && place_of(file) == PLACE_LIBRARY)
		package_of(inside, package, sizeof(package));
	for (unsigned int i = 0; file && i < own->n_patterns; i++) {
		bool has_slash = strchr(own->patterns[i], '/');

		if (!fnmatch(own->patterns[i], has_slash ? file : package, 0) &&
		    (has_slash || *package))
			return true;
	}
	return false;
}

/* Whether a file is the user's own, by its place or by what was said or started. */
bool own_code_is_own(const struct own_code *own, const char *file)
{
	if (own->is_string_foreign && file && !strcmp(file, "<string>"))
		return false;
	return place_of(file) == PLACE_OWN || own_code_has(own, file);
}
