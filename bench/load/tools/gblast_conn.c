/* One connection of the load generator: requests by nghttp2's HPACK encoder, as a real client has it, frames by hand.
 *
 * It is cheap on purpose, so that it shares a core with the origin. A request head that came out all indexed is sent
 * again as it stands; a response head that was all indexed is known when it comes again. */
#include "gblast.h"
#include <math.h>
#include <stdarg.h>

#define HEAD_ROOM 8192
#define PENDING_MAX (256 * 1024)
#define CREDIT_STEP (1u << 28)
#define FRAME_MAX 65536
#define FIELDS_MAX 128

static SSL_CTX *context;
static SSL_SESSION *session;
static uint8_t *scratch;
static char field_names[FIELDS_MAX][32], field_values[FIELDS_MAX][64];
static nghttp2_nv fields[FIELDS_MAX + 16];
static size_t field_count, usual_count;
static uint64_t random_state = 88172645463325252ull;

static uint64_t random_next(void) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return random_state;
}

void note_error(const char *format, ...) {
  if (!tally.error[0]) {
    va_list values;
    va_start(values, format);
    vsnprintf(tally.error, sizeof tally.error, format, values);
    va_end(values);
  }
}

static void field_add(const char *name, const char *value) {
  fields[field_count++] =
      (nghttp2_nv){(uint8_t *)name, (uint8_t *)value, strlen(name), strlen(value), NGHTTP2_NV_FLAG_NONE};
}

static void prepare_fields(void) {
  field_add(":method", "POST");
  field_add(":scheme", order.plain ? "http" : "https");
  field_add(":path", order.path);
  field_add(":authority", order.authority);
  field_add("te", "trailers");
  field_add("content-type", "application/grpc");
  field_add("user-agent", "grpc-c/44.0.0 (linux; chttp2)");
  field_add("grpc-accept-encoding", "identity, deflate, gzip");
  usual_count = field_count;
  for (int number = 0; number < order.fields; number++) {
    snprintf(field_names[number], sizeof field_names[number], "x-meta-field-%02d", number);
    snprintf(field_values[number], sizeof field_values[number], "value-%02d-of-some-static-metadata", number);
    field_add(field_names[number], field_values[number]);
  }
}

static int keep_session(SSL *ssl, SSL_SESSION *given) {
  (void)ssl;
  if (!order.resume) {
    return 0;
  }
  SSL_SESSION_free(session);
  session = given;
  return 1;
}

static void prepare_tls(void) {
  context = SSL_CTX_new(TLS_client_method());
  SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
  SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
  SSL_CTX_set1_groups_list(context, "X25519:P-256");
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                (order.hold ? SSL_MODE_RELEASE_BUFFERS : 0));
  if (!order.hold) {
    SSL_CTX_set_read_ahead(context, 1);
    SSL_CTX_set_default_read_buffer_len(context, 65536);
  }
  SSL_CTX_set_alpn_protos(context, (const uint8_t *)"\x02h2", 3);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(context, keep_session);
}

void conn_prepare(void) {
  scratch = malloc(READ_ROOM);
  prepare_fields();
  if (!order.plain) {
    prepare_tls();
  }
}

conn_t *conn_open(conn_t *old) {
  conn_t *conn = old;
  if (!conn) {
    conn = calloc(1, sizeof *conn);
    conn->calls = calloc((size_t)order.streams, sizeof *conn->calls);
  } else {
    conn_t kept = *conn;
    nghttp2_hd_deflate_del(kept.deflater);
    nghttp2_hd_inflate_del(kept.inflater);
    memset(conn, 0, sizeof *conn);
    memset(kept.calls, 0, (size_t)order.streams * sizeof *kept.calls);
    conn->calls = kept.calls;
    conn->rest = kept.rest;
    conn->io.out = kept.io.out;
    conn->io.room = kept.io.room;
  }
  conn->window = conn->first_window = 65535;
  conn->frame_max = RECORD;
  conn->streams_max = 1u << 30;
  conn->next_id = 1;
  conn->known_head.length = conn->known_trailers.length = -1;
  conn->begun = now_ns();
  nghttp2_hd_deflate_new(&conn->deflater, 4096);
  nghttp2_hd_inflate_new(&conn->inflater);
  conn->io.fd = io_connect(order.port, order.source);
  if (!order.plain) {
    conn->io.ssl = SSL_new(context);
    SSL_set_fd(conn->io.ssl, conn->io.fd);
    SSL_set_connect_state(conn->io.ssl);
    SSL_set_tlsext_host_name(conn->io.ssl, order.authority);
    if (order.resume && session) {
      SSL_set_session(conn->io.ssl, session);
    }
  }
  io_watch(&conn->io, ep, EPOLLIN | EPOLLOUT, conn);
  return conn;
}

