/*
 * The C limit of the TCP benchmark: what a competent C programmer's poll loop moves between TAPs.
 *
 * With two TAPs it is a bridge of two ports: a frame read from one is written to the other.  With one it sends each
 * IPv4 frame back with the addresses of Ethernet and IP swapped, so that both ends of a connection may be on the same
 * side of it; no checksum changes by that, not even a partial one.  HEADER is how many bytes of virtio_net_hdr stand
 * before each frame (0 without IFF_VNET_HDR); they travel with it, and with them super-frames.
 *
 *   copier HEADER TAP_DESCRIPTOR [TAP_DESCRIPTOR]      ends on SIGTERM or with its parent
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { TURN = 64 /* frames of one TAP before the other has its turn */ };

static volatile sig_atomic_t ended;

static void end(int signal_number)
{
    (void)signal_number;
    ended = 1;
}

static void fail(const char *step)
{
    fprintf(stderr, "copier: %s: %s\n", step, strerror(errno));
    exit(3);
}

static void swap(uint8_t *first, uint8_t *second, size_t length)
{
    uint8_t other[6];
    memcpy(other, first, length);
    memcpy(first, second, length);
    memcpy(second, other, length);
}

int main(int argc, char **argv)
{
    if (argc < 3 || argc > 4) {
        fprintf(stderr, "copier HEADER TAP_DESCRIPTOR [TAP_DESCRIPTOR]\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction action = {.sa_handler = end}; /* no SA_RESTART: poll must return */
    sigaction(SIGTERM, &action, NULL);
    ssize_t header = atoi(argv[1]);
    static struct pollfd waits[2];
    int count = argc - 2;
    for (int i = 0; i < count; i++) {
        waits[i] = (struct pollfd){.fd = atoi(argv[i + 2]), .events = POLLIN};
        int flags = fcntl(waits[i].fd, F_GETFL);
        if (flags < 0 || fcntl(waits[i].fd, F_SETFL, flags | O_NONBLOCK) < 0)
            fail("a TAP descriptor is not usable");
    }

    static uint8_t frame[65536 + 256];
    while (!ended) {
        if (poll(waits, (nfds_t)count, 100) < 0 && errno != EINTR)
            fail("cannot poll");
        for (int i = 0; i < count; i++) {
            for (int turn = 0; waits[i].revents && turn < TURN && !ended; turn++) {
                ssize_t length = read(waits[i].fd, frame, sizeof frame);
                if (length < 0) {
                    if (errno == EAGAIN || errno == EINTR)
                        break;
                    fail("cannot read a TAP");
                }
                if (count == 1) {
                    uint8_t *ethernet = frame + header;
                    if (length < header + 34 || ethernet[12] != 0x08 || ethernet[13] != 0x00)
                        continue;
                    swap(ethernet, ethernet + 6, 6);
                    swap(ethernet + 26, ethernet + 30, 4);
                }
                /* A write that is refused is a lost frame: TCP will see to it. */
                if (write(waits[count - 1 - i].fd, frame, (size_t)length) < 0 && errno == EBADF)
                    fail("cannot write a TAP");
            }
        }
    }
    return 0;
}
