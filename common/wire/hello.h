/* SPDX-License-Identifier: Apache-2.0 */
/* First words on the daemon's socket: a process that wants to be watched, or a command that asks */
#pragma once

#include <assert.h>
#include <stdint.h>

/*
 * The socket is SOCK_SEQPACKET: one message, one struct. A watched process sends a hello with the
 * memfd of its region (SCM_RIGHTS), never waits for the answer, and keeps the connection open as
 * long as it lives. A command sends a request and gets an answer with a memfd of JSON.
 */
#define HELLO_MAGIC   UINT64_C(0x4f4c4c45484c00)
#define REQUEST_MAGIC UINT64_C(0x5453455551455200)

struct hello {
	uint64_t magic;
	uint32_t version; /* WIRE_VERSION of the sender */
	uint32_t pid;	  /* as the sender knows itself; who it is, SCM_CREDENTIALS says */
	uint64_t region_bytes;
};

enum request_verb {
	REQUEST_STATUS = 1,
	REQUEST_REPORT = 2,
};

struct request {
	uint64_t magic;
	uint32_t version;
	uint32_t verb; /* enum request_verb */
	uint64_t reserved;
};

enum answer_status {
	ANSWER_OK = 0,
	ANSWER_VERSION = 1, /* the other side speaks another version; text names both */
	ANSWER_REFUSED = 2,
};

/* To both. text is one line, NUL-terminated. */
struct answer {
	uint64_t magic; /* that of the message it answers */
	uint32_t version;
	uint32_t status; /* enum answer_status */
	char text[240];
};

static_assert(sizeof(struct hello) == 24, "hello");
static_assert(sizeof(struct request) == 24, "request");
static_assert(sizeof(struct answer) == 256, "answer");

/* Where loophoundd listens: root's, else under XDG_RUNTIME_DIR (/run/user/UID). */
#define HELLO_SOCKET_SYSTEM "/run/loophound/socket"
#define HELLO_SOCKET_USER   "/run/user/%u/loophound/socket"
