/* SPDX-License-Identifier: Apache-2.0 */
/* Annotations: findings beside the changed lines, as GitHub and GitLab show them */
#pragma once

#include <stdio.h>

#include "model.h"

void annotate_github(FILE *out, const struct report *report);
int annotate_gitlab(FILE *out, const struct report *report);
