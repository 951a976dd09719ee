/* SPDX-License-Identifier: Apache-2.0 */
/* Native: no native frames on this machine, whose unwind rules we do not know */
#include <stdbool.h>

#include "base/defs.h"
#include "native.h"
#include "pyframe/pyframe.h"

_hidden_ void native_init(void)
{
}

_hidden_ bool native_open(void)
{
	return false;
}

_hidden_ void native_forget(void)
{
}

_hidden_ void native_walk(struct native_stack *ret_stack)
{
	ret_stack->stack = (struct record_stack){.end = PYFRAME_END_UNREADABLE};
}
