// The Node-API side: what core/addon.ts declares, function by function. Nothing here throws; a negative number is an errno.

#include "netlink.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

#define NAPI_VERSION 8
#include <node_api.h>

/* A socket as JavaScript holds it. Two owners: the External that JavaScript has, and the thread with its callback. */
struct handle {
  struct netlink_socket *socket;
  napi_threadsafe_function callback;
  bool callback_ended; /* the finalizer of `callback` has run: it may not be touched any more */
  bool joined;
  int owners;
};

static void release(struct handle *handle) {
  if (--handle->owners > 0) return;
  netlink_socket_destroy(handle->socket);
  free(handle);
}

static void join_thread(struct handle *handle) {
  if (handle->joined) return;
  handle->joined = true;
  pthread_join(handle->socket->thread, NULL);
}

/* The struct netlink_socket is the first thing that the thread knows; its handle is found through this pair. */
struct owned_socket {
  struct netlink_socket socket; /* first: one address for both */
  struct handle *handle;
};

static struct handle *handle_of(struct netlink_socket *socket) { return ((struct owned_socket *)socket)->handle; }

/* On the thread. */
static void notify(struct netlink_socket *socket) {
  napi_call_threadsafe_function(handle_of(socket)->callback, NULL, napi_tsfn_nonblocking);
}

static void ended(struct netlink_socket *socket) {
  napi_release_threadsafe_function(handle_of(socket)->callback, napi_tsfn_release);
}

/* On the main thread. */
static void call_back(napi_env env, napi_value function, void *context, void *data) {
  (void)context, (void)data;
  napi_value global;
  if (!env || napi_get_global(env, &global) != napi_ok) return;
  napi_call_function(env, global, function, 0, NULL, NULL);
}

/* The environment goes away while the socket is open: process exit, or the end of a worker. */
static void environment_ends(void *data) {
  struct handle *handle = data;
  netlink_socket_stop(handle->socket);
  join_thread(handle);
}

static void callback_finalize(napi_env env, void *data, void *hint) {
  (void)hint;
  struct handle *handle = data;
  handle->callback_ended = true;
  if (!handle->joined) {
    join_thread(handle);
    napi_remove_env_cleanup_hook(env, environment_ends, handle);
  }
  netlink_socket_ended(handle->socket);
  release(handle);
}

static void external_finalize(napi_env env, void *data, void *hint) {
  (void)env, (void)hint;
  struct handle *handle = data;
  if (!handle->callback_ended && !handle->joined) netlink_socket_stop(handle->socket); /* forgotten without close */
  release(handle);
}

static napi_value number(napi_env env, int64_t value) {
  napi_value result;
  napi_create_int64(env, value, &result);
  return result;
}

/* Has work done on a thread of libuv's pool, and what follows from it here. */
static void queue_work(napi_env env, const char *label, napi_async_execute_callback execute,
                       napi_async_complete_callback complete, void *data, napi_async_work *work) {
  napi_value name;
  napi_create_string_utf8(env, label, NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, NULL, name, execute, complete, data, work);
  napi_queue_async_work(env, *work);
}

static bool arguments(napi_env env, napi_callback_info info, size_t wanted, napi_value *values) {
  size_t count = wanted;
  return napi_get_cb_info(env, info, &count, values, NULL, NULL) == napi_ok && count >= wanted;
}

static int32_t int_of(napi_env env, napi_value value) {
  int32_t result = 0;
  napi_get_value_int32(env, value, &result);
  return result;
}

static uint32_t uint_of(napi_env env, napi_value value) {
  uint32_t result = 0;
  napi_get_value_uint32(env, value, &result);
  return result;
}

static struct handle *handle_argument(napi_env env, napi_value value) {
  void *data = NULL;
  return napi_get_value_external(env, value, &data) == napi_ok ? data : NULL;
}

/* A malloc'd copy of a string; NULL if it is none. */
static char *text_of(napi_env env, napi_value value) {
  size_t length;
  if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok) return NULL;
  char *text = malloc(length + 1);
  if (text) napi_get_value_string_utf8(env, value, text, length + 1, &length);
  return text;
}

