// One netlink socket and its thread. The thread lives in the socket's namespace, waits for jobs and events, and never lets the
// caller wait: a single sendmsg of routes may take tens of milliseconds while the kernel's tables grow.
//
// A job's messages go out in chunks. Only a chunk's last message asks for an acknowledgement; the kernel reports the errors of
// the others unasked (netlink_rcv_skb), so silence is success, and a full receive buffer cannot eat an answer.
//
// A job may be done in another namespace than the socket's: the thread visits it, with a socket made there, for as long as jobs of that visit
// follow each other. A socket stays in the namespace that it was made in, wherever the thread is, so a way home that failed harms
// nothing; it is tried again before anything is done that depends on it.

#include "netlink.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES (128 * 1024)
#define CHUNK_MESSAGES 128
#define CHUNK_BYTES (32 * 1024)
#define PAGE_BYTES (64 * 1024)             /* items grow to this size */
#define EVENT_BACKLOG (32 * 1024 * 1024)   /* events that JavaScript has not taken; beyond it they are dropped */
#define REQUEST_BUFFER (1024 * 1024)
/* The largest datagram to the kernel: a transaction is one. */
#define SEND_BUFFER (16 * 1024 * 1024)

/* ---- the queue of items ---- */

static void push(struct netlink_socket *s, enum item_kind kind, uint32_t id, int code, uint32_t count,
                 const void *bytes, size_t length) {
  pthread_mutex_lock(&s->lock);
  struct item *last = s->last_item;
  if (kind == ITEM_EVENT) {
    if (s->dropping) goto out;
    if (s->event_bytes + length > EVENT_BACKLOG) {
      kind = ITEM_OVERRUN;
      length = 0;
    } else {
      s->event_bytes += length;
    }
  }
  if (kind == ITEM_OVERRUN) {
    if (s->dropping) goto out;
    s->dropping = true;
  }
  bool joins = last && last->kind == kind && last->id == id && (kind == ITEM_DATA || kind == ITEM_EVENT) &&
               last->length + length <= PAGE_BYTES;
  if (!joins) {
    struct item *item = calloc(1, sizeof *item);
    if (!item) abort();
    item->kind = kind;
    item->id = id;
    item->code = code;
    item->count = count;
    if (last) last->next = item;
    else s->first_item = item;
    s->last_item = last = item;
  }
  if (length > 0) {
    if (last->length + length > last->capacity) {
      size_t wanted = last->capacity * 2 > last->length + length ? last->capacity * 2 : last->length + length;
      last->bytes = realloc(last->bytes, wanted);
      if (!last->bytes) abort();
      last->capacity = wanted;
    }
    memcpy(last->bytes + last->length, bytes, length);
    last->length += length;
  }
  bool tell = !s->notified;
  s->notified = true;
  pthread_mutex_unlock(&s->lock);
  if (tell) s->notify(s);
  return;
out:
  pthread_mutex_unlock(&s->lock);
}

struct item *netlink_socket_take(struct netlink_socket *s, size_t limit, bool *more) {
  pthread_mutex_lock(&s->lock);
  struct item *first = s->first_item, *last = NULL;
  size_t taken = 0;
  for (struct item *item = first; item && taken < limit; item = item->next) {
    taken += item->length + 64;
    if (item->kind == ITEM_EVENT) s->event_bytes -= item->length;
    if (item->kind == ITEM_OVERRUN) s->dropping = false;
    last = item;
  }
  if (last) {
    s->first_item = last->next;
    if (!last->next) s->last_item = NULL;
    last->next = NULL;
  }
  *more = s->first_item != NULL;
  if (!*more) s->notified = false;
  pthread_mutex_unlock(&s->lock);
  return first;
}

void netlink_item_free(struct item *item) {
  free(item->bytes);
  free(item);
}

/* ---- jobs ---- */

