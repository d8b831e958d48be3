// One end of the probe, a program of its own in a pod's namespace: sends numbered packets to each target, and notes which numbers of
// the other end's arrive. In C, since what a thousand packets a second of four flows cost here is taken from those who are probed.
//
// It tells apart what the network lost from what this program could not do: a packet that was not sent in time has no number, one
// that the kernel refused to send is listed, and what arrived but found the socket's buffer full is counted by the kernel.
//
//   probe-end PORT PACKETS-PER-SECOND TARGET…
//
// It says "ready" when it listens, begins at the line "start", and answers each line "state" with a line of JSON: of each target an
// object as probe.ts has it (EndState). It ends with its input.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/sock_diag.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { PACKET = 64, MOST_FLOWS = 4, BUFFER = 1 << 22 };

// Most packets of one turn: who had to wait for the processor does not make up for it with a burst.
enum { AT_ONCE = 20 };

// A set of numbers from 0 on.
struct numbers {
  unsigned char *bits;
  size_t octets;
};

struct flow {
  int socket;
  struct sockaddr_storage target;
  socklen_t target_length;
  unsigned sent;
  long long due; // packets since the start, sent or not
  struct numbers refused;
  struct numbers arrived;
  unsigned next;      // the number after the highest that came
  unsigned run_start; // where the run without a gap that ends at `next` begins
};

static struct flow flows[MOST_FLOWS];
static int flow_count;

static _Noreturn void fail(const char *what) {
  perror(what);
  exit(1);
}

static bool has(const struct numbers *set, unsigned number) {
  return number / 8 < set->octets && (set->bits[number / 8] >> number % 8 & 1);
}

static void add(struct numbers *set, unsigned number) {
  if (number / 8 >= set->octets) {
    size_t octets = number / 8 * 2 + 4096;
    unsigned char *bits = realloc(set->bits, octets);
    if (!bits) fail("memory");
    memset(bits + set->octets, 0, octets - set->octets);
    set->bits = bits;
    set->octets = octets;
  }
  set->bits[number / 8] |= 1 << number % 8;
}

// As JSON: [[from, the number after the last], …] of those below `end` that are, or are not, in the set.
static void print_ranges(const struct numbers *set, bool inside, unsigned end) {
  const char *between = "";
  putchar('[');
  for (unsigned number = 0; number < end; number++) {
    if (has(set, number) != inside) continue;
    unsigned from = number;
    while (number < end && has(set, number) == inside) number++;
    printf("%s[%u,%u]", between, from, number);
    between = ",";
  }
  putchar(']');
}

// Packets that the kernel has thrown away for want of room.
static unsigned unread(int socket) {
  unsigned info[SK_MEMINFO_VARS] = {0};
  socklen_t length = sizeof info;
  if (getsockopt(socket, SOL_SOCKET, SO_MEMINFO, info, &length) < 0) fail("SO_MEMINFO");
  return info[SK_MEMINFO_DROPS];
}

