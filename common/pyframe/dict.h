/* SPDX-License-Identifier: Apache-2.0 */
/* Dict: the value of a key, found by the key's address, without running Python */
#pragma once

#include <stdint.h>

#include "pyframe/pyframe.h"

/* 3.8 to 3.13, builds with a GIL; -ENOSYS else. The dict may change meanwhile: it is looked at
 * until its table was the same before and after. ret_value_raddr: 0 when the key is not there. */
int dict_find(const struct pyframe *p, const struct mem *mem, uint64_t dict_raddr,
	      uint64_t key_raddr, uint64_t *ret_value_raddr);
