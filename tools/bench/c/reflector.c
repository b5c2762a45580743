/*
 * The C baseline of the echo benchmark: poll, read a frame from a TAP, swap its two addresses, write it back.
 *
 * One process, non-blocking reads until the queue is empty, one system call a frame each way: what a competent C
 * programmer writes first.  io_uring is faster on some kernels; the benchmark's ratios are to this program.
 *
 *   reflector TAP_DESCRIPTOR...   ends on SIGTERM or with its parent, and prints how many frames it returned
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static volatile sig_atomic_t ended;

static void end(int signal_number)
{
    (void)signal_number;
    ended = 1;
}

static void fail(const char *step)
{
    fprintf(stderr, "reflector: %s: %s\n", step, strerror(errno));
    exit(3);
}

enum { MOST = 32, TURN = 256 /* frames of one TAP before the next has its turn */ };

int main(int argc, char **argv)
{
    if (argc < 2 || argc > MOST + 1) {
        fprintf(stderr, "reflector TAP_DESCRIPTOR...\n");
        return 2;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction action = {.sa_handler = end}; /* no SA_RESTART: poll must return */
    sigaction(SIGTERM, &action, NULL);
    static struct pollfd waits[MOST];
    nfds_t count = (nfds_t)argc - 1;
    for (nfds_t i = 0; i < count; i++) {
        waits[i] = (struct pollfd){.fd = atoi(argv[i + 1]), .events = POLLIN};
        int flags = fcntl(waits[i].fd, F_GETFL);
        if (flags < 0 || fcntl(waits[i].fd, F_SETFL, flags | O_NONBLOCK) < 0)
            fail("a TAP descriptor is not usable");
    }

    static uint8_t frame[2048];
    uint64_t returned = 0, refused = 0;
    while (!ended) {
        /* The timeout bounds the one race: SIGTERM between the test of `ended` and the sleep. */
        if (poll(waits, count, 100) < 0 && errno != EINTR)
            fail("cannot poll");
        for (nfds_t i = 0; i < count; i++) {
            int fd = waits[i].fd;
            for (unsigned turn = 0; waits[i].revents && turn < TURN && !ended; turn++) {
                ssize_t length = read(fd, frame, sizeof frame);
                if (length < 0) {
                    if (errno == EAGAIN || errno == EINTR)
                        break;
                    fail("cannot read the TAP");
                }
                if (length < 14)
                    continue;
                uint8_t other[6];
                memcpy(other, frame, 6);
                memcpy(frame, frame + 6, 6);
                memcpy(frame + 6, other, 6);
                if (write(fd, frame, (size_t)length) == length)
                    returned++;
                else
                    refused++;
            }
        }
    }
    printf("{\"returned\":%" PRIu64 ",\"refused\":%" PRIu64 "}\n", returned, refused);
    return 0;
}