static call_t *call_get(conn_t *conn, uint32_t id) {
  for (int at = 0; at < order.streams; at++) {
    if (conn->calls[at].active && conn->calls[at].id == id) {
      return &conn->calls[at];
    }
  }
  return NULL;
}

static void count_latency(uint64_t ns) {
  int step = ns ? (int)(log((double)ns) * 100.0) : 0;
  tally.latency[step >= LATENCY_STEPS ? LATENCY_STEPS - 1 : step]++;
  tally.latency_count++;
  tally.latency_sum += ns;
  if (ns > tally.latency_max) {
    tally.latency_max = ns;
  }
}

static void call_end(conn_t *conn, call_t *call, bool ok, const char *why) {
  if (ok) {
    tally.ok++;
    if (tally.measuring) {
      count_latency(now_ns() - (order.churn ? conn->begun : call->begun));
    }
  } else {
    tally.failed++;
    note_error("stream %u: %s", call->id, why);
  }
  call->active = false;
  conn->active--;
  if (order.churn) {
    conn->closing = true;
  }
}

static void conn_close(conn_t *conn, const char *why) {
  if (conn->dead) {
    return;
  }
  conn->dead = true;
  for (int at = 0; at < order.streams; at++) {
    if (conn->calls[at].active) {
      call_end(conn, &conn->calls[at], false, why);
    }
  }
  epoll_ctl(ep, EPOLL_CTL_DEL, conn->io.fd, NULL);
  if (conn->io.ssl) {
    if (conn->closing) {
      SSL_shutdown(conn->io.ssl);
    }
    SSL_free(conn->io.ssl);
  }
  close(conn->io.fd);
}

static bool all_indexed(const uint8_t *block, size_t length) {
  for (size_t at = 0; at < length; at++) {
    if (!(block[at] & 0x80)) {
      return false;
    }
  }
  return true;
}

/* Returns the octets of a request head written at `at`. */
static int put_request_head(conn_t *conn, uint8_t *at, size_t room) {
  if (!order.varied && conn->request_head_length) {
    memcpy(at, conn->request_head, (size_t)conn->request_head_length);
    return conn->request_head_length;
  }
  for (int number = 0; number < order.varied && number < order.fields; number++) {
    snprintf(field_values[number], sizeof field_values[number], "%016lx-%016lx", random_next(),
             random_next());
    fields[usual_count + (size_t)number].valuelen = strlen(field_values[number]);
  }
  ssize_t length = nghttp2_hd_deflate_hd(conn->deflater, at, room, fields, field_count);
  if (length < 0) {
    die("deflate");
  }
  if (!order.varied && all_indexed(at, (size_t)length) && length < (ssize_t)sizeof conn->request_head) {
    memcpy(conn->request_head, at, (size_t)length);
    conn->request_head_length = (int)length;
  }
  return (int)length;
}

static void put_body(conn_t *conn, call_t *call) {
  while (call->body_left) {
    if (call->window <= 0 || conn->window <= 0 || io_pending(&conn->io) > PENDING_MAX) {
      conn->body_waits = true;
      return;
    }
    int64_t length = call->body_left;
    length = length > conn->frame_max ? conn->frame_max : length;
    length = length > call->window ? call->window : length;
    length = length > conn->window ? conn->window : length;
    uint8_t *frame = io_reserve(&conn->io, FRAME_HEAD + (size_t)length);
    put_head(frame, (uint32_t)length, F_DATA, length == call->body_left ? END_STREAM : 0, call->id);
    memcpy(frame + FRAME_HEAD, order.body + (order.body_length - call->body_left), (size_t)length);
    conn->io.filled += FRAME_HEAD + (size_t)length;
    call->body_left -= (uint32_t)length;
    call->window -= length;
    conn->window -= length;
  }
}