static bool well_formed(const unsigned char *bytes, size_t length) {
  size_t at = 0;
  while (at < length) {
    struct nlmsghdr header;
    if (length - at < sizeof header) return false;
    memcpy(&header, bytes + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > length - at) return false;
    at += NLMSG_ALIGN(header.nlmsg_len);
  }
  return length > 0 && at == length;
}

/* The last path, or value, has its end. */
static bool files_end(const unsigned char *bytes, size_t length) {
  size_t at = 0;
  while (at < length) {
    int texts = bytes[at] == 'w' ? 2 : 1;
    for (at++; texts > 0 && at < length; at++) texts -= bytes[at] == 0;
    if (texts > 0) return false;
  }
  return length > 0;
}

static void wake(struct netlink_socket *s) {
  uint64_t one = 1;
  ssize_t ignored = write(s->wake, &one, sizeof one);
  (void)ignored;
}

int netlink_socket_submit(struct netlink_socket *s, enum job_kind kind, uint32_t id, uint32_t group,
                          const unsigned char *bytes, size_t length, uint32_t visit, int namespace_fd) {
  bool fits = kind == JOB_JOIN || kind == JOB_LEAVE || (kind == JOB_FILES ? files_end(bytes, length) : well_formed(bytes, length));
  if (!fits) return EINVAL;
  struct job *job = malloc(sizeof *job + length);
  if (!job) return ENOMEM;
  int own_fd = visit == 0 ? -1 : fcntl(namespace_fd, F_DUPFD_CLOEXEC, 3);
  if (visit != 0 && own_fd < 0) {
    int code = errno;
    free(job);
    return code;
  }
  *job = (struct job){.kind = kind, .id = id, .group = group, .visit = visit, .namespace_fd = own_fd, .length = length};
  if (length > 0) memcpy(job->bytes, bytes, length);
  pthread_mutex_lock(&s->lock);
  if (s->last_job) s->last_job->next = job;
  else s->first_job = job;
  s->last_job = job;
  bool sleeps = s->out_of_jobs;
  s->out_of_jobs = false;
  pthread_mutex_unlock(&s->lock);
  if (sleeps) wake(s); /* else it looks for the next job by itself */
  return 0;
}

static void job_free(struct job *job) {
  if (job && job->namespace_fd >= 0) close(job->namespace_fd);
  free(job);
}

static struct job *next_job(struct netlink_socket *s, bool *stop) {
  pthread_mutex_lock(&s->lock);
  struct job *job = s->first_job;
  *stop = s->stop;
  if (job) {
    s->first_job = job->next;
    if (!job->next) s->last_job = NULL;
  }
  s->out_of_jobs = job == NULL;
  pthread_mutex_unlock(&s->lock);
  return job;
}

static bool stopping(struct netlink_socket *s) {
  pthread_mutex_lock(&s->lock);
  bool stop = s->stop;
  pthread_mutex_unlock(&s->lock);
  return stop;
}

/* ---- the thread ---- */

static void set_option(int fd, int level, int name, int value) {
  setsockopt(fd, level, name, &value, sizeof value); /* older kernels and lesser rights do without */
}

/* A bound socket, or a negative errno. */
static int open_netlink(int protocol, int receive_buffer) {
  int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
  if (fd < 0) return -errno;
  struct sockaddr_nl any = {.nl_family = AF_NETLINK};
  if (bind(fd, (struct sockaddr *)&any, sizeof any) != 0) {
    int code = errno;
    close(fd);
    return -code;
  }
  if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &receive_buffer, sizeof receive_buffer) != 0)
    set_option(fd, SOL_SOCKET, SO_RCVBUF, receive_buffer);
  set_option(fd, SOL_SOCKET, SO_SNDBUFFORCE, SEND_BUFFER);
  set_option(fd, SOL_NETLINK, NETLINK_EXT_ACK, 1);
  set_option(fd, SOL_NETLINK, NETLINK_CAP_ACK, 1);
  set_option(fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, 1);
  return fd;
}

