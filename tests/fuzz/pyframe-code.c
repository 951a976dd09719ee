/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz: a code object, its names and its line table */
#include <string.h>

#include "base/defs.h"
#include "fuzz.h"
#include "pyframe-image.h"
#include "pyframe/linetable.h"
#include "pyframe/memo.h"

static struct memo_entry entries[8];
static const struct memo memo = {entries, ARRAY_LEN(entries)};

/* The line is the same however the table arrives. */
static void check_linetable(const struct image_head *head, const uint8_t *bytes, size_t n_bytes)
{
	enum linetable_kind kind = LINETABLE_LNOTAB + head->minor % 3;
	struct linetable table;
	int32_t line = linetable_find(kind, bytes, n_bytes, (int32_t)head->size_bytes, head->lasti);
	size_t n_piece = 1 + head->flags % 13;

	image_check(line >= 0);
	linetable_init(kind, (int32_t)head->size_bytes, head->lasti, &table);
	for (size_t at = 0; at < n_bytes; at += n_piece)
		if (linetable_feed(&table, bytes + at, MIN(n_piece, n_bytes - at)))
			break;
	image_check(linetable_line(&table) == line);
}

static void check_memo(const struct pyframe *p, const struct pyframe_addr *addr)
{
	struct memo_name name;

	memo_recall(&memo, p, &image_mem, addr, 1, &name);
	name.line = 7;
	name.file_id = 8;
	if (!memo_remember(&memo, p, &image_mem, &name))
		return;
	memo_recall(&memo, p, &image_mem, addr, 1, &name);
	image_check(name.is_known && name.line == 7 && name.file_id == 8);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct image_head head;
	struct pyframe_text text;
	struct pyframe_addr addr;
	struct pyframe p;

	if (!image_open(bytes, n_bytes, &head) || image_pyframe(&head, &p))
		return 0;
	check_linetable(&head, bytes + sizeof(head), n_bytes - sizeof(head));
	addr = (struct pyframe_addr){head.code_raddr, head.lasti};
	if (pyframe_describe(&p, &image_mem, &addr, &text) == 0) {
		image_check_text(text.file, text.file_len, sizeof(text.file));
		image_check_text(text.function, text.function_len, sizeof(text.function));
		image_check(text.line >= 0 && text.first_line >= 0);
	}
	memset(entries, 0, sizeof(entries));
	check_memo(&p, &addr);
	return 0;
}