/* open(namespace, protocol, receiveBuffer, mutesOwnRoutes, callback): External | -errno */
static napi_value socket_open(napi_env env, napi_callback_info info) {
  napi_value values[5], name, external;
  if (!arguments(env, info, 5, values)) return number(env, -EINVAL);
  int namespace_fd = int_of(env, values[0]);
  if (namespace_fd >= 0) {
    int code = namespace_check(namespace_fd);
    if (code != 0) return number(env, -code);
    namespace_fd = fcntl(namespace_fd, F_DUPFD_CLOEXEC, 3);
    if (namespace_fd < 0) return number(env, -errno);
  }
  struct handle *handle = calloc(1, sizeof *handle);
  struct owned_socket *owned = calloc(1, sizeof *owned);
  if (!handle || !owned) abort();
  handle->socket = &owned->socket;
  owned->handle = handle;
  owned->socket.namespace_fd = namespace_fd;
  owned->socket.protocol = int_of(env, values[1]);
  owned->socket.receive_buffer = int_of(env, values[2]);
  napi_get_value_bool(env, values[3], &owned->socket.mutes_own_routes);
  owned->socket.notify = notify;
  owned->socket.ended = ended;

  napi_create_string_utf8(env, "netlink", NAPI_AUTO_LENGTH, &name);
  if (napi_create_threadsafe_function(env, values[4], NULL, name, 0, 1, handle, callback_finalize, handle, call_back,
                                      &handle->callback) != napi_ok) {
    if (namespace_fd >= 0) close(namespace_fd);
    free(owned);
    free(handle);
    return number(env, -EINVAL);
  }
  handle->owners = 1; /* the callback's */
  int code = netlink_socket_start(&owned->socket);
  if (code != 0) {
    if (namespace_fd >= 0) close(namespace_fd);
    handle->joined = true;
    napi_release_threadsafe_function(handle->callback, napi_tsfn_abort);
    return number(env, -code);
  }
  handle->owners = 2;
  napi_add_env_cleanup_hook(env, environment_ends, handle);
  napi_create_external(env, handle, external_finalize, NULL, &external);
  return external;
}

/* submit(socket, kind, id, group, bytes | undefined, visit, namespace): 0 | -errno */
static napi_value socket_submit(napi_env env, napi_callback_info info) {
  napi_value values[7];
  if (!arguments(env, info, 7, values)) return number(env, -EINVAL);
  struct handle *handle = handle_argument(env, values[0]);
  if (!handle || handle->callback_ended) return number(env, -EBADF);
  void *bytes = NULL;
  size_t length = 0;
  bool typed = false;
  if (napi_is_typedarray(env, values[4], &typed) == napi_ok && typed)
    napi_get_typedarray_info(env, values[4], NULL, &length, &bytes, NULL, NULL);
  return number(env, -netlink_socket_submit(handle->socket, (enum job_kind)uint_of(env, values[1]),
                                            uint_of(env, values[2]), uint_of(env, values[3]), bytes, length,
                                            uint_of(env, values[5]), int_of(env, values[6])));
}

/* take(socket, limit): [whether there is more, kind, id, code, count, bytes | undefined, kind, …] */
static napi_value socket_take(napi_env env, napi_callback_info info) {
  napi_value values[2], list;
  napi_create_array(env, &list);
  if (!arguments(env, info, 2, values)) return list;
  struct handle *handle = handle_argument(env, values[0]);
  if (!handle) return list;
  uint32_t at = 0;
  bool more = false;
  struct item *item = netlink_socket_take(handle->socket, uint_of(env, values[1]), &more), *next;
  napi_set_element(env, list, at++, number(env, more));
  for (; item; item = next) {
    next = item->next;
    napi_value bytes;
    napi_get_undefined(env, &bytes);
    if (item->length > 0) {
      napi_value buffer;
      void *into;
      if (napi_create_arraybuffer(env, item->length, &into, &buffer) == napi_ok) {
        memcpy(into, item->bytes, item->length);
        napi_create_typedarray(env, napi_uint8_array, item->length, buffer, 0, &bytes);
      }
    }
    napi_set_element(env, list, at++, number(env, item->kind));
    napi_set_element(env, list, at++, number(env, item->id));
    napi_set_element(env, list, at++, number(env, item->code));
    napi_set_element(env, list, at++, number(env, item->count));
    napi_set_element(env, list, at++, bytes);
    netlink_item_free(item);
  }
  return list;
}

/* hold(socket, held): whether the open socket keeps the process alive */
static napi_value socket_hold(napi_env env, napi_callback_info info) {
  napi_value values[2];
  if (!arguments(env, info, 2, values)) return NULL;
  struct handle *handle = handle_argument(env, values[0]);
  bool held = false;
  napi_get_value_bool(env, values[1], &held);
  if (!handle || handle->callback_ended) return NULL;
  if (held) napi_ref_threadsafe_function(env, handle->callback);
  else napi_unref_threadsafe_function(env, handle->callback);
  return NULL;
}

