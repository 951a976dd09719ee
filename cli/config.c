/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Config
 *
 * loophound.toml, the nearest one upwards from the working directory. It is TOML 1.0 of which
 * this much is read: KEY = VALUE, where a value is a string in one line ("basic" or 'literal'), a
 * number, true, false, or an array of strings, over several lines if need be; comments. A key is
 * the long name of an option. Tables, dates and strings over several lines are refused by name.
 *
 * What is read is given to the same parser as the command line, before it: so it means the same,
 * is refused in the same words, and the command line wins. Files are named from where the
 * loophound.toml lies.
 *
 * Since a file above the working directory can be anybody's, it has to belong to this user, to
 * root, or to whom the working directory belongs (a checkout in a container).
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "config.h"
#include "nearest.h"
#include "user-files.h"

#define CONFIG_NAME	  "loophound.toml"
#define CONFIG_MAX_WORDS  1024
#define CONFIG_MAX_LENGTH 4096

struct reader {
	struct config *config;
	const struct argp *const *tables;
	const char *at;
	unsigned int line;
	char seen[CONFIG_MAX_LENGTH]; /* the keys so far, each between spaces */
};

static void fail(const struct reader *reader, const char *format, ...)
	__attribute__((format(printf, 2, 3), noreturn));

static void fail(const struct reader *reader, const char *format, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	cli_usage("%s:%u: %s", reader->config->path, reader->line, text);
}

static void skip_spaces(struct reader *reader)
{
	reader->at += strspn(reader->at, " \t");
}

/* Spaces, line ends and comments, as they may stand within an array. */
static void skip_lines(struct reader *reader)
{
	for (;;) {
		reader->at += strspn(reader->at, " \t\r");
		if (*reader->at == '#')
			reader->at += strcspn(reader->at, "\n");
		if (*reader->at != '\n')
			return;
		reader->at++;
		reader->line++;
	}
}

static const struct argp_option *find_option(const struct reader *reader, const char *key,
					     const char **ret_nearest)
{
	unsigned int best = nearest_limit(strlen(key)) + 1, distance;

	*ret_nearest = NULL;
	for (size_t i = 0; reader->tables[i]; i++)
		for (const struct argp_option *option = reader->tables[i]->options;
		     option->name || option->doc; option++) {
			if (!option->name)
				continue;
			if (!strcmp(option->name, key))
				return option;
			distance = nearest_distance(key, strlen(key), option->name);
			if (distance < best && !(option->flags & OPTION_HIDDEN)) {
				best = distance;
				*ret_nearest = option->name;
			}
		}
	return NULL;
}

static void add_word(struct reader *reader, const char *key, const char *value)
{
	struct config *config = reader->config;
	char *word = NULL;
	int n = value ? asprintf(&word, "--%s=%s", key, value) : asprintf(&word, "--%s", key);

	if (n < 0 || config->n_words == CONFIG_MAX_WORDS)
		fail(reader, "too much");
	config->lines[config->n_words] = reader->line;
	config->words[config->n_words++] = word;
	config->words[config->n_words] = NULL;
}

static bool names_file(const char *key)
{
	return !strcmp(key, "report") || !strcmp(key, "baseline") || !strcmp(key, "allow");
}

static void add_value(struct reader *reader, const char *key, const char *value)
{
	const char *path = reader->config->path, *slash = strrchr(path, '/');
	char file[2 * CONFIG_MAX_LENGTH];

	if (names_file(key) && *value != '/' && slash) {
		snprintf(file, sizeof(file), "%.*s/%s", (int)(slash - path), path, value);
		value = file;
	}
	add_word(reader, key, value);
}

static char read_escape(struct reader *reader)
{
	static const char from[] = "\"\\bfnrt", to[] = "\"\\\b\f\n\r\t";
	const char *found = *reader->at ? strchr(from, *reader->at) : NULL;

	if (!found)
		fail(reader, "a \\ before this character means nothing here");
	reader->at++;
	return to[found - from];
}

