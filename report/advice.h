/* SPDX-License-Identifier: Apache-2.0 */
/* What to say about a finding: one sentence on what happened, one on what to do */
#pragma once

#include <stddef.h>

#include "model.h"

#define ADVICE_BYTES 512

const char *advice_message(const struct finding *finding, char *buf, size_t buf_bytes);
const char *advice_text(const struct finding *finding);
