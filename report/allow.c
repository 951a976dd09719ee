/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Allow list
 *
 *	[the settings are read once, at start]
 *	kind = blocking-call
 *	function = load_settings
 *	file = app/settings.py
 *	call = open*
 *	until = 2027-03-31
 *
 * The reason stands in brackets; below it what has to match: kind (several with commas), function
 * and file (of one frame: the line to blame or one that led to it), library (a module on the stack:
 * "yaml", "yaml.*"), call, target, test (a pytest node: each of those it
 * was found in). A file matches by its end, at a slash. All of an entry has to
 * match, on each of a finding's stacks; the first entry that matches counts. After the day of
 * "until" (UTC) an entry allows nothing. Entries that are past it, or that matched nothing, are
 * told in the report: a list that only grows hides what is new.
 *
 * A # at the start of a line, or behind a space, begins a comment.
 *
 * A finding that is allowed stays in the report, last, and breaks no gate.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "allow.h"
#include "native-share.h"

static char *trim(char *text)
{
	char *end, *comment;

	/* A comment may stand behind a pattern, but not inside of one. */
	comment = *text == '[' ? NULL : strstr(text, " #");
	if (comment)
		*comment = '\0';
	text += strspn(text, " \t\r");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return text;
}

/* The complaint lies in a buffer of its own and lasts until the next one. */
static const char *no_such_kind(const char *text, size_t length)
{
	static char complaint[160];
	const char *nearest = kind_nearest(text, length);

	snprintf(complaint, sizeof(complaint), "there is no such kind of finding: %.*s%s%s%s",
		 (int)MIN(length, (size_t)60), text, nearest ? "; is " : "", nearest ? nearest : "",
		 nearest ? " meant?" : "");
	return complaint;
}

static const char *take_kinds(struct allow_entry *entry, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, ", \t");
		enum finding_kind kind;

		if (length && kind_parse(text, length, &kind))
			return no_such_kind(text, length);
		if (length)
			entry->kinds |= KIND_MASK(kind);
		text += length + (text[length] != '\0');
	}
	return NULL;
}

/* A day, which it holds to the end of. */
static const char *take_until(struct allow_entry *entry, const char *text)
{
	struct tm day = {0};
	const char *end = strptime(text, "%Y-%m-%d", &day);
	time_t at;

	if (!end || *end)
		return "until takes a day: 2027-03-31";
	at = timegm(&day);
	if (at < 0)
		return "until takes a day: 2027-03-31";
	entry->until_at = ((uint64_t)at + 86400) * NSEC_PER_SEC;
	return NULL;
}

static const char *take_key(struct allow_entry *entry, const char *key, const char *value)
{
	const struct {
		const char *name;
		const char **pattern;
	} patterns[] = {
		{"function", &entry->function}, {"file", &entry->file},
		{"library", &entry->library},	{"call", &entry->call},
		{"target", &entry->target},	{"test", &entry->test},
	};

	if (!*value)
		return "nothing stands behind the =";
	if (!strcmp(key, "kind"))
		return take_kinds(entry, value);
	if (!strcmp(key, "until"))
		return take_until(entry, value);
	for (size_t i = 0; i < ARRAY_LEN(patterns); i++)
		if (!strcmp(key, patterns[i].name)) {
			*patterns[i].pattern = value;
			return NULL;
		}
	return "the key is none of kind, function, file, library, call, target, test, until";
}

static bool allows_anything(const struct allow_entry *entry)
{
	return !entry->kinds && !entry->function && !entry->file && !entry->library &&
	       !entry->call && !entry->target && !entry->test;
}

static const char *take_reason(struct allow *allow, char *line, const char *origin,
			       unsigned int number)
{
	size_t length = strlen(line);

	if (allow->n_entries == ALLOW_MAX_ENTRIES)
		return "too many entries";
	if (line[length - 1] != ']')
		return "a ] belongs at the end";
	line[length - 1] = '\0';
	line = trim(line + 1);
	if (!*line)
		return "the reason belongs between the brackets";
	allow->entries[allow->n_entries++] =
		(struct allow_entry){.reason = line, .origin = origin, .line = number};
	return NULL;
}

static const char *take_line(struct allow *allow, unsigned int n_before, char *line,
			     const char *origin, unsigned int number)
{
	char *equals = strchr(line, '=');

	if (!*line || *line == '#' || *line == ';')
		return NULL;
	if (*line == '[')
		return take_reason(allow, line, origin, number);
	if (allow->n_entries == n_before)
		return "an entry begins with its reason in brackets";
	if (!equals)
		return "neither [REASON] nor KEY = PATTERN";
	*equals = '\0';
	return take_key(&allow->entries[allow->n_entries - 1], trim(line), trim(equals + 1));
}

/*
 * Add what a text allows. origin has to outlive the list; the text is copied, for good.
 *
 * Return: 0; -EINVAL and what is wrong in which line, and nothing is added; -ENOMEM.
 */
int allow_add(struct allow *allow, const char *origin, const char *text, size_t length,
	      struct allow_error *ret_error)
{
	unsigned int n_before = allow->n_entries, number = 1;
	char *line = strndup(text, length);
	const char *wrong = NULL;

