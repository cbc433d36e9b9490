/*
 * usrsctp as one endpoint in virtual time: its clock and its random numbers come from the caller, so each run repeats.
 *
 *   peer REQUESTS ANSWERS client|server SEED PATH-MTU INTERLEAVING(0|1) PULLS(0|1)
 *
 * With PULLS 1 messages are read from the socket, and wait there while reading is stopped; else they are called back.
 *
 * REQUESTS and ANSWERS are FIFOs. One request, one answer; all numbers are little-endian.
 *
 * Request:  u32 length of what follows, f64 now (ms), u8 operation, its fields
 *             't'                                     only lets time pass
 *             'c'                                     connect
 *             'p'  packet                             a packet has arrived
 *             's'  u16 stream, u32 PPID, u8 ordered, i32 retransmits (-1: no limit), i32 lifetime ms (-1: none), data
 *             'r'  u16 stream                         reset the outgoing stream
 *             'd'                                     shut down
 *             'h'  u8 reads                           stop reading (0), or go on (1)
 * Answer:   u32 length of what follows, i32 errno or 0, then items: u8 kind, u32 length, content
 *             'p'  packet                             to send
 *             'm'  u16 stream, u32 PPID, u8 ordered, data     a message has arrived
 *             'e'  text                               up | lost | down | reset in|out STREAM
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <usrsctp.h>

#define PORT 5000
/* As Firefox sets its sockets. */
#define SOCKET_BUFFER (1024 * 1024)
#define INITIAL_WINDOW_PACKETS 10
#define STREAMS 1024
/* The interval of usrsctp's own timer thread, ms. */
#define TICK 10
/* RFC 8260 section 4.3.1; the header of version 0.9.5 leaves it out, the library knows it. */
#define SCTP_INTERLEAVING_SUPPORTED 0x00001206

#define REQUEST_BYTES (1 << 20)

/* usrsctp takes its time and its random numbers from the functions of this name here, not from the C library. */

/* Not 0, which usrsctp takes for "never". */
static double now_ms = 1e6;
static double ticked_ms = 1e6;
static uint64_t random_state;

int gettimeofday(struct timeval *restrict time, void *restrict zone) {
  (void)zone;
  time->tv_sec = (time_t)(now_ms / 1000);
  time->tv_usec = (suseconds_t)((now_ms - (double)time->tv_sec * 1000) * 1000);
  return 0;
}

/* SplitMix64. */
static uint64_t next_random(void) {
  uint64_t z = random_state += 0x9e3779b97f4a7c15u;
  z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
  z = (z ^ z >> 27) * 0x94d049bb133111ebu;
  return z ^ z >> 31;
}

/* The library imports it for getrandom alone. */
long syscall(long number, ...) {
  va_list arguments;
  va_start(arguments, number);
  uint8_t *buffer = va_arg(arguments, uint8_t *);
  size_t length = va_arg(arguments, size_t);
  va_end(arguments);
  if (number != SYS_getrandom) {
    fprintf(stderr, "usrsctp makes system call %ld, which is not simulated\n", number);
    _exit(1);
  }
  for (size_t i = 0; i < length; i++) buffer[i] = (uint8_t)next_random();
  return (long)length;
}

static void fail(const char *what) {
  perror(what);
  _exit(1);
}

/* The answer under construction. */
static uint8_t *answer;
static size_t answer_length, answer_room;

static void put(const void *bytes, size_t length) {
  if (answer_length + length > answer_room) {
    answer_room = 2 * (answer_length + length);
    answer = realloc(answer, answer_room);
    if (answer == NULL) fail("realloc");
  }
  memcpy(answer + answer_length, bytes, length);
  answer_length += length;
}

static void put_item(char kind, const void *head, size_t head_length, const void *body, size_t body_length) {
  uint32_t length = (uint32_t)(head_length + body_length);
  put(&kind, 1);
  put(&length, sizeof length);
  put(head, head_length);
  put(body, body_length);
}

static void put_event(const char *format, ...) {
  char text[64];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  put_item('e', "", 0, text, (size_t)length);
}