/* close(socket): an item of kind 5 follows */
static napi_value socket_close(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, 1, values)) return NULL;
  struct handle *handle = handle_argument(env, values[0]);
  if (handle && !handle->callback_ended) netlink_socket_stop(handle->socket);
  return NULL;
}

/* openNamespace(path): fd | -errno */
static napi_value open_namespace(napi_env env, napi_callback_info info) {
  napi_value values[1];
  char *path = arguments(env, info, 1, values) ? text_of(env, values[0]) : NULL;
  if (!path) return number(env, -EINVAL);
  int fd = namespace_open(path);
  free(path);
  return number(env, fd);
}

/* closeNamespace(fd): here and not by fs.close, for Node's workers keep book of the descriptors that fs opened */
static napi_value close_namespace(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (arguments(env, info, 1, values)) close(int_of(env, values[0]));
  return NULL;
}

/* checkNamespace(fd): 0 | -errno */
static napi_value check_namespace(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, 1, values)) return number(env, -EINVAL);
  return number(env, -namespace_check(int_of(env, values[0])));
}

/* ---- TCP sockets ---- */

static bool bool_of(napi_env env, napi_value value) {
  bool result = false;
  napi_get_value_bool(env, value, &result);
  return result;
}

/* tcpOpen(namespace, family, local | undefined, port, listens, sixOnly, freebind, device | undefined, ttl, leastTtl): fd | -errno */
static napi_value tcp_open_(napi_env env, napi_callback_info info) {
  napi_value values[10];
  if (!arguments(env, info, 10, values)) return number(env, -EINVAL);
  char *local = text_of(env, values[2]), *device = text_of(env, values[7]);
  struct tcp_request request = {
      .family = int_of(env, values[1]),
      .local = local,
      .port = int_of(env, values[3]),
      .listens = bool_of(env, values[4]),
      .six_only = bool_of(env, values[5]),
      .freebind = bool_of(env, values[6]),
      .device = device,
      .ttl = int_of(env, values[8]),
      .least_ttl = int_of(env, values[9]),
  };
  int fd = tcp_open(int_of(env, values[0]), &request);
  free(local);
  free(device);
  return number(env, fd);
}

/* tcpHops(fd, ttl, leastTtl): 0 | -errno */
static napi_value tcp_hops_(napi_env env, napi_callback_info info) {
  napi_value values[3];
  if (!arguments(env, info, 3, values)) return number(env, -EINVAL);
  return number(env, -tcp_hops(int_of(env, values[0]), int_of(env, values[1]), int_of(env, values[2])));
}

/* tcpKey(fd, remote, bits | -1, key: Uint8Array): 0 | -errno */
static napi_value tcp_key_(napi_env env, napi_callback_info info) {
  napi_value values[4];
  if (!arguments(env, info, 4, values)) return number(env, -EINVAL);
  char *remote = text_of(env, values[1]);
  void *key = NULL;
  size_t length = 0;
  bool typed = false;
  int code = EINVAL;
  if (remote && napi_is_typedarray(env, values[3], &typed) == napi_ok && typed &&
      napi_get_typedarray_info(env, values[3], NULL, &length, &key, NULL, NULL) == napi_ok)
    code = tcp_key(int_of(env, values[0]), remote, int_of(env, values[2]), key, length);
  free(remote);
  return number(env, -code);
}

/* The octets of a Uint8Array where they are, or NULL. */
static void *octets_of(napi_env env, napi_value value, size_t *length) {
  void *octets = NULL;
  bool typed = false;
  if (napi_is_typedarray(env, value, &typed) != napi_ok || !typed ||
      napi_get_typedarray_info(env, value, NULL, length, &octets, NULL, NULL) != napi_ok)
    return NULL;
  return octets;
}

/* setOption(fd, level, name, value: Uint8Array): 0 | -errno */
static napi_value set_option(napi_env env, napi_callback_info info) {
  napi_value values[4];
  size_t length = 0;
  if (!arguments(env, info, 4, values)) return number(env, -EINVAL);
  void *value = octets_of(env, values[3], &length);
  if (!value) return number(env, -EINVAL);
  int code = setsockopt(int_of(env, values[0]), int_of(env, values[1]), int_of(env, values[2]), value, (socklen_t)length);
  return number(env, code == 0 ? 0 : -errno);
}