/* A string in quotes, of which the first is there. */
static void read_string(struct reader *reader, char value[CONFIG_MAX_LENGTH])
{
	char quote = *reader->at++;
	size_t n = 0;

	if (reader->at[0] == quote && reader->at[1] == quote)
		fail(reader, "a string over several lines cannot stand here");
	while (*reader->at != quote) {
		char c = *reader->at;

		if (!c || c == '\n')
			fail(reader, "the string has no end");
		if (n == CONFIG_MAX_LENGTH - 1)
			fail(reader, "the string is too long");
		reader->at++;
		value[n++] = c == '\\' && quote == '"' ? read_escape(reader) : c;
	}
	reader->at++;
	value[n] = '\0';
}

static bool is_list(const char *key)
{
	return !strcmp(key, "detect") || !strcmp(key, "no-detect") || !strcmp(key, "own-code");
}

static bool may_repeat(const char *key)
{
	return !strcmp(key, "report") || !strcmp(key, "fail-on") || !strcmp(key, "allow");
}

/* An array of strings: for lists joined by commas, for what may be repeated one by one. */
static void read_array(struct reader *reader, const struct argp_option *option)
{
	char value[CONFIG_MAX_LENGTH], all[CONFIG_MAX_LENGTH] = "";
	size_t n = 0;

	if (!is_list(option->name) && !may_repeat(option->name))
		fail(reader, "%s takes one value", option->name);
	reader->at++;
	for (;;) {
		skip_lines(reader);
		if (*reader->at == ']')
			break;
		if (*reader->at != '"' && *reader->at != '\'')
			fail(reader, "strings in quotes belong into the [ ]");
		read_string(reader, value);
		if (is_list(option->name))
			n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", n ? "," : "",
					      value);
		else
			add_value(reader, option->name, value);
		if (n >= sizeof(all))
			fail(reader, "the array is too long");
		skip_lines(reader);
		if (*reader->at == ',')
			reader->at++;
		else if (*reader->at != ']')
			fail(reader, "a , or a ] belongs here");
	}
	reader->at++;
	if (n)
		add_value(reader, option->name, all);
}

static void read_bare(struct reader *reader, const struct argp_option *option)
{
	size_t length = strspn(reader->at, "abcdefghijklmnopqrstuvwxyz0123456789");
	char value[32];

	if (!length || length >= sizeof(value) || !strchr(" \t\r\n#", reader->at[length]))
		fail(reader, "no value: \"text\", true, false, a number or [\"text\", ...]");
	snprintf(value, sizeof(value), "%.*s", (int)length, reader->at);
	reader->at += length;
	if (strcmp(value, "true") && strcmp(value, "false")) {
		if (strspn(value, "0123456789") < length)
			fail(reader, "text belongs in quotes: \"%s\"", value);
		if (!option->arg)
			fail(reader, "%s is true or false", option->name);
		add_value(reader, option->name, value);
		return;
	}
	if (option->arg)
		fail(reader, "%s takes a value (%s), not %s", option->name, option->arg, value);
	if (!strcmp(value, "true"))
		add_word(reader, option->name, NULL);
}

static void read_value(struct reader *reader, const struct argp_option *option)
{
	char value[CONFIG_MAX_LENGTH];

	if (*reader->at == '[') {
		read_array(reader, option);
	} else if (*reader->at == '"' || *reader->at == '\'') {
		if (!option->arg)
			fail(reader, "%s is true or false", option->name);
		read_string(reader, value);
		add_value(reader, option->name, value);
	} else {
		read_bare(reader, option);
	}
}

static void read_key(struct reader *reader, char key[64])
{
	size_t length = strspn(reader->at, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					   "0123456789_-");

	if (*reader->at == '[')
		fail(reader, "there are no tables here: KEY = VALUE alone");
	if (!length || length >= 64)
		fail(reader, "KEY = VALUE belongs here");
	snprintf(key, 64, "%.*s", (int)length, reader->at);
	reader->at += length;
}

