// What margay-cni does for each command, and what it says when margayd is not there.

#include "stub.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  ADD_WAITS = 100, // tries, a tenth of a second apart: a daemon that restarts is back within ten seconds
  DEL_PATIENCE = 30, // a DEL that lasts longer is kept for later
};

// Seconds for an answer of a daemon that listens: one that hangs must not hang its runtime. Kubelet gives an ADD two minutes.
static const struct {
  const char *command;
  int seconds;
} patience[] = {{"ADD", 100}, {"DEL", DEL_PATIENCE}, {"GC", 60}, {"CHECK", 30}, {"STATUS", 10}, {"VERSION", 5}};

static int patience_of(const char *command) {
  for (size_t i = 0; i < sizeof patience / sizeof *patience; i++)
    if (strcmp(command, patience[i].command) == 0) return patience[i].seconds;
  return DEL_PATIENCE;
}

static const char about[] = "margay-cni: CNI plugin of Margay. Container runtimes call it; see the CNI specification.\n";
static const char versions[] = "\"supportedVersions\":[\"" VERSIONS("\",\"") "\"]";

static char cni_version[32] = "1.1.0";
static char socket_path[PATH_MAX] = "/run/margay/cni.sock";
static char spool_dir[PATH_MAX - 300] = "/var/lib/margay/cni-spool";

static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value ? value : "";
}

static void escape(const char *text, char *json, size_t size) {
  size_t length = 0;
  for (; *text && length + 7 < size; text++) {
    unsigned char c = *text;
    if (c == '"' || c == '\\') length += sprintf(json + length, "\\%c", c);
    else if (c < 0x20) length += sprintf(json + length, "\\u%04x", c);
    else json[length++] = c;
  }
  json[length] = 0;
}

// Prints an error object (SPEC, "Error") and gives the exit code. Runtimes show both texts in one line, with a sign between.
static int fail(int code, const char *message, const char *next_step) {
  char json[2][PATH_MAX + 512], object[3 * PATH_MAX];
  escape(message, json[0], sizeof json[0]);
  escape(next_step, json[1], sizeof json[1]);
  char *last = strrchr(json[0], '.');
  if (*next_step && last && !last[1]) *last = 0;
  int length = snprintf(object, sizeof object, "{\"cniVersion\":\"%s\",\"code\":%d,\"msg\":\"%s\",\"details\":\"%s\"}\n",
                        cni_version, code, json[0], json[1]);
  write_all(STDOUT_FILENO, object, length);
  return 1;
}

static int fail_about(int code, const char *format, const char *object, const char *reason, const char *next_step) {
  char message[PATH_MAX + 256];
  snprintf(message, sizeof message, format, object, reason);
  return fail(code, message, next_step);
}

static int print_versions(void) {
  char result[256];
  int length = snprintf(result, sizeof result, "{\"cniVersion\":\"%s\",%s}\n", cni_version, versions);
  return write_all(STDOUT_FILENO, result, length) ? 0 : 1;
}

static void read_settings(const struct request *request) {
  char text[PATH_MAX];
  if (json_string(request->config, request->config_length, "cniVersion", text, sizeof cni_version) &&
      strspn(text, "0123456789.") == strlen(text) && *text)
    strcpy(cni_version, text);
  if (json_string(request->config, request->config_length, "socket", text, sizeof text)) strcpy(socket_path, text);
  if (json_string(request->config, request->config_length, "spoolDir", text, sizeof spool_dir)) strcpy(spool_dir, text);
}

// Of a call that `judge` found right.
static int del_later(const struct request *request) {
  const char *container = variable("CNI_CONTAINERID"), *interface = variable("CNI_IFNAME");
  if (strlen(container) > 128) // it becomes part of a file's name
    return fail_about(INVALID_ENVIRONMENT, "CNI_CONTAINERID \"%.140s\" is too long to keep its DEL for later%s.",
                      container, "", "Start margayd.");
  char path[PATH_MAX];
  if (!spool(spool_dir, container, interface, request, path, sizeof path))
    return fail_about(IO_FAILURE, "margayd does not answer, and the DEL cannot be kept in %s: %s.", spool_dir,
                      strerror(errno), "Start margayd, or make room there.");
  // A daemon that came up meanwhile may have read the spool before this entry was there.
  int exit_code;
  if (exchange(socket_path, request, DEL_PATIENCE, &exit_code) != ANSWERED) return 0;
  unlink(path);
  return exit_code;
}

static int say_down(const char *command, enum outcome outcome) {
  int code = strcmp(command, "STATUS") == 0 ? UNAVAILABLE : TRY_AGAIN_LATER;
  switch (outcome) {
  case NO_ACCESS:
    return fail_about(code, "margayd cannot be reached at %s: %s.", socket_path, strerror(errno),
                      "Correct \"socket\" in the network configuration.");
  case MISMATCH:
    return fail_about(STUB_MISMATCH, "margayd at %s speaks another version of the protocol%s.", socket_path, "",
                      "Install the margay-cni that came with margayd.");
  case SILENT: {
    char time[32];
    snprintf(time, sizeof time, " within %d s", patience_of(command));
    return fail_about(code, "margayd at %s does not answer%s.", socket_path, time,
                      "It hangs, or has very much to do: see margayctl status and its log, or restart it: pods keep their network.");
  }
  case BROKEN_OFF:
    return fail_about(code, "margayd at %s ended before it answered%s.", socket_path, "",
                      "Try again; the daemon's log says why it ended, or refused this process.");
  default:
    return fail_about(code, "margayd does not listen at %s%s.", socket_path, "",
                      "Start margayd, or correct \"socket\" in the network configuration.");
  }
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  const char *command = variable("CNI_COMMAND");
  if (!*command) return write_all(STDERR_FILENO, about, sizeof about - 1) ? 0 : 1;

  struct request request;
  switch (make_request(&request)) {
  case ENVIRONMENT_TOO_LONG:
    return fail(INVALID_ENVIRONMENT, "The CNI_ variables are longer than 64 KiB.", "");
  case CONFIG_TOO_LONG:
    return fail(IO_FAILURE, "The network configuration on stdin is longer than 4 MiB.", "");
  case CONFIG_UNREADABLE:
    return fail_about(IO_FAILURE, "The network configuration on stdin cannot be read: %s%s.", strerror(errno), "", "");
  case REQUEST_OK:
    break;
  }
  read_settings(&request);

  bool is_del = strcmp(command, "DEL") == 0;
  int tries = strcmp(command, "ADD") == 0 ? ADD_WAITS : 1;
  int exit_code;
  enum outcome outcome = exchange(socket_path, &request, patience_of(command), &exit_code);
  if (outcome == ANSWERED) return exit_code;
  if (strcmp(command, "VERSION") == 0) return print_versions();
  struct verdict verdict = judge(command, &request);
  if (verdict.code) return fail(verdict.code, verdict.message, verdict.next_step);
  while (outcome == NOT_RUNNING && --tries > 0) {
    nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
    outcome = exchange(socket_path, &request, patience_of(command), &exit_code);
  }
  if (outcome == ANSWERED) return exit_code;
  if (is_del && outcome != MISMATCH) return del_later(&request);
  return say_down(command, outcome);
}