/* The kernel no longer tells `events` of the IPv4 routes that `requests` adds and deletes: whoever asked has the answer. */
static void mute_own_routes(int events, int requests) {
  struct sockaddr_nl own;
  socklen_t length = sizeof own;
  if (getsockname(requests, (struct sockaddr *)&own, &length) != 0) return;
  /* struct nlmsghdr: type at 4, port at 12; struct rtmsg: family at 16. A filter reads as if all were in network byte order. */
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_NEWROUTE), 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELROUTE), 0, 5),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 12),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(own.nl_pid), 0, 3),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 16),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0),
      BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
  };
  struct sock_fprog program = {.len = sizeof filter / sizeof *filter, .filter = filter};
  /* Where that is not allowed, more is heard than was asked for. */
  setsockopt(events, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
}

/* One datagram from the kernel into s->buffer: its length, 0 for none, or a negative errno. */
static ssize_t receive(struct netlink_socket *s, int fd) {
  for (;;) {
    struct sockaddr_nl from = {0};
    struct iovec vector = {s->buffer, BUFFER_BYTES};
    struct msghdr message = {.msg_name = &from, .msg_namelen = sizeof from, .msg_iov = &vector, .msg_iovlen = 1};
    ssize_t length = recvmsg(fd, &message, MSG_DONTWAIT);
    if (length < 0) {
      if (errno == EINTR) continue;
      return errno == EAGAIN ? 0 : -errno;
    }
    if (message.msg_flags & MSG_TRUNC) return -EMSGSIZE;
    if (from.nl_pid == 0) return length; /* other processes may write to our port: only the kernel is heard */
  }
}

static void read_events(struct netlink_socket *s) {
  if (s->events < 0) return;
  for (;;) {
    ssize_t length = receive(s, s->events);
    if (length == 0) return;
    if (length > 0) push(s, ITEM_EVENT, 0, 0, 0, s->buffer, (size_t)length);
    else push(s, ITEM_OVERRUN, 0, (int)-length, 0, NULL, 0);
  }
}

/* Waits for an answer, an event or a call. */
static void wait_for(struct netlink_socket *s, int requests) {
  struct pollfd fds[3] = {{s->wake, POLLIN, 0}, {s->events, POLLIN, 0}, {requests, POLLIN, 0}};
  if (poll(fds, 3, -1) < 0) return;
  if (fds[0].revents) {
    uint64_t count;
    ssize_t ignored = read(s->wake, &count, sizeof count);
    (void)ignored;
  }
  if (fds[1].revents) read_events(s);
}

/* Queues the answers in s->buffer, without the acknowledgements of success. True when `last` has been answered for good. */
static bool collect(struct netlink_socket *s, const struct job *job, size_t length, uint32_t first, uint32_t last) {
  bool ended = false;
  size_t at = 0;
  while (length - at >= sizeof(struct nlmsghdr)) {
    struct nlmsghdr header;
    memcpy(&header, s->buffer + at, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > length - at) break;
    size_t step = NLMSG_ALIGN(header.nlmsg_len) < length - at ? NLMSG_ALIGN(header.nlmsg_len) : length - at;
    if (header.nlmsg_seq - first <= last - first) { /* else: the late answer of a job given up */
      int error = 0;
      if (header.nlmsg_type == NLMSG_ERROR && header.nlmsg_len >= sizeof header + sizeof error)
        memcpy(&error, s->buffer + at + sizeof header, sizeof error);
      if (header.nlmsg_type != NLMSG_ERROR || error != 0)
        push(s, ITEM_DATA, job->id, 0, 0, s->buffer + at, step);
      if ((header.nlmsg_type == NLMSG_ERROR || header.nlmsg_type == NLMSG_DONE) && header.nlmsg_seq == last) ended = true;
      /* refused as a whole: the kernel answers the first message only */
      if (job->kind == JOB_TRANSACTION && error != 0 && header.nlmsg_seq == first) ended = true;
    }
    at += step;
  }
  return ended;
}

/* ---- visits ---- */

static int go_home(struct netlink_socket *s) {
  if (!s->away) return 0;
  if (setns(s->home, CLONE_NEWNET) != 0) return errno;
  s->away = false;
  return 0;
}