/* TOML forbids a key twice: one of the two would not count. */
static void note_key(struct reader *reader, const char *key)
{
	char spaced[72];
	size_t n = strlen(reader->seen);

	snprintf(spaced, sizeof(spaced), " %s ", key);
	if (strstr(reader->seen, spaced))
		fail(reader, "%s stands here twice; several values: [\"...\", \"...\"]", key);
	snprintf(reader->seen + n, sizeof(reader->seen) - n, "%s", spaced);
}

static void read_pair(struct reader *reader)
{
	const struct argp_option *option;
	const char *nearest;
	char key[64];

	read_key(reader, key);
	option = find_option(reader, key, &nearest);
	if (!option && nearest)
		fail(reader, "there is no option %s; is %s meant?", key, nearest);
	if (!option)
		fail(reader, "there is no option %s; loophound run --help lists them", key);
	note_key(reader, key);
	skip_spaces(reader);
	if (*reader->at++ != '=')
		fail(reader, "a = belongs behind %s", key);
	skip_spaces(reader);
	read_value(reader, option);
	skip_spaces(reader);
	if (!strchr("\r\n#", *reader->at))
		fail(reader, "nothing more belongs behind the value of %s", key);
}

/* Return: whether there is one, in config->path. */
static bool find_file(struct config *config)
{
	char dir[PATH_MAX];

	if (!getcwd(dir, sizeof(dir)))
		return false;
	for (;;) {
		char *slash = strrchr(dir, '/');

		snprintf(config->path, sizeof(config->path), "%.*s/%s",
			 (int)(sizeof(config->path) - sizeof(CONFIG_NAME) - 2),
			 slash == dir && !dir[1] ? "" : dir, CONFIG_NAME);
		if (!access(config->path, F_OK))
			return true;
		if (!slash || !dir[1])
			break;
		slash[slash == dir] = '\0';
	}
	config->path[0] = '\0';
	return false;
}

static bool is_trusted(const char *path)
{
	struct stat file, here;

	if (stat(path, &file))
		return false;
	return file.st_uid == geteuid() || !file.st_uid ||
	       (!stat(".", &here) && file.st_uid == here.st_uid);
}

/*
 * tables are of the options that may stand in it, NULL behind the last. Does not return when the
 * file makes no sense.
 */
void config_load(struct config *config, const struct argp *const tables[])
{
	struct reader reader = {.config = config, .tables = tables, .line = 1};
	char *text;

	if (!find_file(config))
		return;
	if (!is_trusted(config->path))
		cli_usage("%s is somebody else's, and is not read", config->path);
	text = user_file_text(config->path);
	config->words = calloc(CONFIG_MAX_WORDS + 1, sizeof(*config->words));
	config->lines = calloc(CONFIG_MAX_WORDS + 1, sizeof(*config->lines));
	if (!text || !config->words || !config->lines)
		cli_usage("%s: %s", config->path, strerror(errno));
	reader.at = text;
	for (skip_lines(&reader); *reader.at; skip_lines(&reader))
		read_pair(&reader);
	free(text);
}

/* One by one, so that what is wrong with one can be told with its line. */
void config_apply(const struct config *config, const struct argp *argp, void *input)
{
	for (int i = 0; i < config->n_words; i++) {
		char *argv[] = {(char *)config->path, config->words[i], NULL};

		cli_set_place(config->path, config->lines[i]);
		argp_parse(argp, 2, argv, ARGP_NO_HELP, NULL, input);
	}
	cli_set_place(NULL, 0);
}

void config_deinit(struct config *config)
{
	for (int i = 0; i < config->n_words; i++)
		free(config->words[i]);
	free(config->words);
	free(config->lines);
	*config = (struct config){0};
}
