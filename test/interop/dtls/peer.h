/* What the peers in C have in common: a UDP socket on the loopback interface, and waiting for it and for standard input. */
#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static void fail_because(const char *what, const char *why)
{
    printf("failed: %s: %s\n", what, why);
    exit(1);
}

static inline long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int readable(int fd, int timeout_ms)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};
    return poll(&one, 1, timeout_ms) > 0;
}

/* Client: connected to the port. Server (port 0): bound to a free port, which is printed, and connected to whoever speaks first. */
static int open_socket(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (port == 0) {
        if (bind(fd, (void *)&address, length) != 0) fail_because("bind", "no free port");
        getsockname(fd, (void *)&address, &length);
        printf("port %d\n", ntohs(address.sin_port));
        char first;
        recvfrom(fd, &first, 1, MSG_PEEK, (void *)&address, &length);
    }
    if (connect(fd, (void *)&address, length) != 0) fail_because("connect", "no such address");
    return fd;
}

/* Waits for the socket or standard input; returns how much of a line was read from the latter, and -1 at its end. */
static int read_line(int fd, char *line, int size)
{
    struct pollfd ready[] = {{.fd = fd, .events = POLLIN}, {.fd = 0, .events = POLLIN}};
    poll(ready, 2, 100);
    if (!(ready[1].revents & (POLLIN | POLLHUP))) return 0;
    int length = (int)read(0, line, size);
    return length > 0 ? length : -1;
}
