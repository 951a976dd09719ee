/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Object: what kind of Python object stands at an address
 *
 * An object points at its type, and a type at its name (PyTypeObject.tp_name, a C string). A
 * pointer is no proof that there is an object behind it; what is concluded from a type is checked
 * by who concludes it.
 */
#include <errno.h>
#include <string.h>

#include "pyframe/object.h"

/* The smallest page of any machine: what lies in one page is mapped as a whole. */
#define OBJECT_PAGE_BYTES 4096

/* PyTypeObject, counted from tp_name: the same on every version. */
#define TYPE_BASICSIZE 8
#define TYPE_FLAGS     144
#define TYPE_BASE      232

/* PyLongObject: 30 bits a digit. 3.12 on: lv_tag holds the count above 3 bits, 2 of them sign. */
#define INT_DIGIT_BITS	30
#define INT_TAG_BITS	3
#define INT_TAG_SIGN	3
#define INT_TAG_IS_ZERO 1

int object_read_type(const struct pyframe *p, const struct mem *mem, uint64_t object_raddr,
		     uint64_t *ret_type_raddr)
{
	return mem_read(mem, object_raddr + p->layout.object_type, ret_type_raddr, 8);
}

/* A C string, cut to size_bytes: not a byte beyond the page in which it ends is looked at. */
static int object_read_string(const struct mem *mem, uint64_t raddr, char *buf, size_t size_bytes)
{
	size_t len = 0;

	while (len < size_bytes - 1) {
		size_t n = MIN(size_bytes - 1 - len,
			       OBJECT_PAGE_BYTES - (raddr + len) % OBJECT_PAGE_BYTES);
		int r = mem_read(mem, raddr + len, buf + len, n);

		if (r < 0)
			return r;
		if (memchr(buf + len, 0, n))
			return 0;
		len += n;
	}
	buf[len] = '\0';
	return 0;
}

int object_describe_type(const struct pyframe *p, const struct mem *mem, uint64_t type_raddr,
			 struct object_type *ret_type)
{
	uint64_t head_raddr = type_raddr + p->layout.type_name;
	struct object_type type = {.raddr = type_raddr};
	uint64_t name_raddr;
	int r;

	r = mem_read(mem, head_raddr, &name_raddr, 8);
	if (r == 0)
		r = mem_read(mem, head_raddr + TYPE_BASICSIZE, &type.size_bytes, 8);
	if (r == 0)
		r = mem_read(mem, head_raddr + TYPE_FLAGS, &type.flags, 8);
	if (r == 0)
		r = mem_read(mem, head_raddr + TYPE_BASE, &type.base_raddr, 8);
	if (r == 0)
		r = object_read_string(mem, name_raddr, type.name, sizeof(type.name));
	if (r < 0)
		return r;
	*ret_type = type;
	return 0;
}

/* An int from 0 to below 2^60; anything else is -EINVAL. */
int object_read_int(const struct pyframe *p, const struct mem *mem, uint64_t int_raddr,
		    uint64_t *ret_value)
{
	uint64_t head_raddr = int_raddr + p->layout.header_bytes, count;
	uint32_t digits[2] = {0, 0};
	int r;

	r = mem_read(mem, head_raddr, &count, 8);
	if (r < 0)
		return r;
	if (p->layout.minor >= 12) {
		if ((count & INT_TAG_SIGN) > INT_TAG_IS_ZERO)
			return -EINVAL;
		count >>= INT_TAG_BITS;
	}
	if (count > ARRAY_LEN(digits))
		return -EINVAL;
	r = count ? mem_read(mem, head_raddr + 8, digits, count * sizeof(digits[0])) : 0;
	if (r < 0)
		return r;
	*ret_value = (uint64_t)digits[1] << INT_DIGIT_BITS | digits[0];
	return 0;
}