static void end_visit(struct netlink_socket *s) {
  if (s->visited >= 0) close(s->visited);
  s->visited = -1;
  s->visit = 0;
  go_home(s); /* else the namespace lives on until it succeeds */
}

/* The thread is where the job has to be done; 0 or an errno. */
static int be_there(struct netlink_socket *s, const struct job *job) {
  if (job->visit == s->visit) return job->visit == 0 ? go_home(s) : 0;
  end_visit(s);
  if (job->visit == 0) return go_home(s);
  if (s->home < 0) s->home = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
  if (s->home < 0 || setns(job->namespace_fd, CLONE_NEWNET) != 0) return errno;
  s->away = true;
  s->visit = job->visit;
  return 0;
}

/* The socket by which to ask where the thread is, which a visit has only once something is asked: an fd or a negative errno. */
static int asks(struct netlink_socket *s) {
  if (s->visit == 0) return s->requests;
  if (s->visited < 0) {
    int fd = open_netlink(s->protocol, REQUEST_BUFFER);
    if (fd < 0) return fd;
    s->visited = fd;
  }
  return s->visited;
}

/* ---- doing jobs ---- */

/* Sends bytes [from, to) and waits until the kernel has answered the last of them; 0 or an errno. */
static int exchange(struct netlink_socket *s, struct job *job, size_t from, size_t to, uint32_t first, uint32_t last) {
  struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
  int requests = asks(s);
  if (requests < 0) return -requests;
  for (;;) {
    if (sendto(requests, job->bytes + from, to - from, 0, (struct sockaddr *)&kernel, sizeof kernel) >= 0) break;
    if (errno != EINTR) return errno;
  }
  for (;;) {
    ssize_t length = receive(s, requests);
    if (length < 0) return (int)-length;
    if (length > 0) {
      if (collect(s, job, (size_t)length, first, last)) return 0;
      continue;
    }
    if (stopping(s)) return ECANCELED;
    wait_for(s, requests);
  }
}

static void perform(struct netlink_socket *s, struct job *job) {
  size_t from = 0;
  uint32_t answered = 0;
  int code = be_there(s, job);
  bool whole = job->kind == JOB_TRANSACTION;
  while (from < job->length && code == 0) {
    size_t to = from, header_at = from;
    uint32_t count = 0, first = 0;
    struct nlmsghdr header = {0};
    while (to < job->length && (whole || count < CHUNK_MESSAGES)) {
      struct nlmsghdr next;
      memcpy(&next, job->bytes + to, sizeof next);
      if (!whole && count > 0 && to + next.nlmsg_len - from > CHUNK_BYTES) break;
      if (count == 0) first = next.nlmsg_seq;
      header = next;
      header_at = to;
      to += NLMSG_ALIGN(next.nlmsg_len);
      count++;
    }
    if (job->kind == JOB_BATCH) {
      header.nlmsg_flags |= NLM_F_ACK;
      memcpy(job->bytes + header_at, &header, sizeof header);
    }
    code = stopping(s) ? ECANCELED : exchange(s, job, from, to, first, header.nlmsg_seq);
    if (code == 0) answered += count;
    from = to;
    read_events(s); /* so that an operation's own events are heard before its result */
  }
  push(s, ITEM_END, job->id, code, answered, NULL, 0);
}

static void do_files(struct netlink_socket *s, struct job *job) {
  int code = be_there(s, job);
  uint32_t answered = 0;
  for (size_t at = 0; at < job->length && code == 0; answered++) {
    bool writes = job->bytes[at] == 'w';
    const char *path = (const char *)job->bytes + at + 1;
    at += 1 + strlen(path) + 1;
    char *text = NULL;
    size_t length = 0;
    uint32_t head[2] = {0};
    if (writes) {
      const char *value = (const char *)job->bytes + at;
      at += strlen(value) + 1;
      head[0] = (uint32_t)file_write(path, value);
    } else {
      head[0] = (uint32_t)file_read(path, &text, &length);
    }
    head[1] = (uint32_t)length;
    push(s, ITEM_DATA, job->id, 0, 0, head, sizeof head);
    if (length > 0) push(s, ITEM_DATA, job->id, 0, 0, text, length);
    free(text);
    if (stopping(s)) code = ECANCELED;
  }
  push(s, ITEM_END, job->id, code, answered, NULL, 0);
}

