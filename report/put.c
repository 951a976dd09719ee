/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Put
 *
 * File names, functions, tests and command lines come from the watched program. Each format has
 * characters that mean something in it and some that it cannot hold at all; both are dealt with
 * here, so that a writer never prints a name by itself. Bytes that are no UTF-8 become "?".
 */
#include <string.h>

#include "pool.h"
#include "put.h"

/* The bytes of the character at text, 0 at its end; *ret_is_good: it is whole and printable. */
static size_t put_step(const char *text, bool *ret_is_good)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = *text ? utf8_length(p, strlen(text)) : 0;

	/* C1 controls are two bytes; U+FFFE and U+FFFF are no characters, and not allowed in XML.
	 */
	*ret_is_good = n && *p >= 0x20 && *p != 0x7f && !(n == 2 && *p == 0xc2 && p[1] < 0xa0) &&
		       !(n == 3 && *p == 0xef && p[1] == 0xbf && p[2] >= 0xbe);
	return *text ? MAX(n, (size_t)1) : 0;
}

/* A string with its quotes; "" for NULL. */
void put_json(FILE *out, const char *text)
{
	bool is_good;

	fputc('"', out);
	for (size_t n; text && (n = put_step(text, &is_good)); text += n)
		if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if (is_good)
			fwrite(text, 1, n, out);
		else if (n == 1 && (unsigned char)*text < 0x20)
			fprintf(out, "\\u%04x", *text);
		else
			fputc('?', out);
	fputc('"', out);
}

/* Text or the value of an attribute. */
void put_xml(FILE *out, const char *text)
{
	bool is_good;

	for (size_t n; text && (n = put_step(text, &is_good)); text += n)
		if (strchr("<>&\"'", *text))
			fprintf(out, "&#%d;", *text);
		else if (*text == '\n')
			fputs("&#10;", out);
		else if (is_good)
			fwrite(text, 1, n, out);
		else
			fputc('?', out);
}

/*
 * Words in a paragraph or a table's cell. A character that is written as its number has no meaning
 * in Markdown (CommonMark 0.30, 2.5), and none in HTML.
 */
void put_markdown(FILE *out, const char *text)
{
	bool is_good;

	for (size_t n; text && (n = put_step(text, &is_good)); text += n)
		if (strchr("\\`*_[]<>#!|~&@$\"':", *text))
			fprintf(out, "&#%d;", *text);
		else if (is_good)
			fwrite(text, 1, n, out);
		else
			fputc(*text == '\n' ? ' ' : '?', out);
}

/* A path as part of a URI (RFC 3986). */
void put_uri(FILE *out, const char *path)
{
	for (; path && *path; path++) {
		unsigned char c = (unsigned char)*path;

		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    strchr("-._~/", c))
			fputc(c, out);
		else
			fprintf(out, "%%%02X", c);
	}
}

/* A frame in a line of folded stacks, where ";" parts frames and the last space the number. */
void put_folded(FILE *out, const char *text)
{
	bool is_good;

	for (size_t n; text && (n = put_step(text, &is_good)); text += n)
		if (*text == ';')
			fputc(':', out);
		else if (is_good)
			fwrite(text, 1, n, out);
		else
			fputc('?', out);
}

/* The file as seen from a directory above it; NULL when it does not lie below. */
const char *path_below(const char *file, const char *root_dir)
{
	size_t n = root_dir ? strlen(root_dir) : 0;

	while (n > 1 && root_dir[n - 1] == '/')
		n--;
	if (!file || n < 2 || strncmp(file, root_dir, n) || file[n] != '/' || !file[n + 1])
		return NULL;
	return file + n + 1;
}