static struct socket *listener;
static struct socket *association;
/* An address of usrsctp's is a pointer; a constant one, because it takes part in hashes. */
static void *const self = (void *)0x1000;

static int send_packet(void *address, void *packet, size_t length, uint8_t tos, uint8_t set_df) {
  (void)address, (void)tos, (void)set_df;
  put_item('p', "", 0, packet, length);
  return 0;
}

static void notify(const union sctp_notification *event) {
  if (event->sn_header.sn_type == SCTP_ASSOC_CHANGE) {
    uint16_t state = event->sn_assoc_change.sac_state;
    if (state == SCTP_COMM_UP) put_event("up");
    if (state == SCTP_COMM_LOST || state == SCTP_CANT_STR_ASSOC) put_event("lost");
    if (state == SCTP_SHUTDOWN_COMP) put_event("down");
  } else if (event->sn_header.sn_type == SCTP_STREAM_RESET_EVENT) {
    const struct sctp_stream_reset_event *reset = &event->sn_strreset_event;
    size_t count = (reset->strreset_length - sizeof *reset) / sizeof(uint16_t);
    const char *direction = reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN ? "in" : "out";
    for (size_t i = 0; i < count; i++) put_event("reset %s %u", direction, reset->strreset_stream_list[i]);
  }
}

static int receive_message(struct socket *socket, union sctp_sockstore from, void *data, size_t length,
                           struct sctp_rcvinfo info, int flags, void *unused) {
  (void)socket, (void)from, (void)unused;
  if (data == NULL) return 1;
  if (flags & MSG_NOTIFICATION) {
    notify(data);
  } else if (flags & MSG_EOR) {
    uint32_t ppid = ntohl(info.rcv_ppid);
    uint8_t head[7] = {0};
    memcpy(head, &info.rcv_sid, 2);
    memcpy(head + 2, &ppid, 4);
    head[6] = !(info.rcv_flags & SCTP_UNORDERED);
    put_item('m', head, sizeof head, data, length);
  } else {
    fprintf(stderr, "usrsctp delivered a part of a message, which is not simulated\n");
    _exit(1);
  }
  free(data);
  return 1;
}

static int pulls, reads = 1;

/* What waits in the socket. */
static void pull_messages(void) {
  static uint8_t message[REQUEST_BYTES];
  while (pulls && reads && association != NULL) {
    struct sctp_rcvinfo info = {0};
    struct sockaddr_conn from;
    socklen_t from_length = sizeof from, info_length = sizeof info;
    unsigned type = SCTP_RECVV_NOINFO;
    int flags = 0;
    const ssize_t length = usrsctp_recvv(association, message, sizeof message, (struct sockaddr *)&from, &from_length,
                                         &info, &info_length, &type, &flags);
    if (length <= 0) return;
    void *copy = malloc((size_t)length);
    if (copy == NULL) fail("malloc");
    memcpy(copy, message, (size_t)length);
    const union sctp_sockstore store = {0};
    receive_message(association, store, copy, (size_t)length, info, flags, NULL);
  }
}

static void set_option(struct socket *socket, int option, const void *value, socklen_t length, const char *name) {
  if (usrsctp_setsockopt(socket, IPPROTO_SCTP, option, value, length) < 0) fail(name);
}

