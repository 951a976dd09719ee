/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules of advice
 *
 * The built-in ones are report/advice.txt, carried along as text; that file says how they are
 * written and in which order they are looked through. Rules that are added later are looked
 * through first, each file in its own order. All are read once and kept until the program ends.
 *
 * Of a finding's Python stack only the frame counts that the blamed line called: what a library
 * does inside is not what the user can change.
 */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "native-share.h"
#include "rule.h"

extern const unsigned char advice_txt[];
extern const size_t advice_txt_bytes;

/* Rules in the order of the files; added files stand behind, and are walked first. */
static struct rule rules[RULE_MAX];
static unsigned int n_rules, n_builtin;

static const char *const where_names[_RULE_N] = {
	[RULE_PYTHON] = "python", [RULE_BUSY] = "busy", [RULE_NATIVE] = "native",
	[RULE_TARGET] = "target", [RULE_CALL] = "call",
};

const char *rule_where_name(enum rule_where where)
{
	return where_names[where];
}

/* Take a word off the line. Return: it, ended by NUL; NULL at the end. */
static char *take_word(char **line)
{
	char *word = *line + strspn(*line, " \t");
	size_t length = strcspn(word, " \t");

	if (!length)
		return NULL;
	*line = word + length;
	if (**line)
		*(*line)++ = '\0';
	return word;
}

static const char *rule_take(char *line, struct rule *ret_rule)
{
	char *where = take_word(&line), *pattern = take_word(&line);
	unsigned int i = 0;

	while (i < _RULE_N && strcmp(where, where_names[i]))
		i++;
	if (i == _RULE_N)
		return "the first word is none of python, busy, native, target, call";
	line += strspn(line, " \t");
	if (!pattern || !*line)
		return "a pattern and a sentence belong behind the first word";
	*ret_rule = (struct rule){.where = (enum rule_where)i, .pattern = pattern, .text = line};
	return NULL;
}

static bool is_rule(const char *line)
{
	line += strspn(line, " \t\r");
	return *line && *line != '#';
}

/* text is ours and stays. */
static int rules_take(char *text, struct rule_error *ret_error)
{
	unsigned int n_before = n_rules, number = 1;

	for (char *next; text; text = next, number++) {
		const char *wrong = NULL;

		next = strchr(text, '\n');
		if (next)
			*next++ = '\0';
		text[strcspn(text, "\r")] = '\0';
		if (!is_rule(text))
			continue;
		if (n_rules == RULE_MAX)
			wrong = "too many rules";
		if (!wrong)
			wrong = rule_take(text, &rules[n_rules]);
		if (wrong) {
			*ret_error = (struct rule_error){.line = number, .text = wrong};
			n_rules = n_before;
			return -EINVAL;
		}
		n_rules++;
	}
	return 0;
}

static void rules_load(void)
{
	struct rule_error error;
	char *text;

	if (n_builtin)
		return;
	text = malloc(advice_txt_bytes + 1);
	if (!text)
		return;
	memcpy(text, advice_txt, advice_txt_bytes + 1);
	rules_take(text, &error);
	n_builtin = n_rules;
}

/*
 * Add the rules of a text, to be looked through before those that are there.
 *
 * Return: 0; -EINVAL and which line is wrong, then none of it is added; -ENOMEM.
 */
int rules_add(const char *text, size_t length, struct rule_error *ret_error)
{
	char *copy;
	int r;

	rules_load();
	copy = strndup(text, length);
	if (!copy)
		return -ENOMEM;
	r = rules_take(copy, ret_error);
	if (r)
		free(copy);
	return r;
}

unsigned int rules_count(void)
{
	rules_load();
	return n_rules;
}

/* In the order in which they are looked through: those that were added, then the built-in ones. */
const struct rule *rules_at(unsigned int index)
{
	unsigned int n_added = n_rules - n_builtin;

	return &rules[index < n_added ? n_builtin + index : index - n_added];
}

static const char *find(enum rule_where where, enum rule_where or_where, const char *text)
{
	for (unsigned int i = 0; text && i < rules_count(); i++) {
		const struct rule *rule = rules_at(i);

		if ((rule->where == where || rule->where == or_where) &&
		    !fnmatch(rule->pattern, text, 0))
			return rule->text;
	}
	return NULL;
}

static const char *find_python(const struct finding *finding)
{
	const struct frame *inside = finding_inside(finding);
	bool is_busy = finding->kind == KIND_SLOW_CALLBACK;
	char name[512];

	if (!inside || !inside->module)
		return NULL;
	snprintf(name, sizeof(name), "%s.%s", inside->module,
		 inside->function ? inside->function : "");
	return find(RULE_PYTHON, is_busy ? RULE_BUSY : RULE_PYTHON, name);
}

static const char *base_name(const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	return slash ? slash + 1 : path;
}

/*
 * The innermost frame that a rule knows, of the stacks that have native frames. The function is
 * asked first: what is built into the interpreter has no module of its own.
 */
static const char *find_native_on(const struct stack *stack)
{
	for (uint32_t i = 0; i < stack->n_frames; i++) {
		const struct frame *frame = &stack->frames[i];
		const char *text;

		if (frame->kind != FRAME_NATIVE)
			continue;
		text = find(RULE_NATIVE, RULE_NATIVE, frame->function);
		if (!text)
			text = find(RULE_NATIVE, RULE_NATIVE, base_name(frame->module));
		if (text)
			return text;
	}
	return NULL;
}

static const char *find_native(const struct finding *finding)
{
	struct native_share shares[NATIVE_SHARE_MAX];
	uint64_t n_samples;
	uint32_t n = native_shares(finding, shares, &n_samples);

	/* What was seen once in a while is not what took the time. */
	if (!n || shares[0].count * 2 < n_samples)
		return NULL;
	return find_native_on(shares[0].stack);
}

/* The sentence for a finding. Return: NULL when no rule knows it. */
const char *rules_find(const struct finding *finding)
{
	const char *text = find_python(finding);

	if (!text)
		text = find_native(finding);
	if (!text)
		text = find(RULE_TARGET, RULE_TARGET, finding->call.target);
	if (!text)
		text = find(RULE_CALL, RULE_CALL, finding->call.name);
	return text;
}