/* getOption(fd, level, name, value: Uint8Array, length): 0 | -errno. TCP_AO_GET_KEYS is told the length of one record, and may fill several. */
static napi_value get_option(napi_env env, napi_callback_info info) {
  napi_value values[5];
  size_t room = 0;
  if (!arguments(env, info, 5, values)) return number(env, -EINVAL);
  void *value = octets_of(env, values[3], &room);
  int length = int_of(env, values[4]);
  if (!value || length < 0 || (size_t)length > room) return number(env, -EINVAL);
  socklen_t size = (socklen_t)length;
  int code = getsockopt(int_of(env, values[0]), int_of(env, values[1]), int_of(env, values[2]), value, &size);
  return number(env, code == 0 ? 0 : -errno);
}

/* peerAlive(fd): 1, 0 or a negative errno (ENOPROTOOPT: a kernel before 6.5) */
static napi_value peer_alive(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (!arguments(env, info, 1, values)) return number(env, -EINVAL);
  int pidfd = -1;
  socklen_t size = sizeof pidfd;
  if (getsockopt(int_of(env, values[0]), SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) != 0) return number(env, -errno);
  /* It can be read once the process has ended (pidfd_open(2)). */
  struct pollfd end = {pidfd, POLLIN, 0};
  bool alive = poll(&end, 1, 0) == 0;
  close(pidfd);
  return number(env, alive);
}

/* icmp6Send(namespace, device, to, message: Uint8Array): 0 | -errno */
static napi_value icmp6_send_(napi_env env, napi_callback_info info) {
  napi_value values[4];
  if (!arguments(env, info, 4, values)) return number(env, -EINVAL);
  char *device = text_of(env, values[1]), *to = text_of(env, values[2]);
  void *message = NULL;
  size_t length = 0;
  bool typed = false;
  int code = EINVAL;
  if (device && to && napi_is_typedarray(env, values[3], &typed) == napi_ok && typed &&
      napi_get_typedarray_info(env, values[3], NULL, &length, &message, NULL, NULL) == napi_ok)
    code = icmp6_send(int_of(env, values[0]), device, to, message, length);
  free(device);
  free(to);
  return number(env, -code);
}

/* ---- echoes: one turn on a thread of libuv's pool each ---- */

struct echo_work {
  napi_async_work work;
  napi_deferred deferred;
  char *to;
  int octets, milliseconds, result;
};

static void echo_execute(napi_env env, void *data) {
  (void)env;
  struct echo_work *work = data;
  work->result = icmp_echo(work->to, work->octets, work->milliseconds);
}

static void echo_complete(napi_env env, napi_status status, void *data) {
  struct echo_work *work = data;
  napi_resolve_deferred(env, work->deferred, number(env, status == napi_ok ? work->result : -ECANCELED));
  napi_delete_async_work(env, work->work);
  free(work->to);
  free(work);
}

/* icmpEcho(to, octets, milliseconds): Promise<0 | mtu | -errno> */
static napi_value icmp_echo_(napi_env env, napi_callback_info info) {
  napi_value values[3], promise;
  if (!arguments(env, info, 3, values)) return NULL;
  struct echo_work *work = calloc(1, sizeof *work);
  if (!work) abort();
  work->to = text_of(env, values[0]);
  work->octets = int_of(env, values[1]);
  work->milliseconds = int_of(env, values[2]);
  napi_create_promise(env, &work->deferred, &promise);
  if (!work->to) {
    napi_resolve_deferred(env, work->deferred, number(env, -EINVAL));
    free(work);
    return promise;
  }
  queue_work(env, "icmpEcho", echo_execute, echo_complete, work, &work->work);
  return promise;
}

/* ---- echoes to many: one turn on a thread of libuv's pool, which starts the one that enters the namespace ---- */

struct echoes_work {
  napi_async_work work;
  napi_deferred deferred;
  int namespace_fd, milliseconds, code;
  size_t count;
  char **to;
  bool *answered;
};

static void echoes_execute(napi_env env, void *data) {
  (void)env;
  struct echoes_work *work = data;
  work->code = icmp_echoes(work->namespace_fd, work->to, work->answered, work->count, work->milliseconds);
}

static void echoes_work_free(struct echoes_work *work) {
  for (size_t i = 0; i < work->count; i++) free(work->to[i]);
  if (work->namespace_fd >= 0) close(work->namespace_fd);
  free(work->to);
  free(work->answered);
  free(work);
}