static void configure(struct socket *socket, uint32_t path_mtu, int interleaving) {
  const int on = 1, size = SOCKET_BUFFER, level = 2;
  const struct sctp_initmsg streams = {.sinit_num_ostreams = STREAMS, .sinit_max_instreams = STREAMS};
  const struct sctp_assoc_value resets = {.assoc_id = SCTP_ALL_ASSOC,
                                          .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ | SCTP_ENABLE_CHANGE_ASSOC_REQ};
  const uint16_t events[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
  struct sctp_paddrparams path = {.spp_pathmtu = path_mtu, .spp_flags = SPP_PMTUD_DISABLE};
  path.spp_address.ss_family = AF_CONN;
  if (usrsctp_setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size) < 0) fail("SO_RCVBUF");
  if (usrsctp_setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &size, sizeof size) < 0) fail("SO_SNDBUF");
  set_option(socket, SCTP_NODELAY, &on, sizeof on, "SCTP_NODELAY");
  set_option(socket, SCTP_RECVRCVINFO, &on, sizeof on, "SCTP_RECVRCVINFO");
  set_option(socket, SCTP_INITMSG, &streams, sizeof streams, "SCTP_INITMSG");
  set_option(socket, SCTP_ENABLE_STREAM_RESET, &resets, sizeof resets, "SCTP_ENABLE_STREAM_RESET");
  set_option(socket, SCTP_PEER_ADDR_PARAMS, &path, sizeof path, "SCTP_PEER_ADDR_PARAMS");
  set_option(socket, SCTP_FRAGMENT_INTERLEAVE, &level, sizeof level, "SCTP_FRAGMENT_INTERLEAVE");
  const struct sctp_assoc_value interleave = {.assoc_id = SCTP_FUTURE_ASSOC, .assoc_value = (uint32_t)interleaving};
  set_option(socket, SCTP_INTERLEAVING_SUPPORTED, &interleave, sizeof interleave, "SCTP_INTERLEAVING_SUPPORTED");
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
    const struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_type = events[i], .se_on = 1};
    set_option(socket, SCTP_EVENT, &event, sizeof event, "SCTP_EVENT");
  }
  if (usrsctp_set_non_blocking(socket, 1) < 0) fail("usrsctp_set_non_blocking");
}

static void start(int is_server, uint32_t path_mtu, int interleaving) {
  usrsctp_init_nothreads(0, send_packet, NULL);
  usrsctp_sysctl_set_sctp_blackhole(2);
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_asconf_enable(0);
  usrsctp_sysctl_set_sctp_auth_enable(0);
  usrsctp_sysctl_set_sctp_pr_enable(1);
  usrsctp_sysctl_set_sctp_default_frag_interleave(2);
  usrsctp_sysctl_set_sctp_initial_cwnd(INITIAL_WINDOW_PACKETS);
  usrsctp_register_address(self);
  struct socket *socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, pulls ? NULL : receive_message, NULL, 0,
                                         NULL);
  if (socket == NULL) fail("usrsctp_socket");
  configure(socket, path_mtu, interleaving);
  const struct sockaddr_conn address = {.sconn_family = AF_CONN, .sconn_port = htons(PORT), .sconn_addr = self};
  if (usrsctp_bind(socket, (struct sockaddr *)&address, sizeof address) < 0) fail("usrsctp_bind");
  if (!is_server) {
    association = socket;
    return;
  }
  listener = socket;
  if (usrsctp_listen(listener, 1) < 0) fail("usrsctp_listen");
}

static int connect_peer(void) {
  struct sockaddr_conn address = {.sconn_family = AF_CONN, .sconn_port = htons(PORT), .sconn_addr = self};
  if (usrsctp_connect(association, (struct sockaddr *)&address, sizeof address) == 0) return 0;
  return errno == EINPROGRESS ? 0 : errno;
}

static void take_packet(const uint8_t *packet, size_t length) {
  usrsctp_conninput(self, packet, length, 0);
  if (listener == NULL || association != NULL) return;
  association = usrsctp_accept(listener, NULL, NULL);
  if (association == NULL) return;
  if (usrsctp_set_non_blocking(association, 1) < 0) fail("usrsctp_set_non_blocking");
  put_event("up");
}

