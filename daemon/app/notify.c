// SPDX-License-Identifier: Apache-2.0
#include "notify.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_LISTEN_FD 3

void hs_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(address.sun_path))
		return;
	size_t len = strlen(path);
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0'; // abstract
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	// Nobody listening is the service manager's affair.
	sendto(fd, state, strlen(state), MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address,
	       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len));
	close(fd);
}

static uint64_t env_number(const char *name)
{
	const char *text = getenv(name);
	return text && text[0] >= '0' && text[0] <= '9' ? strtoull(text, NULL, 10) : 0;
}

int hs_notify_listen_fd(void)
{
	uint64_t n = env_number("LISTEN_FDS");
	if (env_number("LISTEN_PID") != (uint64_t)getpid() || n == 0)
		return -1;
	return n == 1 ? FIRST_LISTEN_FD : -2;
}

// Twice per interval, as sd_watchdog_enabled(3) advises.
uint64_t hs_notify_watchdog_ms(void)
{
	const char *pid = getenv("WATCHDOG_PID");
	uint64_t usec = env_number("WATCHDOG_USEC");
	if (usec == 0 || (pid && env_number("WATCHDOG_PID") != (uint64_t)getpid()))
		return 0;
	return usec < 2000 ? 1 : usec / 2000;
}