static void echoes_complete(napi_env env, napi_status status, void *data) {
  struct echoes_work *work = data;
  napi_value result;
  if (status != napi_ok) work->code = -ECANCELED;
  if (work->code != 0) {
    result = number(env, work->code);
  } else {
    napi_create_array_with_length(env, work->count, &result);
    for (size_t i = 0; i < work->count; i++) {
      napi_value one;
      napi_get_boolean(env, work->answered[i], &one);
      napi_set_element(env, result, (uint32_t)i, one);
    }
  }
  napi_resolve_deferred(env, work->deferred, result);
  napi_delete_async_work(env, work->work);
  echoes_work_free(work);
}

/* icmpEchoes(namespace, [to, …], milliseconds): Promise<-errno | boolean[]> */
static napi_value icmp_echoes_(napi_env env, napi_callback_info info) {
  napi_value values[3], promise;
  uint32_t length = 0;
  if (!arguments(env, info, 3, values) || napi_get_array_length(env, values[1], &length) != napi_ok) return NULL;
  struct echoes_work *work = calloc(1, sizeof *work);
  if (!work) abort();
  int fd = int_of(env, values[0]), code = 0;
  work->namespace_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
  if (fd >= 0 && work->namespace_fd < 0) code = -errno;
  work->milliseconds = int_of(env, values[2]);
  work->count = length;
  work->to = calloc(length + 1, sizeof *work->to);
  work->answered = calloc(length + 1, sizeof *work->answered);
  if (!work->to || !work->answered) abort();
  for (uint32_t i = 0; i < length; i++) {
    napi_value one;
    napi_get_element(env, values[1], i, &one);
    work->to[i] = text_of(env, one);
    if (!work->to[i]) code = -EINVAL;
  }
  napi_create_promise(env, &work->deferred, &promise);
  if (code != 0) {
    napi_resolve_deferred(env, work->deferred, number(env, code));
    echoes_work_free(work);
    return promise;
  }
  queue_work(env, "icmpEchoes", echoes_execute, echoes_complete, work, &work->work);
  return promise;
}

/* tcpClose(fd): for one that no Node socket has taken over */
static napi_value tcp_close(napi_env env, napi_callback_info info) {
  napi_value values[1];
  if (arguments(env, info, 1, values)) close(int_of(env, values[0]));
  return NULL;
}

NAPI_MODULE_INIT() {
  const napi_property_descriptor functions[] = {
      {"open", NULL, socket_open, NULL, NULL, NULL, napi_enumerable, NULL},
      {"submit", NULL, socket_submit, NULL, NULL, NULL, napi_enumerable, NULL},
      {"take", NULL, socket_take, NULL, NULL, NULL, napi_enumerable, NULL},
      {"hold", NULL, socket_hold, NULL, NULL, NULL, napi_enumerable, NULL},
      {"close", NULL, socket_close, NULL, NULL, NULL, napi_enumerable, NULL},
      {"openNamespace", NULL, open_namespace, NULL, NULL, NULL, napi_enumerable, NULL},
      {"closeNamespace", NULL, close_namespace, NULL, NULL, NULL, napi_enumerable, NULL},
      {"checkNamespace", NULL, check_namespace, NULL, NULL, NULL, napi_enumerable, NULL},
      {"tcpOpen", NULL, tcp_open_, NULL, NULL, NULL, napi_enumerable, NULL},
      {"tcpHops", NULL, tcp_hops_, NULL, NULL, NULL, napi_enumerable, NULL},
      {"tcpKey", NULL, tcp_key_, NULL, NULL, NULL, napi_enumerable, NULL},
      {"setOption", NULL, set_option, NULL, NULL, NULL, napi_enumerable, NULL},
      {"peerAlive", NULL, peer_alive, NULL, NULL, NULL, napi_enumerable, NULL},
      {"getOption", NULL, get_option, NULL, NULL, NULL, napi_enumerable, NULL},
      {"icmp6Send", NULL, icmp6_send_, NULL, NULL, NULL, napi_enumerable, NULL},
      {"icmpEchoes", NULL, icmp_echoes_, NULL, NULL, NULL, napi_enumerable, NULL},
      {"icmpEcho", NULL, icmp_echo_, NULL, NULL, NULL, napi_enumerable, NULL},
      {"tcpClose", NULL, tcp_close, NULL, NULL, NULL, napi_enumerable, NULL},
  };
  napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
  return exports;
}
