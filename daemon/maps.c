/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Maps: what a process has mapped where
 *
 * Read from /proc/PID/maps: "BEGIN-END PERMS OFFSET DEV INODE   PATH", a line each. It is the
 * process's to fill, so it is read to a bound, and what does not look like a line is passed over.
 *
 * Paths are told as the reader sees them: of a process in a chroot they begin with its root. That
 * is taken off, so that they are paths in the file system of the process wherever it lives.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/defs.h"
#include "maps.h"

/* A process with tens of thousands of mappings has them for its data. */
#define MAPS_MAX_BYTES (8u << 20)

void maps_deinit(struct maps *maps)
{
	free(maps->maps);
	free(maps->text);
	*maps = (struct maps){0};
}

static int read_all(int fd, char **ret_text)
{
	size_t room = 64u << 10, n = 0;
	char *text = malloc(room + 1);

	while (text) {
		ssize_t n_read = read(fd, text + n, room - n);

		if (n_read < 0) {
			free(text);
			return -errno;
		}
		n += (size_t)n_read;
		if (!n_read || n == MAPS_MAX_BYTES)
			break;
		if (n == room) {
			char *more = realloc(text, 2 * room + 1);

			if (!more)
				free(text);
			text = more;
			room *= 2;
		}
	}
	if (!text)
		return -ENOMEM;
	text[n] = '\0';
	*ret_text = text;
	return 0;
}

/* The root of a process as we see it; empty when it is ours. */
static void root_find(int32_t pid, char ret_root[PATH_MAX])
{
	char path[32];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/root", pid);
	n = readlink(path, ret_root, PATH_MAX - 1);
	ret_root[n > 1 ? n : 0] = '\0';
}

static const char *path_inside(const char *path, const char *root)
{
	size_t n = strlen(root);

	return !strncmp(path, root, n) && path[n] == '/' ? path + n : path;
}

/* Return: whether the line is one; it is cut into its parts. */
static bool map_parse(char *line, const char *root, struct map *ret_map)
{
	unsigned long long begin, end, offset;
	int at = 0;

	if (sscanf(line, "%llx-%llx %*4s %llx %*s %*u %n", &begin, &end, &offset, &at) != 3 || !at)
		return false;
	*ret_map = (struct map){begin, end, offset, path_inside(line + at, root)};
	return true;
}

/* Return: 0 or a negative errno. */
int maps_load(int32_t pid, struct maps *ret_maps)
{
	_cleanup_(maps_deinit) struct maps maps = {0};
	_cleanup_close_ int fd = -1;
	char path[32], root[PATH_MAX], *line, *next;
	size_t n_lines = 1;
	int r;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	r = fd < 0 ? -errno : read_all(fd, &maps.text);
	if (r)
		return r;
	for (const char *at = maps.text; (at = strchr(at, '\n')); at++)
		n_lines++;
	root_find(pid, root);
	maps.maps = calloc(n_lines, sizeof(*maps.maps));
	if (!maps.maps)
		return -ENOMEM;
	for (line = maps.text; (next = strchr(line, '\n')); line = next + 1) {
		*next = '\0';
		maps.n_maps += map_parse(line, root, &maps.maps[maps.n_maps]);
	}
	*ret_maps = maps;
	maps = (struct maps){0};
	return 0;
}

/* The mapping that holds an address; NULL for none. */
const struct map *maps_find(const struct maps *maps, uint64_t address)
{
	uint32_t low = 0, high = maps->n_maps;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (maps->maps[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low < maps->n_maps && maps->maps[low].begin <= address ? &maps->maps[low] : NULL;
}

/* The first mapping of the module that a mapping is part of: its file from the beginning. */
const struct map *maps_module(const struct maps *maps, const struct map *map)
{
	for (const struct map *at = map; at >= maps->maps; at--)
		if (!strcmp(at->path, map->path) && !at->offset)
			return at;
	return NULL;
}
