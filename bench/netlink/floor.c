// What adding and deleting routes costs the kernel alone: for bench/scenarios/netlink.ts.
//
//     floor COUNT ADD DELETE
//
// Adds COUNT routes to the namespace that it runs in, then deletes them; ADD and DELETE are the orders of both, `ascending` or `scattered`
// (positions with their bits reversed, as netlink-ts has long runs of deletions). The messages are those of netlink-ts (netlink/route/),
// written before the clock starts; up to 1,024 go at a time, of which the last asks for an acknowledgement. On stdout a line for each of
// both: microseconds, and microseconds of processor time. Prefixes and gateway are those of the scenario.

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { AT_ONCE = 1024, PROTOCOL = 81, METRIC = 1024 };

struct word {
  struct rtattr head;
  uint32_t value;
};

struct message {
  struct nlmsghdr head;
  struct rtmsg route;
  struct word destination, metric, gateway;
};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static long long used(void) {
  struct rusage r;
  getrusage(RUSAGE_SELF, &r);
  return (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000LL + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

static struct word word(int type, uint32_t value) {
  return (struct word){{sizeof(struct word), type}, value};
}

/* The n-th: 20.0.0.0/24 and on, by 10.210.0.1. Of a deletion no type, and any scope. */
static struct message message(bool is_add, uint32_t n) {
  return (struct message){
      .head = {.nlmsg_len = sizeof(struct message),
               .nlmsg_type = is_add ? RTM_NEWROUTE : RTM_DELROUTE,
               .nlmsg_flags = NLM_F_REQUEST | (is_add ? NLM_F_CREATE | NLM_F_EXCL : 0)},
      .route = {.rtm_family = AF_INET,
                .rtm_dst_len = 24,
                .rtm_table = RT_TABLE_MAIN,
                .rtm_protocol = PROTOCOL,
                .rtm_scope = is_add ? RT_SCOPE_UNIVERSE : RT_SCOPE_NOWHERE,
                .rtm_type = is_add ? RTN_UNICAST : RTN_UNSPEC},
      .destination = word(RTA_DST, htonl((20u << 24) + (n << 8))),
      .metric = word(RTA_PRIORITY, METRIC),
      .gateway = word(RTA_GATEWAY, inet_addr("10.210.0.1")),
  };
}

/* The numbers below `count`, ascending or by themselves with the bits reversed. */
static uint32_t *in_order(uint32_t count, const char *name) {
  uint32_t *order = malloc(count * sizeof *order), at = 0;
  if (!order) fail("malloc");
  int bits = 0;
  while (1u << bits < count) bits++;
  bool is_scattered = strcmp(name, "scattered") == 0;
  for (uint32_t i = 0; i < 1u << bits; i++) {
    uint32_t n = 0;
    for (int bit = 0; bit < bits; bit++) n |= (i >> bit & 1) << (bits - 1 - bit);
    if (!is_scattered) n = i;
    if (n < count) order[at++] = n;
  }
  return order;
}

/* Reads answers until the last message has its own; ends the program at a refusal. */
static void await(int fd, uint32_t last) {
  static char buffer[64 * 1024] __attribute__((aligned(NLMSG_ALIGNTO)));
  for (;;) {
    ssize_t length = recv(fd, buffer, sizeof buffer, 0);
    if (length < 0) fail("recv");
    for (struct nlmsghdr *h = (struct nlmsghdr *)buffer; NLMSG_OK(h, length); h = NLMSG_NEXT(h, length)) {
      int error = h->nlmsg_type == NLMSG_ERROR ? ((struct nlmsgerr *)NLMSG_DATA(h))->error : 0;
      if (error != 0) {
        fprintf(stderr, "the kernel refused route %u: %s\n", h->nlmsg_seq, strerror(-error));
        exit(1);
      }
      if (h->nlmsg_seq == last) return;
    }
  }
}

static void run(int fd, bool is_add, uint32_t count, const char *order_name) {
  uint32_t *order = in_order(count, order_name);
  struct message *all = malloc(count * sizeof *all);
  if (!all) fail("malloc");
  for (uint32_t i = 0; i < count; i++) {
    all[i] = message(is_add, order[i]);
    all[i].head.nlmsg_seq = i;
    if (i % AT_ONCE == AT_ONCE - 1 || i == count - 1) all[i].head.nlmsg_flags |= NLM_F_ACK;
  }
  long long from = now(), before = used();
  for (uint32_t i = 0; i < count; i += AT_ONCE) {
    uint32_t some = count - i < AT_ONCE ? count - i : AT_ONCE;
    if (send(fd, &all[i], some * sizeof *all, 0) < 0) fail("send");
    await(fd, i + some - 1);
  }
  long long processor = used() - before;
  printf("%lld %lld\n", now() - from, processor);
  free(all);
  free(order);
}

int main(int argc, char **argv) {
  if (argc != 4 || atoi(argv[1]) < 1) return 2;
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) fail("socket");
  uint32_t count = (uint32_t)atoi(argv[1]);
  run(fd, true, count, argv[2]);
  run(fd, false, count, argv[3]);
  return 0;
}
