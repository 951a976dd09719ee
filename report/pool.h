/* SPDX-License-Identifier: Apache-2.0 */
/* Pool of strings: each kept once, valid UTF-8, alive as long as the pool */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define POOL_MAX_STRING 4096

struct pool;

int pool_new(struct pool **ret_pool);
struct pool *pool_free(struct pool *pool);
void pool_freep(struct pool **pool);

const char *pool_keep(struct pool *pool, const char *text, size_t length);
const char *pool_keep_text(struct pool *pool, const char *text);
uint64_t pool_refused(const struct pool *pool);

void utf8_cut(char *text);
size_t utf8_length(const unsigned char *bytes, size_t n_bytes);
