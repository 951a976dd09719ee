/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pool of strings
 *
 * Names of files and functions come by the thousand and are few. They come from strangers too:
 * what is no UTF-8 is replaced here, once, so that everything behind can be written as JSON. Two
 * equal strings of a pool are the same pointer.
 *
 * The pool only grows, up to POOL_MAX_BYTES: a watched process that makes up names without end
 * must not eat the daemon's memory. What is refused is counted and NULL is kept in its place.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/defs.h"
#include "pool.h"

/* 64 MiB hold the names of some 500,000 functions; a large program has some 20,000. */
#define POOL_MAX_BYTES	 (UINT64_C(64) << 20)
#define POOL_FIRST_SLOTS 256

#define UTF8_REPLACEMENT "\xef\xbf\xbd"

struct pool_entry {
	uint64_t hash;
	char *text;
};

struct pool {
	struct pool_entry *entries; /* open addressing */
	size_t n_slots;		    /* a power of two */
	size_t n_used;
	uint64_t n_bytes;
	uint64_t n_refused;
};

int pool_new(struct pool **ret_pool)
{
	_cleanup_(pool_freep) struct pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	pool->entries = calloc(POOL_FIRST_SLOTS, sizeof(*pool->entries));
	if (!pool->entries)
		return -ENOMEM;
	pool->n_slots = POOL_FIRST_SLOTS;
	*ret_pool = TAKE(pool);
	return 0;
}

struct pool *pool_free(struct pool *pool)
{
	if (!pool)
		return NULL;
	for (size_t i = 0; i < pool->n_slots; i++)
		free(pool->entries[i].text);
	free(pool->entries);
	free(pool);
	return NULL;
}

void pool_freep(struct pool **pool)
{
	pool_free(*pool);
}

/* FNV-1a: names are short, and an attacker gains nothing here but a slower daemon of their own. */
static uint64_t pool_hash(const char *text)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (; *text; text++)
		hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	return hash;
}

static size_t utf8_sequence(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* The length of the UTF-8 sequence bytes begin with; 0 when they are none (RFC 3629). */
size_t utf8_length(const unsigned char *bytes, size_t n_bytes)
{
	size_t length = n_bytes ? utf8_sequence(bytes[0]) : 0;

	if (!length || length > n_bytes)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((bytes[i] & 0xc0) != 0x80)
			return 0;
	/* overlong forms, surrogates, and what is beyond U+10FFFF */
	if ((bytes[0] == 0xe0 && bytes[1] < 0xa0) || (bytes[0] == 0xed && bytes[1] > 0x9f) ||
	    (bytes[0] == 0xf0 && bytes[1] < 0x90) || (bytes[0] == 0xf4 && bytes[1] > 0x8f))
		return 0;
	return length;
}

/* Cut off the half of a sequence with which a string ends that did not fit its buffer. */
void utf8_cut(char *text)
{
	size_t length = strlen(text), whole = 0, n;

	while ((n = utf8_length((const unsigned char *)text + whole, length - whole)))
		whole += n;
	text[whole] = '\0';
}

/* Copy as valid UTF-8 without NUL, ending where the room ends. */
static void utf8_clean(const char *text, size_t length, char *buf, size_t buf_bytes)
{
	size_t out = 0;

	for (size_t in = 0; in < length;) {
		const char *from = text + in;
		size_t n = utf8_length((const unsigned char *)from, length - in);

		in += n ? n : 1;
		if (!n || !*from) {
			from = UTF8_REPLACEMENT;
			n = sizeof(UTF8_REPLACEMENT) - 1;
		}
		if (out + n >= buf_bytes)
			break;
		memcpy(buf + out, from, n);
		out += n;
	}
	buf[out] = '\0';
}

static struct pool_entry *pool_find(struct pool *pool, uint64_t hash, const char *text)
{
	size_t i = hash & (pool->n_slots - 1);

	while (pool->entries[i].text &&
	       (pool->entries[i].hash != hash || strcmp(pool->entries[i].text, text)))
		i = (i + 1) & (pool->n_slots - 1);
	return &pool->entries[i];
}

static int pool_grow(struct pool *pool)
{
	struct pool_entry *old = pool->entries;
	size_t n_old = pool->n_slots;

	if (pool->n_used < n_old / 2)
		return 0;
	pool->entries = calloc(n_old * 2, sizeof(*pool->entries));
	if (!pool->entries) {
		pool->entries = old;
		return -ENOMEM;
	}
	pool->n_slots = n_old * 2;
	for (size_t i = 0; i < n_old; i++)
		if (old[i].text)
			*pool_find(pool, old[i].hash, old[i].text) = old[i];
	free(old);
	return 0;
}

/*
 * The pool's copy of a string, cut at POOL_MAX_STRING bytes.
 *
 * Return: NULL when there is no room for another string.
 */
const char *pool_keep(struct pool *pool, const char *text, size_t length)
{
	char clean[POOL_MAX_STRING];
	struct pool_entry *entry;
	uint64_t hash;

	utf8_clean(text, length, clean, sizeof(clean));
	hash = pool_hash(clean);
	entry = pool_find(pool, hash, clean);
	if (entry->text)
		return entry->text;
	if (pool->n_bytes + strlen(clean) + sizeof(*entry) > POOL_MAX_BYTES || pool_grow(pool)) {
		pool->n_refused++;
		return NULL;
	}
	entry = pool_find(pool, hash, clean);
	entry->text = strdup(clean);
	if (!entry->text)
		return NULL;
	entry->hash = hash;
	pool->n_used++;
	pool->n_bytes += strlen(clean) + sizeof(*entry);
	return entry->text;
}

/* Likewise, of a string that ends with NUL; NULL of NULL. */
const char *pool_keep_text(struct pool *pool, const char *text)
{
	return text ? pool_keep(pool, text, strlen(text)) : NULL;
}

/* How many strings found no room. */
uint64_t pool_refused(const struct pool *pool)
{
	return pool->n_refused;
}
