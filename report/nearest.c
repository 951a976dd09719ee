/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nearest
 *
 * How many characters have to be put in, taken out or changed (Levenshtein), where "_" and "-" are
 * the same and a swap of two neighbours is two. What needs more than a third of the word changed
 * was not meant.
 */
#include <string.h>

#include "base/defs.h"
#include "nearest.h"

/* No name of ours is longer. */
#define NEAREST_MAX_LENGTH 48
/* Of a name that was left unfinished. */
#define NEAREST_MIN_PART 4

static char plain(char c)
{
	return c == '_' ? '-' : c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

/* Return: the distance; more than any limit where a word is too long to be a name. */
unsigned int nearest_distance(const char *a, size_t a_length, const char *b)
{
	unsigned int row[NEAREST_MAX_LENGTH + 1], before, above;
	size_t b_length = strlen(b);

	if (a_length > NEAREST_MAX_LENGTH || b_length > NEAREST_MAX_LENGTH)
		return NEAREST_MAX_LENGTH + 1;
	for (size_t k = 0; k <= b_length; k++)
		row[k] = (unsigned int)k;
	for (size_t i = 1; i <= a_length; i++) {
		before = row[0];
		row[0] = (unsigned int)i;
		for (size_t k = 1; k <= b_length; k++) {
			above = row[k];
			row[k] = MIN(MIN(above, row[k - 1]) + 1,
				     before + (plain(a[i - 1]) != plain(b[k - 1])));
			before = above;
		}
	}
	return row[b_length];
}

/* The distance up to which a word of that length may be meant. */
unsigned int nearest_limit(size_t length)
{
	return (unsigned int)MIN(MAX(length / 3, (size_t)1), (size_t)4);
}

/* Whether it is the first part of a name, or near to it. */
bool nearest_is_meant(const char *text, size_t length, const char *name)
{
	return (length >= NEAREST_MIN_PART && !strncmp(name, text, length)) ||
	       nearest_distance(text, length, name) <= nearest_limit(length);
}
