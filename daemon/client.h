/* SPDX-License-Identifier: Apache-2.0 */
/* Client: one connection, of a process that is watched or of a command that asks */
#pragma once

#include <stdint.h>

#include "base/defs.h"

struct daemon;
struct client;
struct watch;

enum client_result {
	_CLIENT_E_OK = 0,
	CLIENT_E_MANY, /* too many connections already */
};

int client_new_take_fd(struct daemon *daemon, int sock_fd);
struct client *client_free(struct client *client);
void client_forget_watch(struct daemon *daemon, const struct watch *watch);
void client_expire(struct daemon *daemon, nsec_t now_ns);
