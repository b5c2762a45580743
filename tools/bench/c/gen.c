/*
 * Closed-loop frame generator and receiver: the one clock of the echo benchmark.
 *
 * It keeps a window of frames in flight on one interface through AF_PACKET, sends the next frame when an answer
 * comes back, and prints one JSON line.  Every answer is compared byte by byte with what must come back (addresses
 * swapped, payload as sent), so a reflector that is fast because it is wrong is seen.  All frames are numbered in the
order in which they are sent: an answer with a lower number than one before it is counted as reordered (RFC 4737).  It
stops by itself.
 *
 * What a round trip contains: our send call, the kernel's way to the TAP, the subject, the kernel's way back, our
 * wake-up.  With a window above one it also contains the queue that the window builds; only window 1 is a latency.
 *
 * With a rest (-r) it sleeps so long before it looks for answers, as the interrupt moderation of a network card does.
 * Without one a generator that is faster than its subject falls asleep after each frame, and the subject pays for
 * waking it each time: measured, a third of a Python loop's rate, while the C baseline's hardly changes.
 *
 * With a pause (-p) it rests so long before each send: lone frames that meet a sleeping subject, where without one a
 * window of 1 is a ping-pong between two processes that never get to sleep deeply.
 *
 *   gen -i INTERFACE -m DESTINATION_MAC -s FRAME_SIZE -w WINDOW (-t SECONDS | -n COUNT) [-u WARM_UP_SECONDS]
 *       [-p PAUSE_MICROSECONDS] [-r REST_MICROSECONDS] [-c CORE_TO_STAY_ON]
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum {
    ETHERTYPE = 0x88b5, /* IEEE 802 local experimental: no kernel protocol listens to it */
    HEADER = 14,
    STAMP = HEADER + 12, /* slot (4 bytes) and sequence (8 bytes) follow the Ethernet header */
    SMALLEST = 60,
    LARGEST = 1514,
    WIDEST = 1024, /* the TAP's own transmit queue holds 1000 frames: a wider window measures its drops */
    BATCH = 64,
    SUB_BUCKETS = 256, /* per power of two: a percentile is exact to 0.4 % */
    OCTAVES = 40,
};

#define NS UINT64_C(1000000000)
#define STALL_NS (NS / 4) /* nothing came back for so long: what is in flight counts as lost and is sent anew */
#define COUNTED_STALL_NS (2 * NS) /* the same of a run that is bounded by its frames: late is not lost there */

static uint32_t histogram[OCTAVES * SUB_BUCKETS];
static uint8_t frames[WIDEST][LARGEST];
static uint8_t expected[LARGEST];
static uint8_t arrivals[BATCH][LARGEST + 6];
static struct {
    uint64_t sequence, sent_at;
    bool in_flight;
} slots[WIDEST];

static uint64_t now(void)
{
    struct timespec moment;
    clock_gettime(CLOCK_MONOTONIC, &moment);
    return (uint64_t)moment.tv_sec * NS + (uint64_t)moment.tv_nsec;
}

static void fail(const char *step)
{
    fprintf(stderr, "gen: %s: %s\n", step, strerror(errno));
    exit(3);
}

static void usage(const char *why)
{
    fprintf(stderr, "gen: %s\ngen -i INTERFACE -m MAC -s SIZE -w WINDOW (-t SECONDS | -n COUNT) [-u WARM_UP] [-p PAUSE_US] [-r REST_US] [-c CORE]\n", why);
    exit(2);
}

static void note(uint64_t value)
{
    unsigned octave = value < SUB_BUCKETS ? 0 : 63u - 8u - (unsigned)__builtin_clzll(value) + 1u;
    unsigned bucket = octave ? (unsigned)(value >> (octave - 1)) - SUB_BUCKETS : (unsigned)value;
    if (octave >= OCTAVES) {
        octave = OCTAVES - 1;
        bucket = SUB_BUCKETS - 1;
    }
    histogram[octave * SUB_BUCKETS + bucket]++;
}

static double percentile_us(uint64_t total, double share)
{
    uint64_t wanted = (uint64_t)((double)total * share), seen = 0;
    for (unsigned i = 0; i < OCTAVES * SUB_BUCKETS; i++) {
        seen += histogram[i];
        if (seen > wanted) {
            unsigned octave = i / SUB_BUCKETS, bucket = i % SUB_BUCKETS;
            double floor_ns = octave ? (double)((uint64_t)(bucket + SUB_BUCKETS) << (octave - 1)) : bucket;
            return floor_ns / 1000.0;
        }
    }
    return 0.0;
}

