/* SPDX-License-Identifier: Apache-2.0 */
/* A chain of functions that ends in a call that waits, for native frames to be looked for */
#include <stdlib.h>
#include <time.h>

#define API __attribute__((visibility("default")))

typedef int chain_callback(const void *a, const void *b);

API void chain_a(void);
API void chain_sort(chain_callback *callback);

static volatile int sink;

static __attribute__((noinline, noclone)) void chain_c(void)
{
	struct timespec span = {.tv_nsec = CHAIN_NS};

	nanosleep(&span, NULL);
	sink++;
}

static __attribute__((noinline, noclone)) void chain_b(void)
{
	volatile char room[CHAIN_FRAME_BYTES];

	room[0] = 1;
	chain_c();
	sink += room[0];
}

void chain_a(void)
{
	chain_b();
	sink++;
}

/* To Python and back. */
void chain_sort(chain_callback *callback)
{
	int two[2] = {0};

	qsort(two, 2, sizeof(two[0]), callback);
	sink++;
}
