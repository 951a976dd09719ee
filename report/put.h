/* SPDX-License-Identifier: Apache-2.0 */
/* Put: names that came from outside, written so that no format takes them for its own */
#pragma once

#include <stdio.h>

#include "model.h"
#include "pool.h"

void put_json(FILE *out, const char *text);
void put_xml(FILE *out, const char *text);
void put_markdown(FILE *out, const char *text);
void put_uri(FILE *out, const char *path);
void put_folded(FILE *out, const char *text);

const char *path_below(const char *file, const char *root_dir);
