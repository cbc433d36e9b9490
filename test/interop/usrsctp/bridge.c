/*
 * usrsctp as a peer: one association over UDP on the loopback interface, where each datagram is a bare SCTP packet.
 *
 *   bridge client|server PEER-PORT
 *
 * Prints `port N` first, then one line per event; reads one command per line.
 *
 * Commands:  send STREAM PPID ORDERED(0|1) MAX-RETRANSMITS(-1: reliable) LENGTH INDEX
 *            reset STREAM | shutdown | abort | quit
 * Events:    up | message STREAM PPID ORDERED LENGTH INDEX | reset in|out STREAM | lost | down
 *
 * A message is its index (4 bytes, big-endian), then bytes that count up from it; one that is not is reported as INDEX -1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <usrsctp.h>

#define PORT 5000
#define MTU 1160
#define MAX_MESSAGE 65536

static int udp;
static struct socket *association;
static pthread_mutex_t output_lock = PTHREAD_MUTEX_INITIALIZER;

static void say(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  pthread_mutex_lock(&output_lock);
  vprintf(format, arguments);
  putchar('\n');
  fflush(stdout);
  pthread_mutex_unlock(&output_lock);
  va_end(arguments);
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int send_packet(void *address, void *packet, size_t length, uint8_t tos, uint8_t set_df) {
  (void)address, (void)tos, (void)set_df;
  send(udp, packet, length, 0);
  return 0;
}

static void *receive_packets(void *unused) {
  static char packet[65536];
  for (;;) {
    ssize_t length = recv(udp, packet, sizeof packet, 0);
    if (length > 0) usrsctp_conninput(&udp, packet, (size_t)length, 0);
  }
  return unused;
}

static long message_index(const uint8_t *data, size_t length) {
  if (length < 4) return -1;
  uint32_t index = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3];
  for (size_t i = 4; i < length; i++)
    if (data[i] != (uint8_t)(index + i)) return -1;
  return index;
}

static void notify(const union sctp_notification *event) {
  if (event->sn_header.sn_type == SCTP_ASSOC_CHANGE) {
    uint16_t state = event->sn_assoc_change.sac_state;
    if (state == SCTP_COMM_UP) say("up");
    if (state == SCTP_COMM_LOST) say("lost");
    if (state == SCTP_SHUTDOWN_COMP) say("down");
  } else if (event->sn_header.sn_type == SCTP_STREAM_RESET_EVENT) {
    const struct sctp_stream_reset_event *reset = &event->sn_strreset_event;
    size_t count = (reset->strreset_length - sizeof *reset) / sizeof(uint16_t);
    const char *direction = reset->strreset_flags & SCTP_STREAM_RESET_INCOMING_SSN ? "in" : "out";
    for (size_t i = 0; i < count; i++) say("reset %s %u", direction, reset->strreset_stream_list[i]);
  }
}

static int receive_message(struct socket *socket, union sctp_sockstore from, void *data, size_t length,
                           struct sctp_rcvinfo info, int flags, void *unused) {
  (void)socket, (void)from, (void)unused;
  if (data == NULL) return 1;
  if (flags & MSG_NOTIFICATION)
    notify(data);
  else
    say("message %u %u %d %zu %ld", info.rcv_sid, ntohl(info.rcv_ppid), !(info.rcv_flags & SCTP_UNORDERED), length,
        message_index(data, length));
  free(data);
  return 1;
}

static void configure(struct socket *socket) {
  const int on = 1;
  struct sctp_initmsg streams = {.sinit_num_ostreams = 64, .sinit_max_instreams = 64};
  struct sctp_assoc_value resets = {.assoc_id = SCTP_ALL_ASSOC, .assoc_value = SCTP_ENABLE_RESET_STREAM_REQ};
  const uint16_t events[] = {SCTP_ASSOC_CHANGE, SCTP_STREAM_RESET_EVENT};
  if (usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_INITMSG, &streams, sizeof streams) < 0 ||
      usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_NODELAY, &on, sizeof on) < 0 ||
      usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_ENABLE_STREAM_RESET, &resets, sizeof resets) < 0)
    fail("setsockopt");
  for (size_t i = 0; i < sizeof events / sizeof *events; i++) {
    struct sctp_event event = {.se_assoc_id = SCTP_ALL_ASSOC, .se_type = events[i], .se_on = 1};
    if (usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_EVENT, &event, sizeof event) < 0) fail("SCTP_EVENT");
  }
  struct sctp_paddrparams path = {.spp_pathmtu = MTU, .spp_flags = SPP_PMTUD_DISABLE | SPP_HB_DISABLE};
  if (usrsctp_setsockopt(socket, IPPROTO_SCTP, SCTP_PEER_ADDR_PARAMS, &path, sizeof path) < 0) fail("SCTP_PEER_ADDR_PARAMS");
}

static void send_message(unsigned stream, unsigned ppid, int ordered, int retransmits, size_t length, uint32_t index) {
  static uint8_t data[MAX_MESSAGE];
  struct sctp_sendv_spa options = {.sendv_flags = SCTP_SEND_SNDINFO_VALID};
  if (length < 4 || length > sizeof data) return;
  for (size_t i = 0; i < length; i++) data[i] = i < 4 ? (uint8_t)(index >> (24 - 8 * i)) : (uint8_t)(index + i);
  options.sendv_sndinfo.snd_sid = (uint16_t)stream;
  options.sendv_sndinfo.snd_ppid = htonl(ppid);
  options.sendv_sndinfo.snd_flags = ordered ? 0 : SCTP_UNORDERED;
  if (retransmits >= 0) {
    options.sendv_flags |= SCTP_SEND_PRINFO_VALID;
    options.sendv_prinfo.pr_policy = SCTP_PR_SCTP_RTX;
    options.sendv_prinfo.pr_value = (uint32_t)retransmits;
  }
  // Its send buffer is full: it empties as the peer acknowledges.
  while (usrsctp_sendv(association, data, length, NULL, 0, &options, sizeof options, SCTP_SENDV_SPA, 0) < 0) {
    if (errno != EAGAIN && errno != EWOULDBLOCK) {
      perror("sendv");
      return;
    }
    usleep(1000);
  }
}

static void reset_stream(unsigned stream) {
  char space[sizeof(struct sctp_reset_streams) + sizeof(uint16_t)] = {0};
  struct sctp_reset_streams *reset = (struct sctp_reset_streams *)space;
  reset->srs_flags = SCTP_STREAM_RESET_OUTGOING;
  reset->srs_number_streams = 1;
  reset->srs_stream_list[0] = (uint16_t)stream;
  if (usrsctp_setsockopt(association, IPPROTO_SCTP, SCTP_RESET_STREAMS, reset, sizeof space) < 0) perror("SCTP_RESET_STREAMS");
}

static void abort_association(void) {
  // Closing without lingering is an ABORT.
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  usrsctp_setsockopt(association, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  usrsctp_close(association);
}

static void obey(const char *line) {
  unsigned stream, ppid, index;
  int ordered, retransmits;
  size_t length;
  if (sscanf(line, "send %u %u %d %d %zu %u", &stream, &ppid, &ordered, &retransmits, &length, &index) == 6)
    send_message(stream, ppid, ordered, retransmits, length, index);
  else if (sscanf(line, "reset %u", &stream) == 1)
    reset_stream(stream);
  else if (strncmp(line, "shutdown", 8) == 0)
    usrsctp_shutdown(association, SHUT_WR);
  else if (strncmp(line, "abort", 5) == 0)
    abort_association();
  else if (strncmp(line, "quit", 4) == 0)
    _exit(0);
}

static void open_udp(uint16_t peer_port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof address;
  const int buffer = 4 * 1024 * 1024;
  udp = socket(AF_INET, SOCK_DGRAM, 0);
  if (udp < 0 || bind(udp, (struct sockaddr *)&address, length) < 0) fail("bind");
  setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  if (getsockname(udp, (struct sockaddr *)&address, &length) < 0) fail("getsockname");
  say("port %u", ntohs(address.sin_port));
  address.sin_port = htons(peer_port);
  if (connect(udp, (struct sockaddr *)&address, sizeof address) < 0) fail("connect");
}

int main(int count, char **arguments) {
  char line[256];
  pthread_t thread;
  if (count != 3) return 2;
  open_udp((uint16_t)atoi(arguments[2]));
  usrsctp_init(0, send_packet, NULL);
  usrsctp_sysctl_set_sctp_ecn_enable(0);
  usrsctp_sysctl_set_sctp_rto_min_default(200);
  usrsctp_sysctl_set_sctp_rto_initial_default(300);
  usrsctp_sysctl_set_sctp_rto_max_default(1000);
  usrsctp_sysctl_set_sctp_init_rtx_max_default(20);
  usrsctp_register_address(&udp);

  struct socket *socket = usrsctp_socket(AF_CONN, SOCK_STREAM, IPPROTO_SCTP, receive_message, NULL, 0, NULL);
  if (socket == NULL) fail("usrsctp_socket");
  configure(socket);
  struct sockaddr_conn address = {.sconn_family = AF_CONN, .sconn_port = htons(PORT), .sconn_addr = &udp};
  if (usrsctp_bind(socket, (struct sockaddr *)&address, sizeof address) < 0) fail("usrsctp_bind");
  if (strcmp(arguments[1], "server") == 0 && usrsctp_listen(socket, 1) < 0) fail("usrsctp_listen");
  pthread_create(&thread, NULL, receive_packets, NULL);
  if (strcmp(arguments[1], "server") == 0) {
    association = usrsctp_accept(socket, NULL, NULL);
    if (association == NULL) fail("usrsctp_accept");
    say("up");
  } else {
    association = socket;
    if (usrsctp_connect(socket, (struct sockaddr *)&address, sizeof address) < 0) fail("usrsctp_connect");
  }
  while (fgets(line, sizeof line, stdin) != NULL) obey(line);
  return 0;
}
