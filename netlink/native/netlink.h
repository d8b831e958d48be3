// What the files of the addon share. The addon moves netlink datagrams; their meaning is TypeScript's business (../core, ../route).
//
//   addon.c      Node-API: the functions that core/addon.ts declares
//   socket.c     one thread per socket: takes jobs, sends, reads, queues what came
//   tcp.c        TCP sockets with options that Node has no name for
//   echo.c       one ICMP echo of an exact size
//   echoes.c     ICMP echoes to many
//   namespace.c  network namespaces: check, enter on a thread of its own
//   file.c       the files of sysctls, read and written whole

#ifndef NETLINK_TS_H
#define NETLINK_TS_H

#define _GNU_SOURCE
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What `take` hands to JavaScript; core/addon.ts has the same numbers. */
enum item_kind {
  ITEM_OPENED = 0,  /* code: 0 or errno */
  ITEM_DATA = 1,    /* id, bytes: answers to a job, more to come */
  ITEM_END = 2,     /* id, code: 0 or errno; count: requests of the job that the kernel has answered */
  ITEM_EVENT = 3,   /* bytes: multicast messages */
  ITEM_OVERRUN = 4, /* multicast messages were lost */
  ITEM_CLOSED = 5,
};

struct item {
  struct item *next;
  enum item_kind kind;
  uint32_t id;
  int code;
  uint32_t count;
  size_t length, capacity;
  unsigned char *bytes;
};

/* A transaction goes out as one datagram and asks for acknowledgements itself: its last message must. Of files, `bytes` are
   "r" path NUL, or "w" path NUL value NUL; the answer to each: errno and length, 32 bits each, and the text that was read. */
enum job_kind { JOB_BATCH = 0, JOB_DUMP = 1, JOB_JOIN = 2, JOB_LEAVE = 3, JOB_TRANSACTION = 4, JOB_FILES = 5 };

struct job {
  struct job *next;
  enum job_kind kind;
  uint32_t id;
  uint32_t group;
  uint32_t visit;   /* 0: done where the socket is. Jobs in a row with the same number are one visit to a namespace */
  int namespace_fd; /* of the visit; closed with the job */
  size_t length;
  unsigned char bytes[];
};

struct netlink_socket {
  /* Set once before the thread starts. */
  int namespace_fd; /* -1: the namespace of the process; closed by the thread */
  int protocol;
  int receive_buffer;
  bool mutes_own_routes; /* no event of an IPv4 route that this socket itself changed */
  int wake; /* eventfd: a job came while there was none, or `stop` is set */
  pthread_t thread;
  void (*notify)(struct netlink_socket *); /* called on the thread when the queue is no longer empty */
  void (*ended)(struct netlink_socket *);  /* the thread's last act */

  /* The thread's own. */
  int requests; /* answers to what we ask */
  int events;   /* multicast groups; -1 until the first join, so that a flood of events never costs an answer */
  int visited;  /* as `requests`, in the namespace that is visited; -1: none is */
  uint32_t visit;
  int home;     /* the thread's first namespace; -1 until it leaves that */
  bool away;    /* it is not there */
  unsigned char *buffer;

  pthread_mutex_t lock; /* guards what follows */
  bool stop;
  bool out_of_jobs; /* the thread has found none, so it has to be woken for the next one */
  bool notified;   /* JavaScript knows that the queue holds something */
  bool dropping;   /* ITEM_OVERRUN is queued and not yet taken: events are thrown away */
  size_t event_bytes;
  struct job *first_job, *last_job;
  struct item *first_item, *last_item;
};

int netlink_socket_start(struct netlink_socket *socket);
void netlink_socket_stop(struct netlink_socket *socket);
/* 0, or an errno, as if the messages' lengths do not add up. Copies `bytes`, and with a `visit` the descriptor of its namespace. */
int netlink_socket_submit(struct netlink_socket *socket, enum job_kind kind, uint32_t id, uint32_t group,
                          const unsigned char *bytes, size_t length, uint32_t visit, int namespace_fd);
/* Unlinks items of about `limit` octets; the caller frees them with netlink_item_free. Unless there are `more`, `notify` is called anew. */
struct item *netlink_socket_take(struct netlink_socket *socket, size_t limit, bool *more);
void netlink_item_free(struct item *item);
/* Frees what only the thread needed, once it has been joined; queued items stay. */
void netlink_socket_ended(struct netlink_socket *socket);
void netlink_socket_destroy(struct netlink_socket *socket);

/* 0 if `fd` is a network namespace, else an errno (EINVAL: something else). */
int namespace_check(int fd);
/* An open fd of the network namespace at `path`, or a negative errno. */
int namespace_open(const char *path);
/* Does work in a namespace, on a thread that ends there, and waits for it (-1: the process's own, on this one): 0, or an errno if it was not
   done. */
int namespace_visit(int namespace_fd, void (*work)(void *), void *argument);

/* 0 or an errno. What is read is malloc'd. */
int file_write(const char *path, const char *value);
int file_read(const char *path, char **text, size_t *length);

/* A TCP socket that is neither connected nor listens yet. */
struct tcp_request {
  int family;        /* 4 or 6 */
  const char *local; /* address to bind to, or NULL */
  int port;
  bool listens;
  bool six_only; /* a listener of IPv6 takes no IPv4 */
  bool freebind; /* the address need not be there yet */
  const char *device;
  int ttl;       /* 0: the system's; -1: leave it */
  int least_ttl; /* what comes with less is dropped (RFC 5082); 0: nothing is; -1: leave it */
};
/* An fd, or a negative errno. namespace_fd -1: the process's own. */
int tcp_open(int namespace_fd, const struct tcp_request *request);
/* TTL or hop limit of any TCP socket; 0 or an errno. */
int tcp_hops(int fd, int ttl, int least);
/* The key of TCP-MD5 that a socket has for a remote address; length 0: none. 0 or an errno. */
int tcp_key(int fd, const char *remote, int bits, const unsigned char *key, size_t length);

/* Sends an ICMP echo of so many octets, IP header included, that must not be fragmented, and waits: 0 if it was answered, the MTU
   that a router or the own link names if it was too big, or a negative errno (ETIMEDOUT: nobody answered). */
int icmp_echo(const char *to, int octets, int milliseconds);
/* Of a clock that nobody sets. */
long long now_ms(void);
/* Of an ICMP message whose own field is still zero; as it stands in the message. */
uint16_t icmp_checksum(const unsigned char *bytes, size_t length);
/* Echoes from a namespace (fd -1: the process's own) to all addresses at once, again and again until all have answered or the time is
   over; says of each whether it has. 0 or a negative errno. */
int icmp_echoes(int namespace_fd, char *const *to, bool *answered, size_t count, int milliseconds);

/* Sends an ICMPv6 message out of a link with hop limit 255 (RFC 4861); the kernel fills in the checksum. 0 or an errno. */
int icmp6_send(int namespace_fd, const char *device, const char *to, const unsigned char *message, size_t length);

#endif
