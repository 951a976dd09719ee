/* SPDX-License-Identifier: Apache-2.0 */
/* A library whose constructor waits for the GIL, with the loader's lock held */
#include <dlfcn.h>
#include <time.h>

__attribute__((constructor)) static void take_the_gil(void)
{
	struct timespec span = {.tv_nsec = 400000000};
	int (*ensure)(void) = (int (*)(void))dlsym(RTLD_DEFAULT, "PyGILState_Ensure");
	void (*release)(int) = (void (*)(int))dlsym(RTLD_DEFAULT, "PyGILState_Release");

	if (!ensure || !release)
		return;
	nanosleep(&span, NULL);
	release(ensure());
}
