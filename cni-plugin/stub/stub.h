// margay-cni, what container runtimes execute: passes environment and stdin to margayd and prints what comes back.
//
// All of CNI's meaning is in the daemon. Here is only what must work without it: waiting for it, saying that it is down,
// the answer to VERSION, and keeping a DEL for later.

#ifndef MARGAY_STUB_H
#define MARGAY_STUB_H

#include <stdbool.h>
#include <stddef.h>

// Versions of the specification (protocol/versions.ts), as one literal with `between` between two of them.
#define VERSIONS(between)                                                                                              \
  "0.1.0" between "0.2.0" between "0.3.0" between "0.3.1" between "0.4.0" between "1.0.0" between "1.1.0"

// Codes of the CNI specification, and our own from 100 (protocol/errors.ts).
enum {
  INCOMPATIBLE_VERSION = 1,
  INVALID_ENVIRONMENT = 4,
  IO_FAILURE = 5,
  DECODE_FAILURE = 6,
  INVALID_CONFIG = 7,
  TRY_AGAIN_LATER = 11,
  UNAVAILABLE = 50,
  STUB_MISMATCH = 102,
};

// ---- wire.c: the request, and one exchange with the daemon

enum { REQUEST_HEAD = 9, ENVIRONMENT_LIMIT = 64 * 1024, STDIN_LIMIT = 4 * 1024 * 1024 };

struct request {
  unsigned char *octets;
  size_t length;
  const char *config; // stdin, within octets
  size_t config_length;
};

enum request_fault { REQUEST_OK, ENVIRONMENT_TOO_LONG, CONFIG_TOO_LONG, CONFIG_UNREADABLE };
enum request_fault make_request(struct request *request);

enum outcome {
  ANSWERED,    // the answer has been printed; *exit_code is set
  NOT_RUNNING, // nobody listens
  NO_ACCESS,   // errno says why
  BROKEN_OFF,  // the connection ended before the answer was complete
  SILENT,      // the time was over before the answer was complete
  MISMATCH,    // the daemon speaks another version
};
// `patience`: seconds to wait for more of the answer.
enum outcome exchange(const char *socket_path, const struct request *request, int patience, int *exit_code);

bool write_all(int fd, const void *octets, size_t length);

// ---- spool.c: a DEL kept on disk

// Writes the request durably into `dir` and its path into `path`. False: errno says why.
bool spool(const char *dir, const char *container, const char *interface, const struct request *request, char *path,
           size_t path_size);

// ---- judge.c

struct verdict {
  int code; // 0: nothing is wrong, as far as can be seen
  char message[512];
  const char *next_step;
};
// What is wrong with a call other than VERSION.
struct verdict judge(const char *command, const struct request *request);

// ---- json.c

// The string that the outermost object has for `key`; false if there is none, or it does not fit, or is written with \u.
bool json_string(const char *json, size_t length, const char *key, char *value, size_t value_size);

#endif
