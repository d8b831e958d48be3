// ICMPv6 messages out of one link, for neighbour discovery (RFC 4861): a raw socket that is made for the message, in the namespace
// that is asked for, and hears nothing.

#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct parcel {
  const char *device;
  const char *to;
  const unsigned char *message;
  size_t length;
  int code;
};

static int post(const struct parcel *parcel) {
  struct sockaddr_in6 to = {.sin6_family = AF_INET6};
  if (inet_pton(AF_INET6, parcel->to, &to.sin6_addr) != 1) return EINVAL;
  unsigned int index = if_nametoindex(parcel->device);
  if (index == 0) return errno;
  to.sin6_scope_id = index;
  int fd = socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6);
  if (fd < 0) return errno;
  struct icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  int hops = 255, off = 0, code = 0;
  if (setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter) != 0 ||
      setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, parcel->device, (socklen_t)strlen(parcel->device)) != 0 ||
      setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof index) != 0 ||
      setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) != 0 ||
      setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, &off, sizeof off) != 0 ||
      sendto(fd, parcel->message, parcel->length, 0, (struct sockaddr *)&to, sizeof to) < 0)
    code = errno;
  close(fd);
  return code;
}

static void visit(void *argument) {
  struct parcel *parcel = argument;
  parcel->code = post(parcel);
}

int icmp6_send(int namespace_fd, const char *device, const char *to, const unsigned char *message, size_t length) {
  struct parcel parcel = {device, to, message, length, 0};
  if (namespace_fd < 0) return post(&parcel);
  int code = namespace_visit(namespace_fd, visit, &parcel);
  return code != 0 ? code : parcel.code;
}