	if (!line)
		return -ENOMEM;
	for (char *next; line && !wrong; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		wrong = take_line(allow, n_before, trim(line), origin, number);
		number += !wrong;
	}
	for (unsigned int i = n_before; !wrong && i < allow->n_entries; i++)
		if (allows_anything(&allow->entries[i])) {
			number = allow->entries[i].line;
			wrong = "this entry names nothing, so it would allow everything";
		}
	if (!wrong)
		return 0;
	*ret_error = (struct allow_error){.line = number, .text = wrong};
	allow->n_entries = n_before;
	return -EINVAL;
}

static bool matches(const char *pattern, const char *text)
{
	return !pattern || (text && !fnmatch(pattern, text, 0));
}

/* By its end, at a slash; or by the whole path. */
static bool file_matches(const char *pattern, const char *file)
{
	if (!pattern || !file)
		return !pattern;
	if (!fnmatch(pattern, file, 0))
		return true;
	for (const char *slash = strchr(file, '/'); slash; slash = strchr(slash + 1, '/'))
		if (!fnmatch(pattern, slash + 1, 0))
			return true;
	return false;
}

/* The qualified name, or its last part, which is all that CPython before 3.11 knows. */
static bool function_matches(const char *pattern, const char *function)
{
	const char *dot = function ? strrchr(function, '.') : NULL;

	return matches(pattern, function) || (dot && matches(pattern, dot + 1));
}

/* A module, dotted; of a native frame the file's name: libcrypto.so.3, or without its ABI, _json.
 */
static bool library_matches(const char *pattern, const struct frame *frame)
{
	char module[64];

	return matches(pattern, frame->module) ||
	       (frame->kind == FRAME_NATIVE &&
		matches(pattern, native_module(frame->module, module, sizeof(module))));
}

static bool frame_matches(const struct allow_entry *entry, const struct frame *frame)
{
	return function_matches(entry->function, frame->function) &&
	       file_matches(entry->file, frame->file);
}

static bool has_native(const struct stack *stack)
{
	return stack->n_frames && stack->frames[0].kind == FRAME_NATIVE;
}

/* is_sampled: others of the finding have native frames; that this one has none says nothing. */
static bool stack_matches(const struct allow_entry *entry, const struct stack *stack,
			  bool is_sampled)
{
	bool has_frame = false;
	bool has_library = !entry->library || (is_sampled && !has_native(stack));

	for (uint32_t i = 0; i < stack->n_frames; i++) {
		const struct frame *frame = &stack->frames[i];

		has_frame |= frame_matches(entry, frame);
		has_library = has_library || library_matches(entry->library, frame);
	}
	return has_frame && has_library;
}

/* A node id with parameters has brackets, which mean something in a pattern: also as it is. */
static bool tests_match(const struct allow_entry *entry, const struct finding *finding)
{
	if (!entry->test)
		return true;
	for (uint32_t i = 0; i < finding->n_tests; i++)
		if (strcmp(entry->test, finding->tests[i]) &&
		    !matches(entry->test, finding->tests[i]))
			return false;
	return finding->n_tests && !finding->has_more_tests;
}

static bool entry_matches(const struct allow_entry *entry, const struct finding *finding)
{
	bool is_sampled = false;

	if ((entry->kinds && !(entry->kinds & KIND_MASK(finding->kind))) ||
	    !matches(entry->call, finding->call.name) ||
	    !matches(entry->target, finding->call.target) || !tests_match(entry, finding))
		return false;
	if (!finding->n_stacks)
		return frame_matches(entry, &finding->culprit) &&
		       matches(entry->library, finding->culprit.module);
	for (uint32_t i = 0; i < finding->n_stacks; i++)
		is_sampled |= has_native(finding->stacks[i]);
	for (uint32_t i = 0; i < finding->n_stacks; i++)
		if (!stack_matches(entry, finding->stacks[i], is_sampled))
			return false;
	return true;
}

static void allow_finding(const struct allow *allow, struct report *report, struct finding *finding)
{
	finding->allowed_by = NULL;
	for (unsigned int i = 0; i < allow->n_entries; i++) {
		if (report->allowances[i].is_expired || !entry_matches(&allow->entries[i], finding))
			continue;
		finding->allowed_by = allow->entries[i].reason;
		report->allowances[i].n_findings++;
		return;
	}
}

/*
 * Mark the findings of a report that are allowed, and tell what became of each entry. The report
 * keeps pointers into the list. Return: 0 or -ENOMEM.
 */
int allow_apply(const struct allow *allow, uint64_t now_at, struct report *report)
{
	struct allowance *allowances = calloc(allow->n_entries + 1, sizeof(*allowances));

	if (!allowances)
		return -ENOMEM;
	free(report->allowances);
	report->allowances = allowances;
	report->n_allowances = allow->n_entries;
	for (unsigned int i = 0; i < allow->n_entries; i++)
		allowances[i] = (struct allowance){
			.reason = allow->entries[i].reason,
			.origin = allow->entries[i].origin,
			.line = allow->entries[i].line,
			.is_expired =
				allow->entries[i].until_at && now_at >= allow->entries[i].until_at,
		};
	for (uint32_t i = 0; i < report->n_findings; i++)
		allow_finding(allow, report, report->findings[i]);
	report_sort(report);
	return 0;
}
