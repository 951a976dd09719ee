/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Baseline
 *
 *	# loophound baseline 1
 *	0123456789abcdef 7 153ms 1 blocking-call app.main:fetch clock_nanosleep
 *		app.main:one < app.main:main
 *
 * An entry is one line, so that a diff shows it whole: fingerprint, times, longest, lines of code,
 * and for people the kind, the site and the call. Below it, behind a tab, stand the callers through
 * which it was reached. Entries are sorted, and nothing in them depends on where code stands.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "baseline.h"
#include "wire/options.h"

#define BASELINE_MAGIC "# loophound baseline "
/* Above what any report holds; a larger number is a typing error. */
#define BASELINE_MAX_LINES UINT32_C(1000000)

void baseline_entry_deinit(struct baseline_entry *entry)
{
	for (uint32_t i = 0; i < entry->n_ways; i++)
		free(entry->ways[i]);
	free(entry->ways);
	free(entry->site);
}

void baseline_deinit(struct baseline *baseline)
{
	for (size_t i = 0; i < baseline->n_entries; i++)
		baseline_entry_deinit(&baseline->entries[i]);
	free(baseline->entries);
	*baseline = (struct baseline)BASELINE_INIT;
}

static int entry_compare(const void *a, const void *b)
{
	const struct baseline_entry *x = a, *y = b;

	return strcmp(x->fingerprint, y->fingerprint);
}