static void call_start(conn_t *conn, uint64_t now) {
  call_t *call = conn->calls;
  while (call->active) {
    call++;
  }
  *call = (call_t){.id = conn->next_id,
                   .begun = now,
                   .body_left = order.body_length,
                   .window = conn->first_window,
                   .active = true};
  conn->next_id += 2;
  uint8_t *frame = io_reserve(&conn->io, HEAD_ROOM);
  int length = put_request_head(conn, frame + FRAME_HEAD, HEAD_ROOM - FRAME_HEAD);
  put_head(frame, (uint32_t)length, F_HEADERS, END_HEADERS, call->id);
  conn->io.filled += FRAME_HEAD + (size_t)length;
  conn->active++;
  tally.issued++;
  put_body(conn, call);
}

/* Go on with bodies that waited, then start as many calls as may run. */
static void start_calls(conn_t *conn) {
  if (!conn->settings_seen || conn->goaway) {
    return;
  }
  if (conn->body_waits) {
    conn->body_waits = false;
    for (int at = 0; at < order.streams; at++) {
      if (conn->calls[at].active && conn->calls[at].body_left) {
        put_body(conn, &conn->calls[at]);
      }
    }
  }
  uint32_t limit = (uint32_t)order.streams < conn->streams_max ? (uint32_t)order.streams : conn->streams_max;
  if (tally.ramping) {
    limit = 1;
  }
  uint64_t now = 0;
  if (tally.paced) {
    return;
  }
  while (conn->active < limit && tally.issued < tally.quota && !(order.churn && conn->next_id > 1) &&
         io_pending(&conn->io) < PENDING_MAX) {
    now = now ? now : now_ns();
    call_start(conn, now);
  }
}

bool conn_call(conn_t *conn, uint64_t begun) {
  bool room = conn->active < (uint32_t)order.streams && conn->active < conn->streams_max;
  if (conn->dead || conn->goaway || !conn->settings_seen || !room || io_pending(&conn->io) >= PENDING_MAX) {
    return false;
  }
  call_start(conn, begun);
  return true;
}

static void judge_field(const nghttp2_nv *field, known_t *found) {
  int length = (int)field->valuelen;
  if (order.verbose) {
    fprintf(stderr, "  %.*s: %.*s\n", (int)field->namelen, field->name, length, field->value);
  }
  if (field->namelen == 7 && !memcmp(field->name, ":status", 7)) {
    found->status_ok = length == 3 && !memcmp(field->value, "200", 3);
    if (!found->status_ok) {
      note_error("status %.*s", length, field->value);
    }
  } else if (field->namelen == 11 && !memcmp(field->name, "grpc-status", 11)) {
    found->grpc_ok = length == 1 && field->value[0] == '0';
    if (!found->grpc_ok) {
      note_error("grpc-status %.*s", length, field->value);
    }
  }
}

static bool is_known(const known_t *known, const uint8_t *block, uint32_t length) {
  return known->length == (int)length && !memcmp(known->block, block, length);
}

/* What a response head or trailers say of :status and grpc-status; good until the next one. */
static const known_t *read_block(conn_t *conn, const uint8_t *block, uint32_t length) {
  if (is_known(&conn->known_head, block, length)) {
    return &conn->known_head;
  }
  if (is_known(&conn->known_trailers, block, length)) {
    return &conn->known_trailers;
  }
  static known_t found;
  found.length = (int)length;
  found.status_ok = found.grpc_ok = false;
  const uint8_t *at = block;
  size_t left = length;
  for (;;) {
    nghttp2_nv field;
    int flags = 0;
    ssize_t used = nghttp2_hd_inflate_hd2(conn->inflater, &field, &flags, at, left, 1);
    if (used < 0) {
      note_error("a field block cannot be decoded: %zd", used);
      return &found;
    }
    at += used;
    left -= (size_t)used;
    if (flags & NGHTTP2_HD_INFLATE_EMIT) {
      judge_field(&field, &found);
    } else if (!left) {
      break;
    }
    if (flags & NGHTTP2_HD_INFLATE_FINAL) {
      break;
    }
  }
  nghttp2_hd_inflate_end_headers(conn->inflater);
  if (length < sizeof found.block && all_indexed(block, length)) {
    memcpy(found.block, block, length);
    *(found.status_ok ? &conn->known_head : &conn->known_trailers) = found;
  } else { /* the table has moved */
    conn->known_head.length = conn->known_trailers.length = -1;
  }
  return &found;
}

