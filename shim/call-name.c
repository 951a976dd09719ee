/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Looking up names: hosts, users, groups
 *
 * libc asks name servers and directories behind these; that it polls and reads meanwhile cannot be
 * seen one by one, and what it loads for it (nsswitch) is a call within a call. A host that is an
 * address already is not looked up.
 */
#include <arpa/inet.h>
#include <string.h>

#include "call.h"
#include "ids.h"

static bool is_address(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static enum call_nature host_nature(const char *host, int flags)
{
	if (likely(!thread_loop))
		return CALL_WAITS;
	return !host || (flags & AI_NUMERICHOST) || is_address(host) ? CALL_QUICK : CALL_WAITS;
}

#define HOST_CALL(symbol, nature, host, service, args)                                \
	CALL_ABOUT(symbol, nature, -1, args, .subject = SUBJECT_HOST, .what = (host), \
		   .more = (uintptr_t)(service))

_export_ int getaddrinfo(const char *restrict host, const char *restrict service,
			 const struct addrinfo *restrict hints,
			 struct addrinfo **restrict ret_addresses)
{
	return HOST_CALL(getaddrinfo, host_nature(host, hints ? hints->ai_flags : 0), host, service,
			 (host, service, hints, ret_addresses));
}

/* From an address to a name: the address is what is known. */
_export_ int getnameinfo(const struct sockaddr *restrict address, socklen_t address_bytes,
			 char *restrict host, socklen_t host_bytes, char *restrict service,
			 socklen_t service_bytes, int flags)
{
	return CALL_ABOUT(getnameinfo,
			  (flags & NI_NUMERICHOST) || !host_bytes ? CALL_QUICK : CALL_WAITS, -1,
			  (address, address_bytes, host, host_bytes, service, service_bytes, flags),
			  .subject = SUBJECT_ADDRESS, .what = address, .more = address_bytes);
}

_export_ struct hostent *gethostbyname(const char *host)
{
	return HOST_CALL(gethostbyname, host_nature(host, 0), host, 0, (host));
}

_export_ struct hostent *gethostbyname2(const char *host, int family)
{
	return HOST_CALL(gethostbyname2, host_nature(host, 0), host, 0, (host, family));
}

_export_ struct hostent *gethostbyaddr(const void *address, socklen_t address_bytes, int family)
{
	return CALL(gethostbyaddr, CALL_WAITS, (address, address_bytes, family));
}

_export_ int gethostbyname_r(const char *restrict host, struct hostent *restrict found,
			     char *restrict buf, size_t size_bytes,
			     struct hostent **restrict ret_found, int *restrict ret_error)
{
	return HOST_CALL(gethostbyname_r, host_nature(host, 0), host, 0,
			 (host, found, buf, size_bytes, ret_found, ret_error));
}

_export_ int gethostbyname2_r(const char *restrict host, int family, struct hostent *restrict found,
			      char *restrict buf, size_t size_bytes,
			      struct hostent **restrict ret_found, int *restrict ret_error)
{
	return HOST_CALL(gethostbyname2_r, host_nature(host, 0), host, 0,
			 (host, family, found, buf, size_bytes, ret_found, ret_error));
}

_export_ int gethostbyaddr_r(const void *restrict address, socklen_t address_bytes, int family,
			     struct hostent *restrict found, char *restrict buf, size_t size_bytes,
			     struct hostent **restrict ret_found, int *restrict ret_error)
{
	return CALL(gethostbyaddr_r, CALL_WAITS,
		    (address, address_bytes, family, found, buf, size_bytes, ret_found, ret_error));
}

#define ENTRY_CALL(symbol, name, args) HOST_CALL(symbol, CALL_WAITS, name, 0, args)

_export_ struct passwd *getpwnam(const char *name)
{
	return ENTRY_CALL(getpwnam, name, (name));
}

_export_ struct group *getgrnam(const char *name)
{
	return ENTRY_CALL(getgrnam, name, (name));
}

_export_ struct passwd *getpwuid(uid_t user)
{
	return CALL(getpwuid, CALL_WAITS, (user));
}

_export_ struct group *getgrgid(gid_t group)
{
	return CALL(getgrgid, CALL_WAITS, (group));
}

_export_ int getpwnam_r(const char *restrict name, struct passwd *restrict found,
			char *restrict buf, size_t size_bytes, struct passwd **restrict ret_found)
{
	return ENTRY_CALL(getpwnam_r, name, (name, found, buf, size_bytes, ret_found));
}

_export_ int getgrnam_r(const char *restrict name, struct group *restrict found, char *restrict buf,
			size_t size_bytes, struct group **restrict ret_found)
{
	return ENTRY_CALL(getgrnam_r, name, (name, found, buf, size_bytes, ret_found));
}

_export_ int getpwuid_r(uid_t user, struct passwd *restrict found, char *restrict buf,
			size_t size_bytes, struct passwd **restrict ret_found)
{
	return CALL(getpwuid_r, CALL_WAITS, (user, found, buf, size_bytes, ret_found));
}

_export_ int getgrgid_r(gid_t group, struct group *restrict found, char *restrict buf,
			size_t size_bytes, struct group **restrict ret_found)
{
	return CALL(getgrgid_r, CALL_WAITS, (group, found, buf, size_bytes, ret_found));
}

_export_ int getgrouplist(const char *user, gid_t group, gid_t *groups, int *n_groups)
{
	return ENTRY_CALL(getgrouplist, user, (user, group, groups, n_groups));
}

_export_ int initgroups(const char *user, gid_t group)
{
	return IDS_CHANGED(ENTRY_CALL(initgroups, user, (user, group)));
}

/* Any record of a name server's, for programs that do without getaddrinfo(): Kerberos, mail. */
_export_ int res_query(const char *name, int class, int type, unsigned char *answer,
		       int answer_bytes)
{
	return HOST_CALL(res_query, CALL_WAITS, name, 0, (name, class, type, answer, answer_bytes));
}

_export_ int res_search(const char *name, int class, int type, unsigned char *answer,
			int answer_bytes)
{
	return HOST_CALL(res_search, CALL_WAITS, name, 0,
			 (name, class, type, answer, answer_bytes));
}

_export_ int res_nquery(struct __res_state *state, const char *name, int class, int type,
			unsigned char *answer, int answer_bytes)
{
	return HOST_CALL(res_nquery, CALL_WAITS, name, 0,
			 (state, name, class, type, answer, answer_bytes));
}

_export_ int res_nsearch(struct __res_state *state, const char *name, int class, int type,
			 unsigned char *answer, int answer_bytes)
{
	return HOST_CALL(res_nsearch, CALL_WAITS, name, 0,
			 (state, name, class, type, answer, answer_bytes));
}