static int way_compare(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void baseline_sort(struct baseline *baseline)
{
	if (baseline->n_entries)
		qsort(baseline->entries, baseline->n_entries, sizeof(*baseline->entries),
		      entry_compare);
	for (size_t i = 0; i < baseline->n_entries; i++)
		if (baseline->entries[i].n_ways)
			qsort(baseline->entries[i].ways, baseline->entries[i].n_ways,
			      sizeof(char *), way_compare);
}

struct baseline_entry *baseline_find(const struct baseline *baseline, const char *fingerprint)
{
	struct baseline_entry key;

	snprintf(key.fingerprint, sizeof(key.fingerprint), "%s", fingerprint);
	return baseline->n_entries ? bsearch(&key, baseline->entries, baseline->n_entries,
					     sizeof(key), entry_compare)
				   : NULL;
}

/* Return: a new entry, all 0; NULL without memory. */
struct baseline_entry *baseline_add(struct baseline *baseline)
{
	if (baseline->n_entries == baseline->n_room) {
		size_t n_room = baseline->n_room ? baseline->n_room * 2 : 64;
		void *entries = reallocarray(baseline->entries, n_room, sizeof(*baseline->entries));

		if (!entries)
			return NULL;
		baseline->entries = entries;
		baseline->n_room = n_room;
	}
	baseline->entries[baseline->n_entries] = (struct baseline_entry){0};
	return &baseline->entries[baseline->n_entries++];
}

bool baseline_entry_has_way(const struct baseline_entry *entry, const char *way)
{
	for (uint32_t i = 0; i < entry->n_ways; i++)
		if (!strcmp(entry->ways[i], way))
			return true;
	return false;
}

int baseline_entry_add_way(struct baseline_entry *entry, const char *way, size_t length)
{
	char **ways = reallocarray(entry->ways, entry->n_ways + 1, sizeof(*ways));

	if (!ways)
		return -ENOMEM;
	entry->ways = ways;
	ways[entry->n_ways] = strndup(way, length);
	if (!ways[entry->n_ways])
		return -ENOMEM;
	entry->n_ways++;
	return 0;
}

/* Of a line, the next word. Return: false at its end. */
static bool take_word(const char **text, const char **ret_word, size_t *ret_length)
{
	*text += strspn(*text, " ");
	*ret_word = *text;
	*ret_length = strcspn(*text, " ");
	*text += *ret_length;
	return *ret_length;
}

static bool take_number(const char **text, uint64_t max, uint64_t *ret_number)
{
	const char *word;
	size_t length;

	if (!take_word(text, &word, &length) || strspn(word, "0123456789") < length || length > 18)
		return false;
	*ret_number = strtoull(word, NULL, 10);
	return *ret_number && *ret_number <= max;
}

static bool take_longest(const char **text, nsec_t *ret_ns)
{
	const char *word;
	size_t length;

	*ret_ns = 0;
	if (!take_word(text, &word, &length))
		return false;
	return (length == 1 && *word == '-') || !duration_parse(word, length, ret_ns);
}

/* Return: NULL, or what is wrong. */
static const char *parse_entry(const char *line, struct baseline_entry *entry)
{
	const char *word;
	uint64_t n_lines;
	size_t length;

	if (!take_word(&line, &word, &length) || length != 16 ||
	    strspn(word, "0123456789abcdef") < length)
		return "an entry begins with a fingerprint";
	memcpy(entry->fingerprint, word, length);
	if (!take_number(&line, INT64_MAX, &entry->count))
		return "behind the fingerprint belongs how many times";
	if (!take_longest(&line, &entry->max_ns))
		return "behind the times belongs the longest, as 153ms, or -";
	if (!take_number(&line, BASELINE_MAX_LINES, &n_lines))
		return "behind the longest belongs at how many lines";
	entry->n_lines = (uint32_t)n_lines;
	line += strspn(line, " ");
	if (!take_word(&line, &word, &length) || kind_parse(word, length, &entry->kind))
		return "there is no such kind of finding";
	entry->site = strdup(word);
	return entry->site ? NULL : "out of memory";
}

static bool is_conflict(const char *line)
{
	static const char *const marks[] = {"<<<<<<<", "=======", ">>>>>>>", "|||||||"};

	for (size_t i = 0; i < ARRAY_LEN(marks); i++)
		if (!strncmp(line, marks[i], 7))
			return true;
	return false;
}

static const char *parse_line(struct baseline *baseline, const char *line)
{
	struct baseline_entry *entry =
		baseline->n_entries ? &baseline->entries[baseline->n_entries - 1] : NULL;

	if (is_conflict(line))
		return "a merge conflict that is not resolved";
	if (*line == '\t' && !entry)
		return "callers belong below an entry";
	if (*line == '\t')
		return baseline_entry_add_way(entry, line + 1, strlen(line + 1)) ? "out of memory"
										 : NULL;
	if (!*line || *line == '#')
		return NULL;
	entry = baseline_add(baseline);
	return entry ? parse_entry(line, entry) : "out of memory";
}

static const char *parse_head(const char *line)
{
	char *end;
	unsigned long version;

	if (strncmp(line, BASELINE_MAGIC, sizeof(BASELINE_MAGIC) - 1))
		return "not a baseline of loophound, which begins \"" BASELINE_MAGIC "1\"";
	version = strtoul(line + sizeof(BASELINE_MAGIC) - 1, &end, 10);
	if (version > BASELINE_VERSION)
		return "a baseline of a newer version of loophound";
	return version && !*end ? NULL : "a baseline without a version";
}

/* A merge that took both sides leaves an entry twice. */
static const char *find_double(const struct baseline *baseline)
{
	for (size_t i = 1; i < baseline->n_entries; i++)
		if (!entry_compare(&baseline->entries[i - 1], &baseline->entries[i]))
			return "a fingerprint stands there twice: merge its two lines";
	return NULL;
}

/*
 * baseline is empty before. Return: 0, or -EINVAL and what is wrong in which line.
 */
int baseline_parse(struct baseline *baseline, const char *text, size_t length,
		   struct baseline_error *ret_error)
{
	char *copy = strndup(text, length), *line = copy;
	const char *wrong = copy ? NULL : "out of memory";
	unsigned int number = 0;

	while (line && !wrong) {
		char *next = strchr(line, '\n');

		if (next)
			*next++ = '\0';
		if (*line && line[strlen(line) - 1] == '\r')
			line[strlen(line) - 1] = '\0';
		wrong = number++ ? parse_line(baseline, line) : parse_head(line);
		line = next;
	}
	free(copy);
	baseline_sort(baseline);
	if (!wrong) {
		number = 0;
		wrong = find_double(baseline);
	}
	if (!wrong)
		return 0;
	baseline_deinit(baseline);
	*ret_error = (struct baseline_error){.line = number == 1 ? 0 : number, .text = wrong};
	return -EINVAL;
}

/* In ms, upwards: the file shall not differ for microseconds. */
nsec_t baseline_round_up(nsec_t span_ns)
{
	return (span_ns + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC * NSEC_PER_MSEC;
}

void baseline_write(const struct baseline *baseline, FILE *out)
{
	fprintf(out,
		BASELINE_MAGIC
		"%d\n"
		"# fingerprint, times, longest, lines of code, kind, site, by; below: "
		"callers\n",
		BASELINE_VERSION);
	for (size_t i = 0; i < baseline->n_entries; i++) {
		const struct baseline_entry *entry = &baseline->entries[i];

		fprintf(out, "%s %" PRIu64 " ", entry->fingerprint, entry->count);
		if (kind_is_timed(entry->kind))
			fprintf(out, "%" PRIu64 "ms",
				baseline_round_up(entry->max_ns) / NSEC_PER_MSEC);
		else
			fputc('-', out);
		fprintf(out, " %" PRIu32 " %s\n", entry->n_lines, entry->site);
		for (uint32_t k = 0; k < entry->n_ways; k++)
			fprintf(out, "\t%s\n", entry->ways[k]);
	}
}