/* 0, or -1 to close. */
static int on_block(conn_t *conn, uint32_t id, uint8_t flags, const uint8_t *payload, uint32_t length) {
  if (!(flags & END_HEADERS)) {
    note_error("CONTINUATION is not understood");
    return -1;
  }
  if (flags & PADDED) {
    length -= 1u + payload[0];
    payload++;
  }
  if (flags & PRIORITY) {
    length -= 5;
    payload += 5;
  }
  const known_t *found = read_block(conn, payload, length);
  call_t *call = call_get(conn, id);
  if (!call) {
    return 0;
  }
  call->status_ok |= found->status_ok;
  call->grpc_ok |= found->grpc_ok;
  if (flags & END_STREAM) {
    bool ok = call->status_ok && call->grpc_ok && call->got == order.expected;
    char why[128] = "";
    if (!ok) {
      snprintf(why, sizeof why, "status_ok %d grpc_ok %d got %lu want %lu", call->status_ok, call->grpc_ok,
               call->got, order.expected);
    }
    call_end(conn, call, ok, why);
  }
  return 0;
}

static void on_data(conn_t *conn, uint32_t id, uint8_t flags, const uint8_t *payload, uint32_t length) {
  conn->taken += length;
  if (conn->taken >= CREDIT_STEP) {
    io_give_credit(&conn->io, (uint32_t)conn->taken);
    conn->taken = 0;
  }
  uint32_t data = flags & PADDED ? length - 1 - payload[0] : length;
  tally.received_data += data;
  call_t *call = call_get(conn, id);
  if (call) {
    call->got += data;
    if (flags & END_STREAM) {
      call_end(conn, call, false, "DATA ended the stream, no trailers");
    }
  }
}

static void on_settings(conn_t *conn, const uint8_t *payload, uint32_t length) {
  for (uint32_t at = 0; at + 6 <= length; at += 6) {
    uint32_t name = (uint32_t)payload[at] << 8 | payload[at + 1], value = get32(payload + at + 2);
    if (name == 1) {
      nghttp2_hd_deflate_change_table_size(conn->deflater, value < 4096 ? value : 4096);
      conn->request_head_length = 0;
    } else if (name == 3) {
      conn->streams_max = value;
    } else if (name == 4) {
      for (int number = 0; number < order.streams; number++) {
        conn->calls[number].window += (int64_t)value - conn->first_window;
      }
      conn->first_window = value;
    } else if (name == 5) {
      conn->frame_max = value > FRAME_MAX ? FRAME_MAX : value;
    }
  }
  conn->settings_seen = true;
  io_frame(&conn->io, F_SETTINGS, ACK, NULL, 0);
}

static void on_reset(conn_t *conn, uint32_t id, uint32_t code) {
  call_t *call = call_get(conn, id);
  if (call) {
    char why[64];
    tally.resets++;
    snprintf(why, sizeof why, "RST_STREAM code %u", code);
    call_end(conn, call, false, why);
  }
}

/* 0, or -1 to close. */
static int on_frame(conn_t *conn, const uint8_t *frame, uint32_t length) {
  uint8_t flags = frame[4];
  uint32_t id = get32(frame + 5) & 0x7fffffff;
  const uint8_t *payload = frame + FRAME_HEAD;
  call_t *call;
  tally.received_frames++;
  switch (frame[3]) {
  case F_HEADERS:
    return on_block(conn, id, flags, payload, length);
  case F_DATA:
    on_data(conn, id, flags, payload, length);
    break;
  case F_SETTINGS:
    if (!(flags & ACK)) {
      on_settings(conn, payload, length);
    }
    break;
  case F_PING:
    if (!(flags & ACK)) {
      io_frame(&conn->io, F_PING, ACK, payload, 8);
    }
    break;
  case F_WINDOW:
    if (!id) {
      conn->window += get32(payload) & 0x7fffffff;
    } else if ((call = call_get(conn, id))) {
      call->window += get32(payload) & 0x7fffffff;
    }
    break;
  case F_RST:
    on_reset(conn, id, get32(payload));
    break;
  case F_GOAWAY:
    conn->goaway = true;
    if (!order.churn) {
      note_error("GOAWAY code %u last %u", get32(payload + 4), get32(payload));
    }
    break;
  default:
    break;
  }
  return 0;
}

