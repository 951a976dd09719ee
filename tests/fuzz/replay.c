/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Replay: the corpus and a fixed set of mutations of it, without libFuzzer
 *
 * replay DIR gives each file in DIR to the target, whole, cut at every eighth of it, and with
 * bytes changed by a generator that starts the same each time. A crash is the failure.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#define REPLAY_MAX_BYTES   (1 << 20)
#define REPLAY_N_MUTATIONS 64

static uint64_t random_next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return *state >> 33;
}

/* In a copy of its own size, so that a sanitizer sees a read beyond it. */
static void give(const uint8_t *bytes, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, n);
	LLVMFuzzerTestOneInput(copy, n);
	free(copy);
}

static void mutate(const uint8_t *bytes, size_t n)
{
	static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
	static uint8_t copy[REPLAY_MAX_BYTES];
	uint64_t state = n;

	for (unsigned int i = 0; n && i < REPLAY_N_MUTATIONS; i++) {
		memcpy(copy, bytes, n);
		for (unsigned int k = 0; k <= i % 8; k++)
			copy[random_next(&state) % n] = values[random_next(&state) % 5];
		give(copy, n);
	}
}

static int replay_file(const char *path)
{
	static uint8_t bytes[REPLAY_MAX_BYTES];
	FILE *file = fopen(path, "re");
	size_t n;

	if (!file)
		return -1;
	n = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	for (unsigned int i = 0; i <= 8; i++)
		give(bytes, n * i / 8);
	mutate(bytes, n);
	return 0;
}

int main(int argc, char **argv)
{
	DIR *dir = argc > 1 ? opendir(argv[1]) : NULL;
	struct dirent *entry;
	unsigned int n = 0;
	char path[1024];

	if (!dir) {
		fprintf(stderr, "usage: %s DIR\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
		if (replay_file(path))
			return 1;
		n++;
	}
	closedir(dir);
	printf("%u files\n", n);
	return n ? 0 : 1;
}
