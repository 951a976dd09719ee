/* SPDX-License-Identifier: Apache-2.0 */
/* Files of the user's: advice of his own, and the allow lists he names */
#pragma once

#include "allow.h"
#include "baseline.h"

void user_advice_load(void);
void user_baseline_load(struct baseline *baseline, const char *path, bool will_update,
			bool may_be_missing);
int user_baseline_store(const struct baseline *baseline, const char *path);
char *user_file_text(const char *path);
void user_allow_load(struct allow *allow, const char *path);