static int send_message(const uint8_t *fields, size_t length) {
  struct sctp_sendv_spa options = {.sendv_flags = SCTP_SEND_SNDINFO_VALID};
  uint32_t ppid;
  int32_t retransmits, lifetime_ms;
  const size_t head = 15;
  if (length <= head) return EINVAL;
  memcpy(&options.sendv_sndinfo.snd_sid, fields, 2);
  memcpy(&ppid, fields + 2, 4);
  memcpy(&retransmits, fields + 7, 4);
  memcpy(&lifetime_ms, fields + 11, 4);
  options.sendv_sndinfo.snd_ppid = htonl(ppid);
  options.sendv_sndinfo.snd_flags = fields[6] ? 0 : SCTP_UNORDERED;
  if (retransmits >= 0 || lifetime_ms >= 0) {
    options.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    options.sendv_prinfo.pr_policy = retransmits >= 0 ? SCTP_PR_SCTP_RTX : SCTP_PR_SCTP_TTL;
    options.sendv_prinfo.pr_value = (uint32_t)(retransmits >= 0 ? retransmits : lifetime_ms);
  }
  const ssize_t taken = usrsctp_sendv(association, fields + head, length - head, NULL, 0, &options, sizeof options,
                                      SCTP_SENDV_SPA, 0);
  return taken < 0 ? errno : 0;
}

static int reset_stream(const uint8_t *fields, size_t length) {
  char space[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)] = {0};
  struct sctp_reset_streams *reset = (struct sctp_reset_streams *)space;
  if (length < sizeof(uint16_t)) return EINVAL;
  reset->srs_flags = SCTP_STREAM_RESET_OUTGOING;
  reset->srs_number_streams = 1;
  memcpy(&reset->srs_stream_list[0], fields, sizeof(uint16_t));
  return usrsctp_setsockopt(association, IPPROTO_SCTP, SCTP_RESET_STREAMS, reset, sizeof space) < 0 ? errno : 0;
}

static void pass_time(double now) {
  while (ticked_ms + TICK <= now) {
    ticked_ms += TICK;
    now_ms = ticked_ms;
    usrsctp_handle_timers(TICK);
  }
  now_ms = now;
}

static int obey(const uint8_t *request, size_t length) {
  double now;
  const size_t head = sizeof now + 1;
  if (length < head) return EINVAL;
  memcpy(&now, request, sizeof now);
  pass_time(1e6 + now);
  const uint8_t *fields = request + head;
  switch (request[sizeof now]) {
    case 't': return 0;
    case 'c': return association == NULL ? ENOTCONN : connect_peer();
    case 'p': take_packet(fields, length - head); return 0;
    case 's': return association == NULL ? ENOTCONN : send_message(fields, length - head);
    case 'r': return association == NULL ? ENOTCONN : reset_stream(fields, length - head);
    case 'd': return association == NULL ? ENOTCONN : usrsctp_shutdown(association, SHUT_WR) < 0 ? errno : 0;
    case 'h': reads = length > head && fields[0] != 0; return 0;
    default: return EINVAL;
  }
}

/* False at the end of the requests. */
static int read_all(int file, void *buffer, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t n = read(file, (uint8_t *)buffer + done, length - done);
    if (n < 0) fail("read");
    if (n == 0) return 0;
    done += (size_t)n;
  }
  return 1;
}

static void write_all(int file, const uint8_t *bytes, size_t length) {
  for (size_t done = 0; done < length;) {
    const ssize_t n = write(file, bytes + done, length - done);
    if (n < 0) fail("write");
    done += (size_t)n;
  }
}

int main(int count, char **arguments) {
  static uint8_t request[REQUEST_BYTES];
  uint32_t length;
  if (count != 8) return 2;
  const int requests = open(arguments[1], O_RDONLY);
  const int answers = open(arguments[2], O_WRONLY);
  if (requests < 0 || answers < 0) fail("open");
  random_state = strtoull(arguments[4], NULL, 10);
  pulls = atoi(arguments[7]);
  start(strcmp(arguments[3], "server") == 0, (uint32_t)atoi(arguments[5]), atoi(arguments[6]));
  while (read_all(requests, &length, sizeof length)) {
    if (length > sizeof request || !read_all(requests, request, length)) return 1;
    const int32_t blank[2] = {0};
    put(blank, sizeof blank);
    const int32_t result = obey(request, length);
    pull_messages();
    const uint32_t rest = (uint32_t)(answer_length - sizeof rest);
    memcpy(answer, &rest, sizeof rest);
    memcpy(answer + sizeof rest, &result, sizeof result);
    write_all(answers, answer, answer_length);
    answer_length = 0;
  }
  return 0;
}
