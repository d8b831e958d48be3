// One ICMP echo that must not be cut into fragments: IP_PMTUDISC_PROBE sets DF and heeds no path MTU that the kernel has learned
// before (ip(7), ipv6(7)), so a path that has grown is seen as it is. Waits for the answer, or for a router's word that the packet is
// too big (RFC 1191, RFC 8201), which the error queue of the socket gives.

#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef SOL_RAW
#define SOL_RAW 255
#endif

enum { IP_HEADER = 20, IP6_HEADER = 40, ICMP_HEADER = 8 };

long long now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

uint16_t icmp_checksum(const unsigned char *bytes, size_t length) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < length; i += 2) sum += (uint32_t)(bytes[i] << 8 | bytes[i + 1]);
  if (length % 2) sum += (uint32_t)bytes[length - 1] << 8;
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons((uint16_t)~sum);
}

static int prepare(int fd, bool six) {
  int on = 1, probe = IP_PMTUDISC_PROBE, probe6 = IPV6_PMTUDISC_PROBE;
  if (six) {
    struct icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    return setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) == 0 &&
                   setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &probe6, sizeof probe6) == 0 &&
                   setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on) == 0
               ? 0
               : errno;
  }
  struct icmp_filter filter = {.data = ~(1U << ICMP_ECHOREPLY)};
  return setsockopt(fd, SOL_RAW, ICMP_FILTER, &filter, sizeof filter) == 0 &&
                 setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &probe, sizeof probe) == 0 &&
                 setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on) == 0
             ? 0
             : errno;
}

/* What the error queue says: a negative errno, a positive MTU, or 0: nothing that counts. */
static int read_error(int fd, bool six) {
  unsigned char control[512], packet[64];
  struct iovec part = {packet, sizeof packet};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  if (recvmsg(fd, &message, MSG_ERRQUEUE | MSG_DONTWAIT) < 0) return errno == EAGAIN ? 0 : -errno;
  for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one; one = CMSG_NXTHDR(&message, one)) {
    bool found = six ? one->cmsg_level == IPPROTO_IPV6 && one->cmsg_type == IPV6_RECVERR
                     : one->cmsg_level == IPPROTO_IP && one->cmsg_type == IP_RECVERR;
    if (!found) continue;
    struct sock_extended_err error;
    memcpy(&error, CMSG_DATA(one), sizeof error);
    if (error.ee_errno == EMSGSIZE) return error.ee_info > 0 ? (int)error.ee_info : -EMSGSIZE;
    return error.ee_errno ? -(int)error.ee_errno : 0;
  }
  return 0;
}

/* What the kernel itself can send there: the MTU of the link, as probes heed no other. */
static int own_mtu(int fd, bool six) {
  int mtu = 0;
  socklen_t length = sizeof mtu;
  if (getsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_MTU : IP_MTU, &mtu, &length) != 0 || mtu <= 0)
    return -EMSGSIZE;
  return mtu;
}

static bool is_answer(const unsigned char *packet, ssize_t length, bool six, const unsigned char *sent) {
  size_t skip = six ? 0 : (size_t)(packet[0] & 15) * 4;
  if (length < (ssize_t)(skip + ICMP_HEADER)) return false;
  const unsigned char *icmp = packet + skip;
  return icmp[0] == (six ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) && memcmp(icmp + 4, sent + 4, 4) == 0;
}

static int wait_for_answer(int fd, bool six, const unsigned char *sent, int milliseconds) {
  unsigned char packet[128];
  for (long long deadline = now_ms() + milliseconds;;) {
    long long left = deadline - now_ms();
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    /* Looked at once more when the time is over: this thread may have been late, and the answer in time. */
    int ready = poll(&poller, 1, left > 0 ? (int)left : 0);
    if (ready < 0 && errno != EINTR) return -errno;
    if (ready == 0 && left <= 0) return -ETIMEDOUT;
    if (ready <= 0) continue;
    if (poller.revents & POLLERR) {
      int error = read_error(fd, six);
      if (error != 0) return error;
    }
    if (!(poller.revents & POLLIN)) continue;
    ssize_t length = recv(fd, packet, sizeof packet, MSG_DONTWAIT);
    if (length > 0 && is_answer(packet, length, six, sent)) return 0;
  }
}

int icmp_echo(const char *to, int octets, int milliseconds) {
  static atomic_uint sequence;
  struct sockaddr_in four = {.sin_family = AF_INET};
  struct sockaddr_in6 whole = {.sin6_family = AF_INET6};
  bool six = strchr(to, ':') != NULL;
  if (inet_pton(six ? AF_INET6 : AF_INET, to, six ? (void *)&whole.sin6_addr : (void *)&four.sin_addr) != 1) return -EINVAL;
  int length = octets - (six ? IP6_HEADER : IP_HEADER);
  if (length < ICMP_HEADER || octets > 65535) return -EINVAL;
  int fd = socket(six ? AF_INET6 : AF_INET, SOCK_RAW | SOCK_CLOEXEC, six ? IPPROTO_ICMPV6 : IPPROTO_ICMP);
  if (fd < 0) return -errno;
  int code = -prepare(fd, six);
  if (code == 0 && connect(fd, six ? (struct sockaddr *)&whole : (struct sockaddr *)&four, six ? sizeof whole : sizeof four) != 0)
    code = -errno;
  unsigned char *message = code == 0 ? calloc(1, (size_t)length) : NULL;
  if (message) {
    unsigned int number = atomic_fetch_add(&sequence, 1);
    uint16_t id = htons((uint16_t)getpid()), order = htons((uint16_t)number), sum;
    message[0] = six ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
    memcpy(message + 4, &id, sizeof id);
    memcpy(message + 6, &order, sizeof order);
    sum = icmp_checksum(message, (size_t)length); /* of ICMPv6 the kernel fills it in */
    memcpy(message + 2, &sum, sizeof sum);
    if (send(fd, message, (size_t)length, 0) < 0) code = errno == EMSGSIZE ? own_mtu(fd, six) : -errno;
    else code = wait_for_answer(fd, six, message, milliseconds);
  } else if (code == 0)
    code = -ENOMEM;
  free(message);
  close(fd);
  return code;
}