static void start_h2(conn_t *conn) {
  uint8_t settings[12];
  memcpy(io_reserve(&conn->io, 24), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
  conn->io.filled += 24;
  put_setting(settings, 2, 0);
  put_setting(settings + 6, 4, 1u << 29);
  io_frame(&conn->io, F_SETTINGS, 0, settings, sizeof settings);
  io_give_credit(&conn->io, (1u << 30) - 65535);
}

static void conn_failed(conn_t *conn, const char *what, const char *why) {
  tally.conn_failed++;
  note_error("%s: %s", what, why);
  conn_close(conn, what);
}

/* False if the connection cannot carry frames yet, or not any more. */
static bool open_up(conn_t *conn, uint32_t events) {
  if (!conn->connected) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(conn->io.fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error || (events & (EPOLLERR | EPOLLHUP))) {
      conn_failed(conn, "connect", strerror(error));
      return false;
    }
    if (!(events & EPOLLOUT)) {
      return false;
    }
    conn->connected = conn->io.armed = true;
    conn->io.want_write = false;
    if (!conn->io.ssl) {
      start_h2(conn);
    }
  }
  if (conn->io.ssl && !conn->shaken) {
    int done = io_handshake(&conn->io, ep, conn);
    if (done < 0) {
      conn_failed(conn, "TLS handshake", ERR_error_string(ERR_peek_error(), NULL));
    }
    if (done != 1) {
      return false;
    }
    conn->shaken = true;
    tally.handshakes++;
    tally.resumed += SSL_session_reused(conn->io.ssl);
    const unsigned char *chosen;
    unsigned length;
    SSL_get0_alpn_selected(conn->io.ssl, &chosen, &length);
    if (length != 2 || memcmp(chosen, "h2", 2)) {
      conn_failed(conn, "ALPN", "not h2");
      return false;
    }
    start_h2(conn);
  }
  return true;
}

/* NULL, or why the connection must close. */
static const char *read_all(conn_t *conn) {
  do {
    size_t filled = conn->rest_filled, at = 0;
    if (filled) {
      memcpy(scratch, conn->rest, filled);
    }
    ssize_t got = io_read(&conn->io, scratch + filled, READ_ROOM - filled);
    if (got <= 0) {
      return got < 0 ? "the peer closed the connection" : NULL;
    }
    tally.received += (uint64_t)got;
    filled += (size_t)got;
    while (filled - at >= FRAME_HEAD) {
      uint32_t length = get24(scratch + at);
      if (length > FRAME_MAX) {
        return "a frame is too large";
      }
      if (filled - at < FRAME_HEAD + length) {
        break;
      }
      if (on_frame(conn, scratch + at, length) < 0) {
        return "a frame was not understood";
      }
      at += FRAME_HEAD + length;
    }
    conn->rest_filled = filled - at;
    if (conn->rest_filled) {
      if (!conn->rest) {
        conn->rest = malloc(READ_ROOM);
      }
      memcpy(conn->rest, scratch + at, conn->rest_filled);
    }
  } while (io_more(&conn->io));
  return NULL;
}

void conn_drive(conn_t *conn, uint32_t events) {
  if (!open_up(conn, events)) {
    return;
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
    const char *why = read_all(conn);
    if (why) {
      conn_close(conn, why);
      return;
    }
  }
  if (conn->closing) { /* the one call of this connection is done */
    io_frame(&conn->io, F_GOAWAY, 0, NULL, 8);
    io_flush(&conn->io);
    conn_close(conn, "closing");
    return;
  }
  for (int turn = 0; turn < 64; turn++) {
    start_calls(conn);
    if (!io_pending(&conn->io)) {
      break;
    }
    if (io_flush(&conn->io) < 0) {
      conn_close(conn, "cannot write");
      return;
    }
    if (conn->io.want_write || !conn->body_waits) {
      break;
    }
  }
  io_arm(&conn->io, ep, conn);
}
