// ICMP echoes to many addresses at once: who answers. One socket a family, opened in the namespace asked for by a thread that ends
// there; whoever has not answered is asked again until the time is over, because a first packet is easily lost (ARP, ND).

#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SOL_RAW
#define SOL_RAW 255
#endif

enum { HEADER = 8, LENGTH = 64, AGAIN = 200 /* milliseconds */ };

struct target {
  struct sockaddr_storage address;
  bool six;
};

struct round {
  const struct target *targets;
  bool *answered;
  size_t count;
  int milliseconds;
  int code;
};

/* A socket that hears nothing but answers to echoes; a negative errno. */
static int open_family(bool six) {
  int fd = socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  if (fd < 0) return -errno;
  struct icmp6_filter filter6;
  struct icmp_filter filter = {.data = ~(1U << ICMP_ECHOREPLY)};
  ICMP6_FILTER_SETBLOCKALL(&filter6);
  ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter6);
  int code = six ? setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter6, sizeof filter6)
                 : setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter);
  if (code == 0) return fd;
  code = -errno;
  close(fd);
  return code;
}

/* What is not sent now is sent the next time. */
static void ask(int fd, const struct target *target, uint16_t id, uint16_t index) {
  unsigned char message[LENGTH] = {target->six ? ICMP6_ECHO_REQUEST : ICMP_ECHO};
  uint16_t fields[] = {htons(id), htons(index)};
  memcpy(message + 4, fields, sizeof fields);
  uint16_t sum = icmp_checksum(message, LENGTH); /* of ICMPv6 the kernel fills it in */
  memcpy(message + 2, &sum, sizeof sum);
  socklen_t length = target->six ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
  (void)!sendto(fd, message, LENGTH, 0, (const struct sockaddr *)&target->address, length);
}

/* Takes all that has come; how many have answered for the first time. */
static size_t hear(int fd, bool six, uint16_t id, const struct round *round) {
  unsigned char packet[256];
  size_t heard = 0;
  for (ssize_t length; (length = recv(fd, packet, sizeof packet, 0)) >= 0;) {
    ssize_t skip = six ? 0 : (packet[0] & 15) * 4;
    if (length < skip + HEADER) continue;
    uint16_t fields[2];
    memcpy(fields, packet + skip + 4, sizeof fields);
    size_t index = ntohs(fields[1]);
    if (ntohs(fields[0]) != id || index >= round->count || round->targets[index].six != six || round->answered[index]) continue;
    round->answered[index] = true;
    heard++;
  }
  return heard;
}

static void play(const struct round *round, int fd4, int fd6) {
  static atomic_uint turn;
  uint16_t id = (uint16_t)((unsigned)getpid() + 7919 * atomic_fetch_add(&turn, 1));
  struct pollfd pollers[2] = {{.fd = fd4, .events = POLLIN}, {.fd = fd6, .events = POLLIN}};
  size_t left = round->count;
  long long now = now_ms(), deadline = now + round->milliseconds, next = now;
  /* Heard once more when the time is over: this thread may have been late, and the answer in time. */
  for (bool last = false; left > 0 && !last; now = now_ms()) {
    last = now >= deadline;
    if (now >= next && !last) {
      for (size_t i = 0; i < round->count; i++)
        if (!round->answered[i]) ask(round->targets[i].six ? fd6 : fd4, &round->targets[i], id, (uint16_t)i);
      next = now + AGAIN;
    }
    long long wait = (next < deadline ? next : deadline) - now;
    poll(pollers, 2, last || wait < 0 ? 0 : (int)wait);
    if (fd4 >= 0) left -= hear(fd4, false, id, round);
    if (fd6 >= 0) left -= hear(fd6, true, id, round);
  }
}

static void visit(void *argument) {
  struct round *round = argument;
  int fds[2] = {-1, -1};
  for (size_t i = 0; i < round->count && round->code == 0; i++) {
    int *fd = &fds[round->targets[i].six];
    if (*fd == -1 && (*fd = open_family(round->targets[i].six)) < 0) round->code = *fd;
  }
  if (round->code == 0) play(round, fds[0], fds[1]);
  for (int i = 0; i < 2; i++)
    if (fds[i] >= 0) close(fds[i]);
}

static int read_target(const char *text, struct target *target) {
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_in6 whole = {.sin6_family = AF_INET6};
  target->six = strchr(text, ':') != NULL;
  if (inet_pton(target->six ? AF_INET6 : AF_INET, text, target->six ? (void *)&whole.sin6_addr : (void *)&four.sin_addr) != 1)
    return -EINVAL;
  if (target->six) memcpy(&target->address, &whole, sizeof whole);
  else memcpy(&target->address, &four, sizeof four);
  return 0;
}

int icmp_echoes(int namespace_fd, char *const *to, bool *answered, size_t count, int milliseconds) {
  if (count > UINT16_MAX) return -EINVAL;
  struct target *targets = calloc(count + 1, sizeof *targets);
  if (!targets) return -ENOMEM;
  struct round round = {targets, answered, count, milliseconds, 0};
  for (size_t i = 0; i < count && round.code == 0; i++) round.code = read_target(to[i], &targets[i]);
  int code = round.code == 0 ? namespace_visit(namespace_fd, visit, &round) : 0;
  free(targets);
  return code != 0 ? -code : round.code;
}