static void open_flow(const char *address, int port) {
  if (flow_count == MOST_FLOWS) exit(2);
  struct flow *flow = &flows[flow_count++];
  struct sockaddr_storage own = {0};
  if (strchr(address, ':')) {
    struct sockaddr_in6 *target = (struct sockaddr_in6 *)&flow->target, *any = (struct sockaddr_in6 *)&own;
    target->sin6_family = any->sin6_family = AF_INET6;
    target->sin6_port = any->sin6_port = htons(port);
    if (inet_pton(AF_INET6, address, &target->sin6_addr) != 1) exit(2);
    flow->target_length = sizeof *target;
  } else {
    struct sockaddr_in *target = (struct sockaddr_in *)&flow->target, *any = (struct sockaddr_in *)&own;
    target->sin_family = any->sin_family = AF_INET;
    target->sin_port = any->sin_port = htons(port);
    if (inet_pton(AF_INET, address, &target->sin_addr) != 1) exit(2);
    flow->target_length = sizeof *target;
  }
  int on = 1, room = BUFFER;
  flow->socket = socket(own.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (flow->socket < 0) fail("socket");
  if (own.ss_family == AF_INET6) setsockopt(flow->socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  setsockopt(flow->socket, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (bind(flow->socket, (struct sockaddr *)&own, flow->target_length) < 0) fail("bind");
}

// Sends what is due by now.
static void send_due(struct flow *flow, double elapsed, double per_second) {
  long long due = elapsed * per_second;
  long long count = due - flow->due < AT_ONCE ? due - flow->due : AT_ONCE;
  flow->due = due;
  for (; count > 0; count--) {
    unsigned char packet[PACKET] = {0};
    unsigned number = flow->sent++, wire = htonl(number);
    memcpy(packet, &wire, sizeof wire);
    if (sendto(flow->socket, packet, sizeof packet, 0, (struct sockaddr *)&flow->target, flow->target_length) < 0)
      add(&flow->refused, number);
  }
}

static void take(struct flow *flow) {
  unsigned wire;
  ssize_t length;
  while ((length = recv(flow->socket, &wire, sizeof wire, 0)) >= 0) {
    if (length < (ssize_t)sizeof wire) continue;
    unsigned number = ntohl(wire);
    add(&flow->arrived, number);
    if (number < flow->next) continue;
    if (number > flow->next) flow->run_start = number;
    flow->next = number + 1;
  }
}

static void print_state(void) {
  for (int i = 0; i < flow_count; i++) {
    struct flow *flow = &flows[i];
    printf("%s{\"sent\":%u,\"unsent\":", i ? "," : "[", flow->sent);
    print_ranges(&flow->refused, true, flow->sent);
    printf(",\"received\":{\"next\":%u,\"runStart\":%u,\"missing\":", flow->next, flow->run_start);
    print_ranges(&flow->arrived, false, flow->next);
    printf("},\"unread\":%u}", unread(flow->socket));
  }
  puts("]");
}

// What asks comes in lines, several of them at once where this program was late. False: the input has ended.
static bool read_lines(void (*obey)(const char *line)) {
  static char text[256];
  static size_t length;
  ssize_t more = read(0, text + length, sizeof text - 1 - length);
  if (more <= 0) return false;
  length += more;
  text[length] = 0;
  char *line = text, *end;
  for (; (end = strchr(line, '\n')); line = end + 1) {
    *end = 0;
    obey(line);
  }
  length = strlen(line);
  memmove(text, line, length);
  return true;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

static int timer;
static double per_second, started;

static void obey(const char *line) {
  if (!strcmp(line, "state")) {
    print_state();
  } else if (!strcmp(line, "start")) {
    struct itimerspec every = {0};
    every.it_interval.tv_nsec = every.it_value.tv_nsec = per_second > 1000 ? 1000000 : 999999999 / per_second;
    if (timerfd_settime(timer, 0, &every, NULL) < 0) fail("timerfd_settime");
    started = now();
  }
}

int main(int argc, char **argv) {
  if (argc < 4) return 2;
  per_second = atof(argv[2]);
  for (int i = 3; i < argc; i++) open_flow(argv[i], atoi(argv[1]));
  setvbuf(stdout, NULL, _IOFBF, 1 << 16);
  puts("ready");
  fflush(stdout);

  timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  if (timer < 0) fail("timerfd_create");
  struct pollfd polled[2 + MOST_FLOWS] = {{0, POLLIN, 0}, {timer, POLLIN, 0}};
  for (int i = 0; i < flow_count; i++) polled[2 + i] = (struct pollfd){flows[i].socket, POLLIN, 0};
  for (;;) {
    if (poll(polled, 2 + flow_count, -1) < 0) fail("poll");
    for (int i = 0; i < flow_count; i++)
      if (polled[2 + i].revents) take(&flows[i]);
    if (polled[1].revents) {
      unsigned long long ticks;
      if (read(timer, &ticks, sizeof ticks) < 0) fail("timer");
      for (int i = 0; i < flow_count; i++) send_due(&flows[i], now() - started, per_second);
    }
    if (!polled[0].revents) continue;
    if (!read_lines(obey)) return 0;
    fflush(stdout);
  }
}
