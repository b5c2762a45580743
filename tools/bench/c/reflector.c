/*
 * The C baseline of the echo benchmark: poll, read a frame from a TAP, swap its two addresses, write it back.
 *
 * One process, non-blocking reads until the queue is empty, one system call a frame each way: what a competent C
 * programmer writes first.  io_uring is faster on some kernels; the benchmark's ratios are to this program.
 *
 *   reflector TAP_DESCRIPTOR      ends on SIGTERM or with its parent, and prints how many frames it returned
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

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "reflector TAP_DESCRIPTOR\n");
        return 2;
    }
    int fd = atoi(argv[1]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct sigaction action = {.sa_handler = end}; /* no SA_RESTART: poll must return */
    sigaction(SIGTERM, &action, NULL);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        fail("the TAP descriptor is not usable");

    static uint8_t frame[2048];
    uint64_t returned = 0, refused = 0;
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    while (!ended) {
        /* The timeout bounds the one race: SIGTERM between the test of `ended` and the sleep. */
        if (poll(&wait, 1, 100) < 0 && errno != EINTR)
            fail("cannot poll");
        while (!ended) {
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
    printf("{\"returned\":%" PRIu64 ",\"refused\":%" PRIu64 "}\n", returned, refused);
    return 0;
}
