/* SPDX-License-Identifier: Apache-2.0 */
/* A module to load and unload: built twice, alike but for the size of one frame */

typedef void plugin_call(void);

void plugin_enter(plugin_call *call);

__attribute__((visibility("default"), noinline)) void plugin_enter(plugin_call *call)
{
	volatile char room[PLUGIN_FRAME_BYTES];

	room[0] = 1;
	call();
	room[PLUGIN_FRAME_BYTES - 1] = room[0];
}