static int open_socket(const char *interface, uint8_t own[6])
{
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: deaf until bound to the one interface */
    if (fd < 0)
        fail("cannot open an AF_PACKET socket (needs CAP_NET_RAW)");
    struct ifreq request = {0};
    strncpy(request.ifr_name, interface, IFNAMSIZ - 1);
    if (ioctl(fd, SIOCGIFHWADDR, &request) < 0)
        fail("cannot read the interface's address");
    memcpy(own, request.ifr_hwaddr.sa_data, 6);

    int one = 1, room = 16 << 20;
    /* Without the queueing discipline: it is the same for every subject and only adds noise. Best effort. */
    (void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof one);
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) < 0)
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    struct timeval patience = {.tv_usec = 20000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) < 0)
        fail("cannot bound the receive call");

    struct sockaddr_ll place = {
        .sll_family = AF_PACKET, .sll_protocol = htons(ETHERTYPE), .sll_ifindex = (int)if_nametoindex(interface)};
    if (bind(fd, (struct sockaddr *)&place, sizeof place) < 0)
        fail("cannot bind to the interface");
    return fd;
}

int main(int argc, char **argv)
{
    const char *interface = NULL;
    uint8_t destination[6], own[6];
    bool have_destination = false;
    unsigned size = 0, window = 0, pause_us = 0, rest_us = 0;
    double seconds = 0, warm_up = 0;
    uint64_t count = 0;
    int core = -1;
    for (int option; (option = getopt(argc, argv, "i:m:s:w:t:n:u:p:r:c:")) != -1;) {
        switch (option) {
        case 'i': interface = optarg; break;
        case 'm':
            have_destination = sscanf(optarg, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", &destination[0], &destination[1],
                                      &destination[2], &destination[3], &destination[4], &destination[5]) == 6;
            break;
        case 's': size = (unsigned)atoi(optarg); break;
        case 'w': window = (unsigned)atoi(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'n': count = strtoull(optarg, NULL, 10); break;
        case 'u': warm_up = atof(optarg); break;
        case 'p': pause_us = (unsigned)atoi(optarg); break;
        case 'r': rest_us = (unsigned)atoi(optarg); break;
        case 'c': core = atoi(optarg); break;
        default: usage("unknown option");
        }
    }
    if (!interface || !have_destination)
        usage("interface and destination address are needed");
    if (size < SMALLEST || size > LARGEST)
        usage("frame size must be 60 to 1514 (without the check sequence)");
    if (window < 1 || window > WIDEST)
        usage("window must be 1 to 1024");
    if ((seconds > 0) == (count > 0) || seconds > 3600 || warm_up < 0)
        usage("give either seconds (up to 3600) or a count");
    if (pause_us > 100000 || rest_us > 1000)
        usage("the pause must be at most 100000 us, the rest at most 1000 us");
    if (count && window > count)
        window = (unsigned)count;
    uint64_t stall_ns = count ? COUNTED_STALL_NS : STALL_NS;

    if (core >= 0) {
        cpu_set_t only;
        CPU_ZERO(&only);
        CPU_SET((size_t)core, &only);
        if (sched_setaffinity(0, sizeof only, &only) < 0)
            fail("cannot stay on the core");
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_TIMERSLACK, 1000); /* a sleep of 10 us shall not become 60 */
    int fd = open_socket(interface, own);

    for (unsigned i = 0; i < size; i++)
        expected[i] = (uint8_t)(i * 7 + 13);
    memcpy(expected, own, 6);
    memcpy(expected + 6, destination, 6);
    expected[12] = ETHERTYPE >> 8;
    expected[13] = ETHERTYPE & 0xff;
    for (unsigned s = 0; s < window; s++) {
        memcpy(frames[s], expected, size);
        memcpy(frames[s], destination, 6);
        memcpy(frames[s] + 6, own, 6);
        memcpy(frames[s] + HEADER, &s, 4);
    }

    static struct mmsghdr outgoing[WIDEST], incoming[BATCH];
    static struct iovec outgoing_part[WIDEST], incoming_part[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        incoming_part[i] = (struct iovec){arrivals[i], sizeof arrivals[i]};
        incoming[i].msg_hdr = (struct msghdr){.msg_iov = &incoming_part[i], .msg_iovlen = 1};
    }

    uint64_t sent = 0, received = 0, lost = 0, reordered = 0, corrupt = 0, unexpected = 0, refused = 0, stalls = 0;
    uint64_t measured = 0, in_flight = 0, next_sequence = 1, newest = 0;
    uint64_t began = now(), measure_from = began + (uint64_t)(warm_up * 1e9), last_answer = began, last_measured = 0;
    uint64_t stop_at = seconds > 0 ? measure_from + (uint64_t)(seconds * 1e9) : UINT64_MAX;
    bool measuring = false, stopping = false;
    static unsigned due[WIDEST];
    unsigned due_count = 0;
    for (unsigned s = 0; s < window; s++)
        due[due_count++] = s;
    if (warm_up <= 0)
        measuring = true;

    for (;;) {
        if (pause_us && due_count && !stopping)
            usleep(pause_us);
        uint64_t moment = now();
        if (moment >= stop_at)
            stopping = true;
        if (!stopping && due_count) {
            unsigned batch = due_count;
            if (count && sent + batch > count)
                batch = (unsigned)(count - sent);
            for (unsigned i = 0; i < batch; i++) {
                unsigned s = due[i];
                slots[s].sequence = next_sequence++;
                slots[s].sent_at = moment;
                slots[s].in_flight = true;
                memcpy(frames[s] + HEADER + 4, &slots[s].sequence, 8);
                outgoing_part[i] = (struct iovec){frames[s], size};
                outgoing[i].msg_hdr = (struct msghdr){.msg_iov = &outgoing_part[i], .msg_iovlen = 1};
            }
            unsigned done = 0;
            while (done < batch) {
                int accepted = sendmmsg(fd, outgoing + done, batch - done, 0);
                if (accepted > 0) {
                    done += (unsigned)accepted;
                } else if (accepted < 0 && (errno == ENOBUFS || errno == EAGAIN)) {
                    refused++; /* the interface's queue is full: the frame did not leave, try again */
                    if (now() - moment > NS)
                        fail("the interface refused frames for a second");
                    sched_yield();
                } else if (accepted < 0 && errno != EINTR) {
                    fail("cannot send");
                }
            }
            sent += batch;
            in_flight += batch;
            due_count = 0;
            if (count && sent >= count)
                stopping = true;
        }
        if (stopping && (in_flight == 0 || now() - last_answer > stall_ns))
            break;

        if (rest_us)
            usleep(rest_us);
        int arrived = recvmmsg(fd, incoming, BATCH, MSG_WAITFORONE, NULL);
        moment = now();
        if (arrived < 0) {
            if (errno != EAGAIN && errno != EINTR)
                fail("cannot receive");
            arrived = 0;
            if (!stopping && moment - last_answer > stall_ns) {
                stalls++;
                last_answer = moment;
                for (unsigned s = 0; s < window; s++)
                    if (slots[s].in_flight) {
                        slots[s].in_flight = false;
                        lost++;
                        in_flight--;
                        due[due_count++] = s;
                    }
            }
        }
        if (!measuring && moment >= measure_from) {
            measuring = true; /* this batch was under way in the warm-up: the next one is the first that counts */
            measure_from = moment;
        } else if (measuring && arrived > 0 && moment <= stop_at) {
            last_measured = moment;
        }
        bool counts = measuring && moment > measure_from && moment <= stop_at;
        for (int i = 0; i < arrived; i++) {
            uint8_t *frame = arrivals[i];
            uint32_t s;
            uint64_t sequence;
            if (incoming[i].msg_len < STAMP) {
                corrupt++;
                continue;
            }
            memcpy(&s, frame + HEADER, 4);
            memcpy(&sequence, frame + HEADER + 4, 8);
            if (incoming[i].msg_len != size || s >= window || memcmp(frame, expected, HEADER) != 0 ||
                memcmp(frame + STAMP, expected + STAMP, size - STAMP) != 0) {
                corrupt++; /* its slot stays in flight and ends as lost: a wrong answer is no answer */
                continue;
            }
            if (!slots[s].in_flight || slots[s].sequence != sequence) {
                unexpected++; /* a second answer to one frame, or an answer after the frame was given up */
                continue;
            }
            slots[s].in_flight = false;
            in_flight--;
            received++;
            if (sequence < newest)
                reordered++;
            else
                newest = sequence;
            last_answer = moment;
            if (counts) {
                measured++;
                note(moment - slots[s].sent_at);
            }
            due[due_count++] = s;
        }
    }
    lost += in_flight;

    double span = last_measured > measure_from ? (double)(last_measured - measure_from) / 1e9 : 0.0;
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    uint64_t cpu = ((uint64_t)used.ru_utime.tv_sec + (uint64_t)used.ru_stime.tv_sec) * NS +
                   ((uint64_t)used.ru_utime.tv_usec + (uint64_t)used.ru_stime.tv_usec) * 1000;
    printf("{\"pps\":%.1f,\"sent\":%" PRIu64 ",\"received\":%" PRIu64 ",\"lost\":%" PRIu64
           ",\"reordered\":%" PRIu64 ",\"corrupt\":%" PRIu64 ",\"unexpected\":%" PRIu64
           ",\"refused\":%" PRIu64 ",\"stalls\":%" PRIu64 ",\"measured\":%" PRIu64 ",\"seconds\":%.6f,\"rtt_p50_us\":%.3f,\"rtt_p90_us\":%.3f,\"rtt_p99_us\":%.3f,"
           "\"rtt_p999_us\":%.3f,\"cpu_ns\":%" PRIu64 "}\n",
           span > 0 ? (double)measured / span : 0.0, sent, received, lost, reordered, corrupt, unexpected, refused, stalls,
           measured, span, percentile_us(measured, 0.50), percentile_us(measured, 0.90), percentile_us(measured, 0.99),
           percentile_us(measured, 0.999), cpu);
    return 0;
}
