/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz: a str object, into buffers of all sizes */
#include <string.h>

#include "fuzz.h"
#include "pyframe-image.h"

#define MAX_BYTES 1500

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
	struct image_head head;
	struct pyframe p;
	/* Behind what is given there is nothing that may be written. */
	char buf[MAX_BYTES + 1];
	size_t size_bytes;
	int r;

	if (!image_open(bytes, n_bytes, &head) || image_pyframe(&head, &p))
		return 0;
	size_bytes = head.size_bytes % MAX_BYTES;
	memset(buf, 0x7e, sizeof(buf));
	r = pyframe_unicode(&p, &image_mem, head.str_raddr, buf, size_bytes);
	image_check(buf[size_bytes] == 0x7e);
	if (r >= 0)
		image_check_text(buf, (size_t)r, size_bytes);
	else if (size_bytes)
		image_check(memchr(buf, 0, size_bytes) != NULL);
	return 0;
}