static void change_membership(struct netlink_socket *s, const struct job *job) {
  int code = be_there(s, job);
  if (code == 0 && s->events < 0) {
    int fd = open_netlink(s->protocol, s->receive_buffer);
    if (fd < 0) code = -fd;
    else s->events = fd;
    if (fd >= 0 && s->mutes_own_routes) mute_own_routes(fd, s->requests);
  }
  int option = job->kind == JOB_JOIN ? NETLINK_ADD_MEMBERSHIP : NETLINK_DROP_MEMBERSHIP;
  if (code == 0 && setsockopt(s->events, SOL_NETLINK, option, &job->group, sizeof job->group) != 0) code = errno;
  push(s, ITEM_END, job->id, code, 0, NULL, 0);
}

static void *run(void *argument) {
  struct netlink_socket *s = argument;
  int code = 0;
  pthread_setname_np(pthread_self(), "netlink");
  if (s->namespace_fd >= 0) {
    if (setns(s->namespace_fd, CLONE_NEWNET) != 0) code = errno;
    close(s->namespace_fd);
  }
  if (code == 0) {
    s->requests = open_netlink(s->protocol, REQUEST_BUFFER);
    if (s->requests < 0) code = -s->requests;
  }
  push(s, ITEM_OPENED, 0, code, 0, NULL, 0);
  for (;;) {
    bool stop;
    struct job *job = next_job(s, &stop);
    if (job && !stop && code == 0) {
      if (job->kind == JOB_JOIN || job->kind == JOB_LEAVE) change_membership(s, job);
      else if (job->kind == JOB_FILES) do_files(s, job);
      else perform(s, job);
    }
    job_free(job);
    if (stop) break;
    if (job) continue;
    end_visit(s);
    wait_for(s, -1);
  }
  if (s->requests >= 0) close(s->requests);
  if (s->events >= 0) close(s->events);
  if (s->visited >= 0) close(s->visited);
  if (s->home >= 0) close(s->home);
  s->requests = s->events = s->visited = s->home = -1;
  push(s, ITEM_CLOSED, 0, 0, 0, NULL, 0);
  s->ended(s);
  return NULL;
}

int netlink_socket_start(struct netlink_socket *s) {
  s->requests = s->events = s->visited = s->home = -1;
  pthread_mutex_init(&s->lock, NULL);
  s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  s->buffer = malloc(BUFFER_BYTES);
  if (s->wake < 0 || !s->buffer) return errno != 0 ? errno : ENOMEM;
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 256 * 1024);
  sigset_t all, before;
  sigfillset(&all); /* signals are for Node's own threads */
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int code = pthread_create(&s->thread, &attributes, run, s);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pthread_attr_destroy(&attributes);
  return code;
}

void netlink_socket_stop(struct netlink_socket *s) {
  pthread_mutex_lock(&s->lock);
  s->stop = true;
  pthread_mutex_unlock(&s->lock);
  wake(s);
}

void netlink_socket_ended(struct netlink_socket *s) {
  if (s->wake >= 0) close(s->wake);
  s->wake = -1;
  free(s->buffer);
  s->buffer = NULL;
}

void netlink_socket_destroy(struct netlink_socket *s) {
  netlink_socket_ended(s);
  for (struct job *job = s->first_job, *next; job; job = next) {
    next = job->next;
    job_free(job);
  }
  for (struct item *item = s->first_item, *next; item; item = next) {
    next = item->next;
    netlink_item_free(item);
  }
  pthread_mutex_destroy(&s->lock);
  free(s);
}
